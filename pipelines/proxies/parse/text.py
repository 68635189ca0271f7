"""Lists as text: one or more entries a line, each with what is said of it."""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache, partial
from ipaddress import IPv4Network
from itertools import zip_longest
from urllib.parse import unquote

from eagleray.pipelines.addresses import IPV4_TEXT
from eagleray.pipelines.proxies.model import Candidate, Credentials, Endpoint
from eagleray.pipelines.proxies.parse.endpoint import (
    MAX_PORT,
    PORT,
    read_credentials,
    read_endpoint,
)
from eagleray.pipelines.proxies.parse.labels import PROTOCOLS, Labels, candidate, overruled, with_words
from eagleray.pipelines.proxies.parse.lines import MAX_LINE, lines
from eagleray.pipelines.proxies.parse.refusal import Refusal

MIN_PREFIX = 22  # 1 024 addresses: a provider's block; wider ranges are a scan, not a list

COMMENTS = ("#", ";", "//")  # at the beginning of a line; behind white space only `#` starts one
SEPARATORS = ",;|\"'<>()"
INVISIBLE = "\u200b\u200c\u200d\u200e\u200f\u2060"  # what copying from a page brings along
UNLABELLED = Labels()

_plain = re.compile(rf"(?:([a-z0-9]+)://)?({IPV4_TEXT}):({PORT})(?:\s([\w\s+!=>-]{{0,100}}))?", re.ASCII)
# scheme://userinfo@host/prefix:port and the rest. A host is bracketed, dotted digits, or a name; a clock time
# such as 07:58:01 is neither. No part runs past an `@`, so many of them cost linear time. An address and a
# port before an `@` are the proxy's, unless an address follows.
_entry = re.compile(
    rf"(?:([a-z][a-z0-9+.-]*)://)?(?:(?!{IPV4_TEXT}:{PORT}@[^@0-9\[][^@]*$)(.*)@)?"
    r"(\[[^\]@]*\]|[0-9]+\.[0-9.]*|(?=[^:@]*[a-z])[\w.-]+)"
    r"(?:/([0-9]{1,2}))?:([0-9][^:/?#@]*)(.*)",
    re.ASCII | re.IGNORECASE,
)
_scheme = re.compile(r"([a-z][a-z0-9+.-]*)://", re.ASCII | re.IGNORECASE)
_address = re.compile(r"(?:\w+://)?(?:\[[0-9a-fA-F:]+\]|[0-9]+(?:\.[0-9]+){3})(?![\w.])", re.ASCII)
_columns = re.compile(r"([0-9]+(?:\.[0-9]+){3}|\[[0-9a-fA-F:.]+\])[\s,;|]+([0-9]{1,5})(?![\w.:])", re.ASCII)
_separators = re.compile(rf"[{SEPARATORS}{INVISIBLE}]+")
# A separator where no password goes on: behind a whole entry, or before a scheme.
_apart = re.compile(
    r"(@(?:\[[^\]@]*\]|[0-9]+\.[0-9.]*)(?:/[0-9]{1,2})?:[0-9]+/?)"
    rf"[{SEPARATORS}]|[{SEPARATORS}](?=[a-z][a-z0-9+.-]*://)",
    re.ASCII | re.IGNORECASE,
)
_comment = re.compile(r"\s#")
_field = re.compile(r"[\w-]+", re.ASCII)


def parse_text(text: str, labels: Labels) -> Iterator[Candidate | Refusal]:
    """The entries of a text."""
    return parse_lines(lines(text), labels)


def parse_lines(lines: Iterable[str], labels: Labels) -> Iterator[Candidate | Refusal]:
    """The entries of the lines, as they come: nothing is kept, so a stream of any length may be read."""
    plain = _plain.fullmatch
    labels_of = lru_cache(maxsize=1024)(partial(line_labels, labels))
    for line in lines:
        # Nearly every line of nearly every list has this form; it costs a fifth of what `parse_line` does.
        if (
            (match := plain(line))
            and (port := int(match[3])) <= MAX_PORT
            and (said := labels_of(match[1], match[4]))
        ):
            yield candidate(Endpoint(match[2], port), said)
        else:
            yield from parse_line(line, labels)


def line_labels(labels: Labels, scheme: str | None, words: str | None) -> Labels | None:
    """The labels, overruled by the words and that by the scheme; None where the scheme is unknown."""
    if words:
        labels = with_words(labels, words.split())
    if not scheme:
        return labels
    protocols = PROTOCOLS.get(scheme.lower())
    return overruled(labels, protocols, "", None) if protocols else None


