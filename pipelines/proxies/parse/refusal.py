"""Why an entry of a list is not taken."""

from enum import StrEnum


class Refusal(StrEnum):
    """The reason of a refusal: counted per source, so a list that goes bad is seen."""

    NOT_AN_ADDRESS = "not_an_address"  # no literal IPv4 or IPv6 address; names are not taken
    BAD_PORT = "bad_port"  # missing, no number, or outside 1..65535
    UNKNOWN_SCHEME = "unknown_scheme"
    BAD_CREDENTIALS = "bad_credentials"  # ambiguous, or longer than RFC 1929 carries
    RANGE_TOO_WIDE = "range_too_wide"
    LINE_TOO_LONG = "line_too_long"
    MALFORMED = "malformed"  # a document or a line that breaks its own format
    TOO_MANY = "too_many"  # the document goes on beyond the bound
    BLOCKED_ADDRESS = "blocked_address"  # not global and not allowed: given by `clean`, not by a parser
