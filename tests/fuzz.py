"""A longer fuzz of everything that reads what strangers wrote: `python -m tests.fuzz [TARGET…]`.

Each target gets an equal share of FUZZ_SECONDS (300). Hypothesis makes the input, and shrinks what fails to
the smallest example; the exit code is then 1.
"""

import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eagleray.pipelines.document import Document
from eagleray.pipelines.proxies.judging import Judge, JudgeError, parse_judge_url
from eagleray.pipelines.proxies.model import Credentials
from eagleray.pipelines.proxies.outcome import Outcome
from eagleray.pipelines.proxies.parse import parse
from eagleray.pipelines.proxies.protocols import coding, http1, http_proxy, socks4, socks5
from eagleray.pipelines.proxies.protocols.exchange import ProbeFailed, Stream
from eagleray.pipelines.proxies.protocols.target import Target

SECONDS = 300.0  # in all, unless FUZZ_SECONDS says otherwise
BATCH = 1000  # executions between two looks at the clock
CHUNK = 8192  # bytes that the engine hands over at most
TARGET = Target("192.0.2.7", 80)
LOGIN = Credentials("user", "secret")
URL = parse_judge_url("http://judge.example/")
NONCE = "0123456789abcdef.nonce"

HTTP = [
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.0 404 \n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"Content-Length: 3\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Content-Encoding: gzip\r\n",
    b"3\r\nabc\r\n",
    b"0\r\n\r\n",
    b"8000000000000000\r\n",
    b" folded\r\n",
    b"\r\n",
    b"\r",
    b"\x00",
    b"\x1f\x8b\x08\x00",
]
SOCKS = [
    b"\x05",
    b"\x00",
    b"\x05\x00",
    b"\x05\x02",
    b"\x01\x00",
    b"\x05\x00\x00\x03\xff",
    b"\x00\x5a",
    b"\x04",
]
LISTS = [
    b"192.0.2.1",
    b":80",
    b"http://",
    b"user:pass@",
    b"[2001:db8::1]",
    b"/24",
    b"ip,port\n",
    b"\n",
    b"[",
    b"{",
    b'"ip":',
    b'"port":',
    b"8080",
    b'"',
    b",",
    b"]",
    b"}",
    b"<table>",
    b"<tr><td>",
    b"</td>",
    b"<script>",
    b"<!--",
    b"&#0;",
    b"\xef\xbb\xbf",
]
JUDGES = [
    b'{"judge":"eagleray","client":"192.0.2.1","headers":[["Host","x"]]',
    b',"session":"0123456789abcdef","key":"00"',
    b',"nonce":"0123456789abcdef.nonce","proof":"x"',
    b'{"origin":"192.0.2.1, 192.0.2.2","headers":{"Host":["x"]},"url":"http://x/?n=0123456789abcdef.nonce"',
    b"REMOTE_ADDR = 192.0.2.1\n",
    b"HTTP_VIA = 1.1 x\n",
    b"QUERY_STRING = n=0123456789abcdef.nonce\n",
    b"<pre>",
    b"192.0.2.1",
    b"2001:db8::1%eth0",
    b"}",
    b"]",
    b"[" * 2000,
    b"\\ud800",
]


def pieces(dictionary: list[bytes]) -> st.SearchStrategy[list[bytes]]:
    """Chunks from a dictionary, and of any bytes: they lead deep into a parser, and then astray."""
    return st.lists(st.sampled_from(dictionary) | st.binary(min_size=1, max_size=64), max_size=40)


def play(core: Callable[[Stream], Any], chunks: list[bytes]) -> tuple[Outcome, Any]:
    """How an exchange ends that receives these chunks and then the end of the stream."""
    stream = Stream()
    exchange = core(stream)
    try:
        next(exchange)
        for chunk in [*chunks, None]:
            exchange.send(chunk)
            assert len(stream.buffer) <= http1.MAX_BODY + 2 * CHUNK
    except StopIteration as result:
        return Outcome.OK, result.value
    except ProbeFailed as failure:
        return failure.outcome, None
    raise AssertionError("it waits for more behind the end of the stream")


