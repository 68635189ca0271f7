"""HTTP/1.1 answers, incremental and bounded (RFC 9112)."""

import math
import re
from collections.abc import Callable

import msgspec

from eagleray.pipelines.proxies.outcome import Outcome
from eagleray.pipelines.proxies.protocols import coding
from eagleray.pipelines.proxies.protocols.exchange import EARLY, Exchange, ProbeFailed, Stream

MAX_HEAD = 16 * 1024  # servers themselves accept 8 KiB; twice that is not an honest answer
MAX_BODY = 64 * 1024  # a judge's answer is below 4 KiB; also what a compressed one may expand to
MAX_CHUNK_LINE = 1024  # a chunk's size and its extensions
MAX_FRAMING = 16 * 1024  # all chunk sizes, or all trailers: an honest chunk is larger than its size line
MAX_INTERIM = 8  # 1xx answers before the real one

PREFIX = b"HTTP/1."
TLS_ALERT = "a TLS alert instead of HTTP"  # content type 21 (RFC 8446 section 5.1): the server expects TLS
STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: [^\r\n]*)?\r?\n")
HEAD_END = re.compile(rb"\n\r?\n")
# The head of a final answer in strict form, framed by one Content-Length alone, its body not coded.
# Nearly every good answer is one and comes whole; to match it costs a quarter of reading it step by step.
FIELD = rb"(?!(?i:content-(?:length|encoding)|transfer-encoding))[^\x00-\x20:][^\x00\r\n]*+\r\n"
PLAIN = re.compile(
    rb"HTTP/1\.[01] ([2-5][0-9]{2})(?<!204|304)(?: [^\x00\r\n]*+)?\r\n"
    + rb"(?:%b)*+(?i:content-length):[ \t]*+([0-9]{1,4})\r\n(?:%b)*+\r\n" % (FIELD, FIELD)
)
FOLD = re.compile(rb"\n[ \t]+")
CONTENT_LENGTH = re.compile(rb"\ncontent-length[ \t]*:([^\n]*)")
OK = frozenset({200, 203})  # 203: 200, but for what a proxy has transformed (RFC 9110 section 15.3.4)
CHUNK_SIZE = re.compile(rb"([0-9a-fA-F]{1,16})[ \t]*(?:;.*)?")


class Head(msgspec.Struct):
    """Status and header section; `lower` is the whole head in lower case, each line ended by a bare LF."""

    status: int
    lower: bytes


class Answer(msgspec.Struct):
    """A final answer, its body whole."""

    status: int
    body: bytes


def read_answer(stream: Stream, send: bytes, refuse: Callable[[int], None] | None = None) -> Exchange[Answer]:
    """Send a request (not HEAD or CONNECT) and read the final answer.

    `refuse` is called with a status that is not `OK` before the body is read; it may raise.

    Raises:
        ProbeFailed: CLOSED, MALFORMED or OVERSIZED, and what `refuse` raises.
    """
    if stream.buffer:
        raise ProbeFailed(Outcome.MALFORMED, EARLY)
    buffer = yield send
    if buffer is None:
        raise ProbeFailed(Outcome.CLOSED, "closed unanswered")
    stream.buffer, stream.first_byte_at = buffer, stream.now
    if plain := PLAIN.match(buffer, 0, MAX_HEAD):
        start = plain.end()
        end, status = start + int(plain[2]), int(plain[1])
        if end <= len(buffer):
            if refuse and status not in OK:
                refuse(status)
            stream.buffer = buffer[end:]
            return Answer(status, buffer[start:end])
    head = yield from read_head(stream)
    if refuse and head.status not in OK:
        refuse(head.status)
    return Answer(head.status, (yield from read_body(stream, head)))


def read_head(stream: Stream, send: bytes = b"") -> Exchange[Head]:
    """Send, and read status and headers of the final answer; interim answers (1xx) are passed over."""
    searched = interim = 0  # a head may come byte by byte: no byte of it is searched again and again
    while True:
        if send or (end := HEAD_END.search(stream.buffer, searched, MAX_HEAD)) is None:
            refuse_non_http(stream.buffer)
            searched = max(0, len(stream.buffer) - 2)
            if not (yield from stream.receive(send)):
                raise ProbeFailed(
                    Outcome.CLOSED, "closed in HTTP headers" if stream.buffer else "closed unanswered"
                )
            send = b""
            if stream.first_byte_at is None:
                stream.first_byte_at = stream.now
            continue
        head = parse_head(stream.buffer[: end.start() + 1])
        stream.buffer = stream.buffer[end.end() :]
        if head.status >= 200:
            return head
        searched, interim = 0, interim + 1
        if interim > MAX_INTERIM:
            raise ProbeFailed(Outcome.MALFORMED, f"HTTP: more than {MAX_INTERIM} interim answers")


def refuse_non_http(buffer: bytes) -> None:
    """Give up at the first byte that can't begin an answer, or where a head has no end within the bound."""
    if not PREFIX.startswith(buffer[: len(PREFIX)]):
        raise ProbeFailed(Outcome.MALFORMED, TLS_ALERT if buffer[0] == 21 else "not HTTP")
    if len(buffer) >= MAX_HEAD:
        raise ProbeFailed(Outcome.OVERSIZED, f"HTTP: headers beyond {MAX_HEAD} bytes")


