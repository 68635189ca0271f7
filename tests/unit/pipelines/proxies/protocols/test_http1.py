import gzip
from functools import partial
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eagleray.pipelines.proxies.outcome import Outcome
from eagleray.pipelines.proxies.protocols import http1
from eagleray.pipelines.proxies.protocols.http1 import (
    MAX_BODY,
    MAX_CHUNK_LINE,
    MAX_FRAMING,
    MAX_HEAD,
    MAX_INTERIM,
)

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
RECEIVE = 8192  # bytes that the engine hands over at most in one chunk
TRAILING = b"HTTP/1.1 500 the next answer"

ask = partial(http1.read_answer, send=b"GET / HTTP/1.1\r\n\r\n")


def length(text: bytes, body: bytes = b"") -> bytes:
    return OK + b"Content-Length: " + text + b"\r\n\r\n" + body


def headers(size: int) -> bytes:
    """A whole head of `size` bytes, without a body."""
    head = OK + b"Content-Length: 0\r\nX: "
    return head + b"x" * (size - len(head) - 4) + b"\r\n\r\n"


def coded(coding: bytes, body: bytes) -> bytes:
    """An answer whose body is coded."""
    return OK + b"Content-Encoding: " + coding + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body


BOMB = gzip.compress(bytes(MAX_BODY + 1))
TWICE = gzip.compress(gzip.compress(b"hi"))

# Answers that say where they end: status and body; what follows must stay.
FRAMED = {
    "Content-Length": (length(b"5", b"hello"), 200, b"hello"),
    "Content-Length 0": (length(b"0"), 200, b""),
    "Content-Length twice, the same": (OK + b"content-length: 2\r\nContent-Length: 2\r\n\r\nhi", 200, b"hi"),
    "Content-Length as a list of the same": (length(b"2, 2", b"hi"), 200, b"hi"),
    "Content-Length with blanks": (length(b" \t 2 \t", b"hi"), 200, b"hi"),
    "bare LF line ends": (b"HTTP/1.1 200 OK\nContent-Length: 2\n\nhi", 200, b"hi"),
    "mixed line ends": (b"HTTP/1.0 200 OK\r\nContent-Length: 2\n\r\nhi", 200, b"hi"),
    "folded header": (OK + b"X: a\r\n b\r\nContent-Length:\r\n\t2\r\n\r\nhi", 200, b"hi"),
    "no reason": (b"HTTP/1.1 404\r\nContent-Length: 2\r\n\r\nhi", 404, b"hi"),
    "reason of odd bytes": (b"HTTP/1.1 200 \xff\t \r\nContent-Length: 2\r\n\r\nhi", 200, b"hi"),
    "204 has no body": (b"HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n", 204, b""),
    "304 has no body": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", 304, b""),
    "interim answers": (b"HTTP/1.1 100 Continue\r\n\r\n" * MAX_INTERIM + length(b"2", b"hi"), 200, b"hi"),
    "chunked": (CHUNKED + b"5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n", 200, b"hello!"),
    "chunked, empty": (CHUNKED + b"0\r\n\r\n", 200, b""),
    "chunk with extension": (CHUNKED + b"a ; name=value\r\n0123456789\r\n0\r\n\r\n", 200, b"0123456789"),
    "chunk size in capitals and zeros": (CHUNKED + b"000A\r\n0123456789\r\n000\r\n\r\n", 200, b"0123456789"),
    "chunk that holds CRLF": (CHUNKED + b"4\r\n\r\n\r\n\r\n0\r\n\r\n", 200, b"\r\n\r\n"),
    "trailers": (CHUNKED + b"2\r\nhi\r\n0\r\nDigest: x\r\nY: z\r\n\r\n", 200, b"hi"),
    "both framings: chunked wins": (
        OK + b"Content-Length: 999\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        200,
        b"hi",
    ),
    "chunked as the last coding": (
        OK + b"Transfer-Encoding: gzip\r\nTransfer-Encoding: x, Chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        200,
        b"hi",
    ),
    "gzip": (coded(b"gzip", gzip.compress(b"hi")), 200, b"hi"),
    "gzip in chunks": (
        CHUNKED[:-2] + b"Content-Encoding: gzip\r\n\r\n16\r\n" + gzip.compress(b"hi") + b"\r\n0\r\n\r\n",
        200,
        b"hi",
    ),
    "white space before a colon": (OK + b"Content-Length \t: 2\r\n\r\nhi", 200, b"hi"),
    "identity as transfer coding": (
        OK + b"Transfer-Encoding: identity\r\nContent-Length: 2\r\n\r\nhi",
        200,
        b"hi",
    ),
    "gzip as transfer coding": (
        OK + b"Transfer-Encoding : gzip, chunked\r\n\r\n16\r\n" + gzip.compress(b"hi") + b"\r\n0\r\n\r\n",
        200,
        b"hi",
    ),
    "gzip as content and transfer coding": (
        OK
        + b"Content-Encoding: gzip\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
        + b"%x\r\n%b\r\n0\r\n\r\n" % (len(TWICE), TWICE),
        200,
        b"hi",
    ),
    "head as long as allowed": (headers(MAX_HEAD), 200, b""),
    "body as long as allowed": (length(b"%d" % MAX_BODY, b"x" * MAX_BODY), 200, b"x" * MAX_BODY),
}