def parse_line(line: str, labels: Labels) -> Iterator[Candidate | Refusal]:
    """The entries of one line; comments, headings and prose have none.

    The first word may be any `host:port`, a later one only an address or what has credentials: prose is full
    of colons. Words between two entries are labels of the first.
    """
    if len(line) > MAX_LINE:
        yield Refusal.LINE_TOO_LONG
        return
    words = split_words(without_comment(line), labels.credentials_last)
    found = [
        (at, match)
        for at, word in enumerate(words)
        if (match := match_entry(word)) and (at == 0 or match[2] or match[3][0] in "[0123456789")
    ]
    if words and not found:
        yield from refuse_word(words[0])
    for (at, match), following in zip_longest(found, found[1:]):
        end = following[0] if following else len(words)
        yield from read_entry(match, words[at + 1 : end], labels)


def match_entry(word: str) -> re.Match[str] | None:
    """The parts of a word that is `host:port`, perhaps with a scheme, credentials, a range or fields."""
    return _entry.fullmatch(word)


def without_comment(line: str) -> str:
    """What a line says, without white space and invisible characters around it."""
    line = line.strip().strip(INVISIBLE).strip()
    if line.startswith(COMMENTS):
        return ""
    return _comment.split(line, maxsplit=1)[0] if "#" in line else line


def split_words(line: str, whole: bool) -> list[str]:
    """Words apart by white space, and by punctuation too unless a word may hold a password."""
    if columns := _columns.match(line):
        line = f"{columns[1]}:{columns[2]}{line[columns.end() :]}"
    if whole:
        return [word.strip("\"',;") for word in line.split()]
    if "@" in line and _separators.search(line):
        line = _apart.sub(r"\1 ", line)
    words: list[str] = []
    for word in line.split():
        if "@" in word:
            words.append(word.strip(SEPARATORS + INVISIBLE))
        else:
            words += filter(None, _separators.split(word))
    return words


def refuse_word(word: str) -> Iterator[Refusal]:
    """The refusal of a line that has no `host:port` but starts like an endpoint, else nothing."""
    if (scheme := _scheme.match(word)) and scheme[1].lower() not in PROTOCOLS:
        yield Refusal.UNKNOWN_SCHEME
    elif _address.match(word):
        yield Refusal.BAD_PORT


def read_entry(
    match: re.Match[str], words: Sequence[str], labels: Labels, beside: Credentials | Refusal | None = None
) -> Iterator[Candidate | Refusal]:
    """The candidates that one entry stands for (a range stands for many), labelled by the words after it.

    `beside` are the credentials of an entry that holds none itself.
    """
    scheme, userinfo, host, prefix, port, rest = match.groups()
    if userinfo is None and ends_with_credentials(rest, labels):
        credentials = read_credentials(*rest[1:].partition(":")[::2])
        if words and not labels.credentials_last:  # a password may have been taken apart
            credentials = Refusal.BAD_CREDENTIALS
    else:
        credentials = read_userinfo(userinfo, bool(scheme)) if userinfo else beside
        words = [*_field.findall(rest), *words]
    said = line_labels(labels, scheme, " ".join(words))
    if said is None:
        yield Refusal.UNKNOWN_SCHEME
        return
    for endpoint in read_endpoints(host, prefix, port, credentials):
        yield endpoint if isinstance(endpoint, Refusal) else candidate(endpoint, said)


def ends_with_credentials(rest: str, labels: Labels) -> bool:
    """True for what follows a port in `ip:port:user:password` and `ip:port@user:password`.

    Unless a list is known to be of that form, these are two fields of which none is a label.
    """
    if labels.credentials_last and rest.startswith(":"):
        return True
    fields = rest[1:].split(":")
    if not rest.startswith((":", "@")) or len(fields) != 2 or not all(fields):
        return False
    return with_words(UNLABELLED, _field.findall(rest)) is UNLABELLED


def read_userinfo(userinfo: str, delimited: bool) -> Credentials | Refusal | None:
    """User and password of RFC 3986 section 3.2.1, percent-encoded.

    A second bare `@` is ambiguous. So is a separator in the user, who may begin behind it, unless a scheme
    has `delimited` him.
    """
    username, _, password = userinfo.partition(":")
    if "@" in userinfo or (not delimited and _separators.search(username)):
        return Refusal.BAD_CREDENTIALS
    return read_credentials(unquote(username), unquote(password))


def read_endpoints(
    host: str, prefix: str | None, port: str, credentials: Credentials | Refusal | None
) -> Iterator[Endpoint | Refusal]:
    """One endpoint, or one for each address of `host/prefix`; or the one reason why there is none."""
    first = credentials if isinstance(credentials, Refusal) else read_endpoint(host, port, credentials)
    if isinstance(first, Refusal) or prefix is None:
        yield first
    elif int(prefix) < MIN_PREFIX:
        yield Refusal.RANGE_TOO_WIDE
    else:
        try:
            network = IPv4Network(f"{host}/{prefix}")
        except ValueError:  # host bits are set, or the prefix is no prefix
            yield Refusal.NOT_AN_ADDRESS
        else:
            yield from (Endpoint(str(address), first.port, first.credentials) for address in network)
