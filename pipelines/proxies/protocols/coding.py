"""Content and transfer codings of HTTP, undone within a bound (RFC 9110 section 8.4.1, RFC 9112 section 7).

We ask for none, but some servers and proxies apply them all the same.
"""

import re
import zlib

from eagleray.pipelines.proxies.outcome import Outcome
from eagleray.pipelines.proxies.protocols.exchange import ProbeFailed

MAX_CODINGS = 2  # a proxy may compress what a server has compressed; beyond, it is a trap
# White space before the colon is wrong, but a proxy may remove it (RFC 9112 section 5.1), and so do we.
CONTENT = re.compile(rb"\ncontent-encoding[ \t]*:([^\n]*)")
TRANSFER = re.compile(rb"\ntransfer-encoding[ \t]*:([^\n]*)")
IDENTITY = b"identity"
CHUNKED = b"chunked"
GZIP = frozenset({b"gzip", b"x-gzip"})
DEFLATE = b"deflate"

# `wbits` of zlib: which wrapper is expected
GZIP_WRAPPED, ZLIB_WRAPPED, RAW = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS


def decode(lower_head: bytes, body: bytes, most: int, whole: bool = True) -> bytes:
    """Undo the codings that the head (in lower case) lists; each expands to `most` bytes at most.

    A coding that we don't know leaves the body as it is: what follows will not recognise it. Of a body that
    is not `whole`, what can be had of the first `most` bytes.

    Raises:
        ProbeFailed: MALFORMED or OVERSIZED.
    """
    codings = applied(lower_head)
    if len(codings) > MAX_CODINGS:
        raise ProbeFailed(Outcome.MALFORMED, f"HTTP: more than {MAX_CODINGS} codings")
    for coding in reversed(codings):
        if coding not in GZIP and coding != DEFLATE:
            return body
        if body:  # an empty answer is empty, whatever it is labelled
            body = expand(body, wrapper(coding, body), most, whole)
    return body


def applied(lower_head: bytes) -> list[bytes]:
    """The codings of a body, in the order in which they were applied; to be chunked at last is none."""
    transfer = listed(TRANSFER, lower_head)
    if transfer[-1:] == [CHUNKED]:
        transfer.pop()
    return listed(CONTENT, lower_head) + (transfer if CHUNKED not in transfer else [])


def listed(field: re.Pattern[bytes], lower_head: bytes) -> list[bytes]:
    """The codings that the fields of one name list."""
    values = b",".join(field.findall(lower_head)).split(b",")
    return [coding for value in values if (coding := value.strip()) not in (b"", IDENTITY)]


def wrapper(coding: bytes, body: bytes) -> int:
    """The `wbits` for a body; "deflate" is meant to be zlib's format, but some send it bare."""
    if coding in GZIP:
        return GZIP_WRAPPED
    is_zlib = body[0] & 0x0F == zlib.DEFLATED and int.from_bytes(body[:2], "big") % 31 == 0  # RFC 1950
    return ZLIB_WRAPPED if is_zlib else RAW


def expand(body: bytes, wbits: int, most: int, whole: bool) -> bytes:
    """Decompress one stream, or of one that is not `whole` the beginning; what follows it is dropped.

    Raises:
        ProbeFailed: MALFORMED where it is none or not whole, OVERSIZED beyond `most` bytes.
    """
    stream = zlib.decompressobj(wbits)
    try:
        expanded = stream.decompress(body, most + 1)
    except zlib.error as error:
        raise ProbeFailed(Outcome.MALFORMED, "HTTP: content coding") from error
    if not whole:
        return expanded[:most]
    if len(expanded) > most:
        raise ProbeFailed(Outcome.OVERSIZED, f"HTTP: body expands beyond {most} bytes")
    if not stream.eof:
        raise ProbeFailed(Outcome.MALFORMED, "HTTP: content coding, not whole")
    return expanded