# Answers that end with the connection
UNFRAMED = {
    "no framing": (OK + b"\r\nhi", b"hi"),
    "no headers, no body": (OK + b"\r\n", b""),
    "chunked is not the last coding": (OK + b"Transfer-Encoding: chunked, gzip\r\n\r\nhi", b"hi"),
    "a coding called like chunked": (
        OK + b"Content-Length: 1\r\nTransfer-Encoding: unchunked\r\n\r\nhi",
        b"hi",
    ),
    "Content-Length in the name only": (OK + b"X-Content-Length: 1\r\n\r\nhi", b"hi"),
    "Content-Length in the value only": (OK + b"X: Content-Length: 1\r\n\r\nhi", b"hi"),
    "body as long as allowed": (OK + b"\r\n" + b"x" * MAX_BODY, b"x" * MAX_BODY),
    "HTTP/1.0 without headers, closed at once": (b"HTTP/1.0 200 OK\r\n\r\n", b""),
    "gzip": (OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"hi"), b"hi"),
    "gzip as transfer coding": (OK + b"Transfer-Encoding: gzip\r\n\r\n" + gzip.compress(b"hi"), b"hi"),
}

FAILURES = {
    "closed unanswered": (b"", Outcome.CLOSED),
    "closed in the status line": (b"HTTP/1.1 20", Outcome.CLOSED),
    "closed in the headers": (OK + b"Content-Le", Outcome.CLOSED),
    "closed before the empty line": (OK + b"Content-Length: 2\r\n", Outcome.CLOSED),
    "closed after an interim answer": (b"HTTP/1.1 100 Continue\r\n\r\n", Outcome.CLOSED),
    "closed in the body": (length(b"5", b"hell"), Outcome.CLOSED),
    "closed in the chunk size": (CHUNKED + b"5", Outcome.CLOSED),
    "closed in the chunk": (CHUNKED + b"5\r\nhell", Outcome.CLOSED),
    "closed behind the chunk": (CHUNKED + b"5\r\nhello\r", Outcome.CLOSED),
    "closed before the last chunk": (CHUNKED + b"5\r\nhello\r\n", Outcome.CLOSED),
    "closed in the trailers": (CHUNKED + b"0\r\nDigest: x\r\n", Outcome.CLOSED),
    "SOCKS5 answers": (b"\x05\xff", Outcome.MALFORMED),
    "SSH answers": (b"SSH-2.0-OpenSSH_9.2\r\n", Outcome.MALFORMED),
    "HTTP/2 answers": (b"HTTP/2 200\r\n\r\n", Outcome.MALFORMED),
    "lower-case protocol": (b"http/1.1 200 OK\r\n\r\n", Outcome.MALFORMED),
    "empty line first": (b"\r\n" + OK + b"\r\n", Outcome.MALFORMED),
    "no status": (b"HTTP/1.1 OK\r\n\r\n", Outcome.MALFORMED),
    "status below 100": (b"HTTP/1.1 099 Low\r\n\r\n", Outcome.MALFORMED),
    "status above 599": (b"HTTP/1.1 600 High\r\n\r\n", Outcome.MALFORMED),
    "header with NUL": (OK + b"X: a\x00b\r\n\r\n", Outcome.MALFORMED),
    "header with bare CR": (OK + b"Content-Length: 1\r2\r\n\r\n", Outcome.MALFORMED),
    "1xx for ever": (b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000, Outcome.MALFORMED),
    "status line of 1 MB": (b"HTTP/1.1 200 " + b"x" * 1_000_000, Outcome.OVERSIZED),
    "headers without end": (OK + b"X: y\r\n" * 100_000, Outcome.OVERSIZED),
    "head one byte too long": (headers(MAX_HEAD + 1), Outcome.OVERSIZED),
    "body without end": (OK + b"\r\n" + b"x" * 200_000, Outcome.OVERSIZED),
    "Content-Length one too high": (length(b"%d" % (MAX_BODY + 1)), Outcome.OVERSIZED),
    "Content-Length huge": (length(b"9" * 5000), Outcome.OVERSIZED),
    "Content-Length negative": (length(b"-1"), Outcome.MALFORMED),
    "Content-Length with plus sign": (length(b"+2", b"hi"), Outcome.MALFORMED),
    "Content-Length in hexadecimal": (length(b"0x2", b"hi"), Outcome.MALFORMED),
    "Content-Length of other digits": (length("٢".encode(), b"hi"), Outcome.MALFORMED),
    "Content-Length empty": (length(b""), Outcome.MALFORMED),
    "Content-Length folded into two numbers": (length(b"1\r\n 2", b"hi"), Outcome.MALFORMED),
    "Content-Length twice, different": (
        OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi",
        Outcome.MALFORMED,
    ),
    "Content-Length as a list of different": (length(b"2, 3", b"hi!"), Outcome.MALFORMED),
    "chunk size 2^63": (CHUNKED + b"8000000000000000\r\n", Outcome.OVERSIZED),
    "chunk size of 17 digits": (CHUNKED + b"0" * 16 + b"2\r\nhi\r\n", Outcome.MALFORMED),
    "chunk size empty": (CHUNKED + b"\r\nhi\r\n", Outcome.MALFORMED),
    "chunk size negative": (CHUNKED + b"-2\r\nhi\r\n", Outcome.MALFORMED),
    "chunk size with 0x": (CHUNKED + b"0x2\r\nhi\r\n", Outcome.MALFORMED),
    "chunk longer than announced": (CHUNKED + b"2\r\nhi!\r\n0\r\n\r\n", Outcome.MALFORMED),
    "chunk line without end": (CHUNKED + b"5;" + b"x" * MAX_CHUNK_LINE, Outcome.OVERSIZED),
    "chunks beyond the body's bound": (
        CHUNKED + b"ffff\r\n" + b"x" * 0xFFFF + b"\r\n2\r\n",
        Outcome.OVERSIZED,
    ),
    "tiny chunks": (CHUNKED + b"1\r\nx\r\n" * (MAX_FRAMING + 1), Outcome.OVERSIZED),
    "chunk extensions without end": (CHUNKED + (b"1;" + b"e" * 1000 + b"\r\nx\r\n") * 20, Outcome.OVERSIZED),
    "gzip that is cut": (coded(b"gzip", gzip.compress(b"hi")[:-1]), Outcome.MALFORMED),
    "gzip bomb": (coded(b"gzip", gzip.compress(bytes(MAX_BODY + 1))), Outcome.OVERSIZED),
    "gzip bomb in chunks": (
        OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(BOMB), BOMB),
        Outcome.OVERSIZED,
    ),
    "Content-Length twice, once with a blank, different": (
        OK + b"Content-Length: 2\r\nContent-Length : 3\r\n\r\nhi!",
        Outcome.MALFORMED,
    ),
    "too many codings": (
        OK + b"Content-Encoding: gzip\r\nTransfer-Encoding: gzip, gzip, chunked\r\n\r\n0\r\n\r\n",
        Outcome.MALFORMED,
    ),
    "trailers without end": (CHUNKED + b"0\r\n" + b"X: y\r\n" * 10_000, Outcome.OVERSIZED),
}


