"""HTTP/1.1 answers, incremental and bounded (RFC 9112)."""

import re

import msgspec

from eagleray.pipelines.proxies.outcome import Outcome
from eagleray.pipelines.proxies.protocols.exchange import Exchange, ProbeFailed, Stream

MAX_HEAD = 16 * 1024  # servers themselves accept 8 KiB; twice that is not an honest answer
MAX_BODY = 64 * 1024  # a judge's answer is below 4 KiB
MAX_CHUNK_LINE = 1024  # a chunk's size and its extensions
MAX_INTERIM = 8  # 1xx answers before the real one

PREFIX = b"HTTP/1."
STATUS_LINE = re.compile(rb"http/1\.[01] ([1-5][0-9]{2})(?: [^\r\n]*)?\r?\n")
LENGTH = re.compile(rb"\ncontent-length:[ \t]*([^\r\n]*?)[ \t]*\r?\n")
CHUNKED = re.compile(rb"\ntransfer-encoding:[^\r\n]*chunked[ \t]*\r?\n")
HEAD_END = re.compile(rb"\r?\n\r?\n")


class Head(msgspec.Struct, frozen=True):
    """Status and header section; `lower` is the whole head in lower case, its last line ended."""

    status: int
    lower: bytes


class Answer(msgspec.Struct, frozen=True):
    """A final answer, its body whole."""

    status: int
    head: Head
    body: bytes


def read_answer(stream: Stream, send: bytes = b"") -> Exchange[Answer]:
    """Send a request (not HEAD or CONNECT) and read the final answer.

    Raises:
        ProbeFailed: CLOSED, MALFORMED or OVERSIZED.
    """
    head = yield from read_head(stream, send)
    return Answer(head.status, head, (yield from read_body(stream, head)))


def read_head(stream: Stream, send: bytes = b"") -> Exchange[Head]:
    """Send, and read status and headers of the final answer; interim answers (1xx) are passed over."""
    for _ in range(MAX_INTERIM + 1):
        head = yield from read_one_head(stream, send)
        if head.status >= 200:
            return head
        send = b""
    raise ProbeFailed(Outcome.MALFORMED, f"HTTP: more than {MAX_INTERIM} interim answers")


def read_one_head(stream: Stream, send: bytes) -> Exchange[Head]:
    """Read one header section, interim or final."""
    while (end := HEAD_END.search(stream.buffer)) is None:
        refuse_non_http(stream.buffer)
        if len(stream.buffer) > MAX_HEAD:
            raise ProbeFailed(Outcome.OVERSIZED, f"HTTP: headers beyond {MAX_HEAD} bytes")
        if not (yield from stream.receive(send)):
            raise ProbeFailed(
                Outcome.CLOSED, "closed in HTTP headers" if stream.buffer else "closed unanswered"
            )
        send = b""
        if stream.first_byte_at is None:
            stream.first_byte_at = stream.now
    lower = stream.buffer[: end.start()].lower() + b"\n"
    status = STATUS_LINE.match(lower)
    if status is None or b"\x00" in lower:
        raise ProbeFailed(Outcome.MALFORMED, "HTTP: status line or headers")
    stream.buffer = stream.buffer[end.end() :]
    return Head(int(status[1]), lower)


def refuse_non_http(buffer: bytes) -> None:
    """Give up at the first byte that can't begin an answer: the server speaks something else."""
    if not PREFIX.startswith(buffer[: len(PREFIX)]):
        raise ProbeFailed(Outcome.MALFORMED, "not HTTP")


def read_body(stream: Stream, head: Head) -> Exchange[bytes]:
    """Read the body by the framing that the head announces (RFC 9112 section 6.3)."""
    if head.status in (204, 304):
        return b""
    if CHUNKED.search(head.lower):
        return (yield from read_chunks(stream))
    if length := LENGTH.search(head.lower):
        return (yield from read_length(stream, length[1]))
    return (yield from read_to_end(stream))


def read_length(stream: Stream, text: bytes) -> Exchange[bytes]:
    """A body of a length announced."""
    if not text.isdigit():
        raise ProbeFailed(Outcome.MALFORMED, "HTTP: Content-Length")
    if len(text) > 18 or int(text) > MAX_BODY:
        raise ProbeFailed(Outcome.OVERSIZED, f"HTTP: body beyond {MAX_BODY} bytes")
    return (yield from stream.exactly(int(text), step="HTTP body"))


def read_chunks(stream: Stream) -> Exchange[bytes]:
    """A chunked body and its trailers (RFC 9112 section 7.1)."""
    body = b""
    while size := (yield from read_chunk_size(stream)):
        if len(body) + size > MAX_BODY:
            raise ProbeFailed(Outcome.OVERSIZED, f"HTTP: body beyond {MAX_BODY} bytes")
        body += yield from stream.exactly(size, step="HTTP chunk")
        if (yield from read_line(stream)):
            raise ProbeFailed(Outcome.MALFORMED, "HTTP: chunk longer than announced")
    trailers = 0
    while line := (yield from read_line(stream)):
        trailers += len(line)
        if trailers > MAX_HEAD:
            raise ProbeFailed(Outcome.OVERSIZED, f"HTTP: trailers beyond {MAX_HEAD} bytes")
    return body


def read_chunk_size(stream: Stream) -> Exchange[int]:
    """The size of the next chunk, its extensions passed over."""
    digits = (yield from read_line(stream)).split(b";", 1)[0].strip()
    if not re.fullmatch(rb"[0-9a-fA-F]{1,16}", digits):
        raise ProbeFailed(Outcome.MALFORMED, "HTTP: chunk size")
    return int(digits, 16)


def read_line(stream: Stream) -> Exchange[bytes]:
    """One line of the chunked framing, without its end."""
    while (end := stream.buffer.find(b"\n")) < 0:
        if len(stream.buffer) > MAX_CHUNK_LINE:
            raise ProbeFailed(Outcome.OVERSIZED, f"HTTP: chunk line beyond {MAX_CHUNK_LINE} bytes")
        if not (yield from stream.receive()):
            raise ProbeFailed(Outcome.CLOSED, "closed in HTTP chunk")
    line, stream.buffer = stream.buffer[:end].rstrip(b"\r"), stream.buffer[end + 1 :]
    return line


def read_to_end(stream: Stream) -> Exchange[bytes]:
    """A body that ends with the connection."""
    while len(stream.buffer) <= MAX_BODY:
        if not (yield from stream.receive()):
            body, stream.buffer = stream.buffer, b""
            return body
    raise ProbeFailed(Outcome.OVERSIZED, f"HTTP: body beyond {MAX_BODY} bytes")