def any_chunks(core: Callable[[Stream], Any], chunks: list[bytes]) -> None:
    """Ends, within bounds."""
    play(core, chunks)


def any_chunking(core: Callable[[Stream], Any], chunks: list[bytes]) -> None:
    """Ends alike, in whatever chunks the same bytes come."""
    data = b"".join(chunks)
    bytewise = [data[begin:end] for begin, end in pairwise(range(len(data) + 1))]
    assert play(core, chunks) == play(core, [data] if data else []) == play(core, bytewise)


def any_coding(chunks: list[bytes]) -> None:
    """Expands within the bound."""
    head = b"\ncontent-encoding: " + b",".join(chunks[:2]).lower().replace(b"\n", b"") + b"\n"
    body = b"".join(chunks[2:])
    with suppress(ProbeFailed):
        assert len(coding.decode(head, body, 256)) <= max(256, len(body))


def any_page(chunks: list[bytes]) -> None:
    """Is no judge, or one that reads the same page without surprise."""
    answer = http1.Answer(200, b"".join(chunks))
    try:
        judge = Judge(URL, "192.0.2.9", answer)
    except JudgeError:
        return
    with suppress(ProbeFailed):
        judge.read(answer, NONCE, "192.0.2.7")


def any_list(chunks: list[bytes]) -> None:
    """Every entry is a candidate or a refusal."""
    for content_type in ("", "text/html", "application/json"):
        result = parse(Document("list", "", b"".join(chunks), content_type))
        assert result.entries == len(result.candidates) + result.refused.total()


class Fuzzed(NamedTuple):
    """What to feed to what."""

    strategy: st.SearchStrategy[list[bytes]]
    check: Callable[[list[bytes]], None]


REQUEST = b"GET / HTTP/1.1\r\n\r\n"
TARGETS = {
    "socks4": Fuzzed(pieces(SOCKS), partial(any_chunks, partial(socks4.connect, target=TARGET))),
    "socks5": Fuzzed(pieces(SOCKS), partial(any_chunks, partial(socks5.connect, target=TARGET))),
    "socks5-login": Fuzzed(
        pieces(SOCKS), partial(any_chunks, partial(socks5.connect, target=TARGET, credentials=LOGIN))
    ),
    "connect": Fuzzed(pieces(HTTP), partial(any_chunks, partial(http_proxy.connect, target=TARGET))),
    "http1": Fuzzed(pieces(HTTP), partial(any_chunking, partial(http1.read_answer, send=REQUEST))),
    "coding": Fuzzed(pieces([b"gzip", b"deflate", b"br", *HTTP]), any_coding),
    "judging": Fuzzed(pieces(JUDGES), any_page),
    "parse": Fuzzed(pieces(LISTS), any_list),
}


def fuzz(fuzzed: Fuzzed, seconds: float) -> int:
    """Run a target for so many seconds, new input each time; the number of executions."""
    executions, deadline = 0, time.monotonic() + seconds

    @settings(max_examples=BATCH, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(fuzzed.strategy)
    def batch(chunks: list[bytes]) -> None:
        nonlocal executions
        executions += 1
        fuzzed.check(chunks)

    while time.monotonic() < deadline:
        batch()
    return executions


def main(wanted: list[str]) -> int:
    if unknown := set(wanted) - set(TARGETS):
        print(
            f"no such target: {', '.join(sorted(unknown))}; there are: {', '.join(TARGETS)}", file=sys.stderr
        )
        return 2
    names = wanted or list(TARGETS)
    seconds = float(os.environ.get("FUZZ_SECONDS", SECONDS)) / len(names)
    for name in names:
        print(f"{name:12} {fuzz(TARGETS[name], seconds):>9,} executions", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