@pytest.mark.parametrize(("answer", "status", "body"), FRAMED.values(), ids=FRAMED)
def test_framed_answer(play, answer, status, body):
    played = play(ask, [answer + TRAILING])
    assert played.outcome is Outcome.OK, played.detail
    assert (played.value, played.rest) == (http1.Answer(status, body), TRAILING)


@pytest.mark.parametrize(("answer", "body"), UNFRAMED.values(), ids=UNFRAMED)
def test_answer_that_ends_with_the_connection(play, answer, body):
    played = play(ask, [answer])
    assert (played.outcome, played.value) == (Outcome.OK, http1.Answer(200, body))


@pytest.mark.parametrize(("answer", "outcome"), FAILURES.values(), ids=FAILURES)
def test_failure(play, answer, outcome):
    assert play(ask, [answer]).outcome is outcome


@pytest.mark.parametrize(
    "chunk",
    [b"HTTP/1.1 100 Continue\r\n\r\n", OK, b"X: y\r\n", b"x" * RECEIVE, b"5;x\r\nhello\r\n", b"\x00"],
    ids=["interim", "status lines", "headers", "no line end", "chunks", "NUL"],
)
@pytest.mark.parametrize("beginning", [b"", OK, OK + b"\r\n", CHUNKED], ids=["-", "head", "body", "chunked"])
def test_a_server_without_end_fills_no_memory(play_chunks, beginning, chunk):
    flood = [beginning + chunk, *[chunk * (RECEIVE // len(chunk))] * 200]
    played = play_chunks(ask, flood)
    assert played.outcome in (Outcome.OVERSIZED, Outcome.MALFORMED)
    assert played.most <= MAX_BODY + 2 * RECEIVE


@pytest.mark.parametrize(("status", "refused"), [(200, []), (203, []), (206, [206]), (404, [404])])
@pytest.mark.parametrize("strict", [True, False])
def test_what_is_no_success_may_be_refused(play, status, refused, strict):
    told = []
    name = b"Content-Length" if strict else b"Content-Length "
    answer = b"HTTP/1.1 %d X\r\n%b: 2\r\n\r\nhi" % (status, name)
    assert play(partial(ask, refuse=told.append), [answer]).value == http1.Answer(status, b"hi")
    assert told[:1] == refused


def test_first_byte_is_the_time_of_the_first_chunk(play):
    assert play(ask, [length(b"2", b"hi")]).stream.first_byte_at == 1


class Spy:
    """A pattern that counts the bytes it is made to look at."""

    def __init__(self, pattern) -> None:
        self._pattern = pattern
        self.looked_at = 0

    def search(self, text: bytes, start: int, end: int):
        self.looked_at += min(len(text), end) - start
        return self._pattern.search(text, start, end)


def test_no_byte_of_a_head_is_searched_for_each_byte_that_comes(play, monkeypatch):
    spy = Spy(http1.HEAD_END)
    monkeypatch.setattr(http1, "HEAD_END", spy)
    assert play(ask, [headers(MAX_HEAD)]).outcome is Outcome.OK
    assert spy.looked_at <= 4 * MAX_HEAD


# Pieces of answers in any order and cut lead further into the parser than bytes by chance.
PIECES = [
    OK,
    b"HTTP/1.0 404 \n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"Content-Length: 3\r\n",
    b"Content-Length:",
    b"Transfer-Encoding: chunked\r\n",
    b"3\r\nabc\r\n",
    b"0\r\n\r\n",
    b"ffffffff\r\n",
    b" folded\r\n",
    b"\r\n",
    b"\r",
]
BYTES = st.lists(st.sampled_from(PIECES) | st.binary(max_size=8), max_size=16).map(b"".join)
BEGUN = st.tuples(st.sampled_from([b"", OK, CHUNKED, OK + b"\r\n"]), BYTES).map(b"".join)


@given(data=BEGUN, cuts=st.sets(st.integers(0, 200)))
def test_any_bytes_in_any_chunks_end_alike(play_chunks, data, cuts):
    edges = [0, *sorted(cut for cut in cuts if 0 < cut < len(data)), len(data)]
    chunks = [data[begin:end] for begin, end in pairwise(edges) if end > begin]
    cut, whole = play_chunks(ask, chunks), play_chunks(ask, [data] if data else [])
    assert (cut.outcome, cut.value, cut.rest) == (whole.outcome, whole.value, whole.rest)


def test_a_tls_alert_is_told_from_other_bytes(play):
    alert = play(partial(http1.read_head, send=b"GET"), [b"\x15\x03\x01\x00\x02\x02\x28"])
    other = play(partial(http1.read_head, send=b"GET"), [b"\x16\x03\x01\x00\x02\x02\x15"])
    assert (alert.detail, other.detail) == (http1.TLS_ALERT, "not HTTP")