def parse_head(raw: bytes) -> Head:
    """Status line and headers, their last line ended.

    Bare LF ends a line (RFC 9112 section 2.2), folded lines become one (section 5.2); bare CR and NUL are
    invalid (RFC 9110 section 5.5).
    """
    status = STATUS_LINE.match(raw)
    lower = raw.lower().replace(b"\r\n", b"\n")
    if status is None or b"\r" in lower or b"\x00" in lower:
        raise ProbeFailed(Outcome.MALFORMED, "HTTP: status line or headers")
    if b"\n " in lower or b"\n\t" in lower:
        lower = FOLD.sub(b" ", lower)
    return Head(int(status[1]), lower)


def read_body(stream: Stream, head: Head) -> Exchange[bytes]:
    """Read the body by the framing that the head announces, and undo its codings."""
    body = bytearray()
    yield from pass_body(stream, head, body.extend, MAX_BODY)
    return coding.decode(head.lower, bytes(body), MAX_BODY)


def pass_body(
    stream: Stream, head: Head, take: Callable[[bytes], object], most: float = math.inf
) -> Exchange[None]:
    """Hand over the body piece by piece as it is framed (RFC 9112 section 6.3), still coded.

    It ends before where `take` gives true: it has enough.

    Raises:
        ProbeFailed: CLOSED, MALFORMED, or OVERSIZED beyond `most` bytes.
    """
    if head.status in (204, 304):
        return
    if codings := coding.listed(coding.TRANSFER, head.lower):  # overrides Content-Length
        chunked = codings[-1] == coding.CHUNKED
        yield from (pass_chunks(stream, take, most) if chunked else pass_to_end(stream, take, most))
    elif lengths := CONTENT_LENGTH.findall(head.lower):
        yield from pass_bytes(stream, content_length(lengths, most), take, "HTTP body")
    else:
        yield from pass_to_end(stream, take, most)


def pass_bytes(stream: Stream, count: int, take: Callable[[bytes], object], step: str) -> Exchange[bool]:
    """Hand over `count` bytes as they come; True where `take` has enough."""
    while count:
        if not stream.buffer and not (yield from stream.receive()):
            raise ProbeFailed(Outcome.CLOSED, f"closed in {step}")
        piece = stream.take(count)
        count -= len(piece)
        if take(piece):
            return True
    return False


def content_length(values: list[bytes], most: float) -> int:
    """The one length that all Content-Length fields agree on (RFC 9110 section 8.6)."""
    text = values[0].strip()
    if len(values) > 1 or b"," in text:
        text, *others = {length.strip() for length in b",".join(values).split(b",")}
        if others:
            raise ProbeFailed(Outcome.MALFORMED, "HTTP: several values of Content-Length")
    if not text.isdigit():
        raise ProbeFailed(Outcome.MALFORMED, "HTTP: Content-Length")
    if len(text) > 18 or int(text) > most:
        raise ProbeFailed(Outcome.OVERSIZED, f"HTTP: body beyond {most} bytes")
    return int(text)


def pass_chunks(stream: Stream, take: Callable[[bytes], object], most: float) -> Exchange[None]:
    """A chunked body; its trailers are passed over (RFC 9112 section 7.1)."""
    total = framing = 0
    while size := chunk_size(line := (yield from read_line(stream))):
        total, framing = total + size, framing + len(line)
        if total > most or framing > MAX_FRAMING:
            raise ProbeFailed(Outcome.OVERSIZED, f"HTTP: body beyond {most} bytes, or in tiny chunks")
        if (yield from pass_bytes(stream, size, take, "HTTP chunk")):
            return
        if (yield from stream.exactly(2, step="HTTP chunk")) != b"\r\n":
            raise ProbeFailed(Outcome.MALFORMED, "HTTP: chunk longer than announced")
    yield from skip_trailers(stream)


def chunk_size(line: bytes) -> int:
    """The size that a chunk begins with, its extensions passed over."""
    match = CHUNK_SIZE.fullmatch(line)
    if match is None:
        raise ProbeFailed(Outcome.MALFORMED, "HTTP: chunk size")
    return int(match[1], 16)


def skip_trailers(stream: Stream) -> Exchange[None]:
    """Fields behind the last chunk, up to the empty line."""
    size = 0
    while line := (yield from read_line(stream)):
        size += len(line)
        if size > MAX_FRAMING:
            raise ProbeFailed(Outcome.OVERSIZED, f"HTTP: trailers beyond {MAX_FRAMING} bytes")


def read_line(stream: Stream) -> Exchange[bytes]:
    """One line of the chunked framing, without its end."""
    while (end := stream.buffer.find(b"\n", 0, MAX_CHUNK_LINE)) < 0:
        if len(stream.buffer) >= MAX_CHUNK_LINE:
            raise ProbeFailed(Outcome.OVERSIZED, f"HTTP: chunk line beyond {MAX_CHUNK_LINE} bytes")
        if not (yield from stream.receive()):
            raise ProbeFailed(Outcome.CLOSED, "closed in HTTP chunk")
    line, stream.buffer = stream.buffer[:end].removesuffix(b"\r"), stream.buffer[end + 1 :]
    return line


def pass_to_end(stream: Stream, take: Callable[[bytes], object], most: float) -> Exchange[None]:
    """A body that ends with the connection."""
    total = 0
    while stream.buffer or (yield from stream.receive()):
        total += len(stream.buffer)
        if total > most:
            raise ProbeFailed(Outcome.OVERSIZED, f"HTTP: body beyond {most} bytes")
        if take(stream.take(len(stream.buffer))):
            return
