"""What is fuzzed, with what, and what must hold: a value or the one error that is named, nothing else."""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from ipaddress import ip_address
from itertools import pairwise
from typing import Any, NamedTuple

from eagleray.pipelines.document import Document
from eagleray.pipelines.proxies.certificate import MAX_NAME, read_certificate
from eagleray.pipelines.proxies.judging import Judge, JudgeError, parse_judge_url
from eagleray.pipelines.proxies.model import Credentials, Endpoint, Protocol
from eagleray.pipelines.proxies.outcome import Outcome
from eagleray.pipelines.proxies.parse import Labels, parse, parse_lines
from eagleray.pipelines.proxies.protocols import coding, http1, http_proxy, socks4, socks5
from eagleray.pipelines.proxies.protocols.exchange import ProbeFailed, Stream
from eagleray.pipelines.proxies.protocols.target import Target
from eagleray.pipelines.proxies.targets import fetch, parse_target_page
from tests.fuzz import pieces

CHUNK = 8192  # bytes that the engine hands over at most
TARGET = Target("192.0.2.7", 80)
LOGIN = Credentials("user", "secret")
URL = parse_judge_url("http://judge.example/")
NONCE = "0123456789abcdef.nonce"
JUDGES = [Judge(URL, "192.0.2.9", http1.Answer(200, body)) for body in pieces.DIRECT_ANSWERS]


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
    with suppress(JudgeError):
        read(Judge(URL, "192.0.2.9", answer), answer)


def any_answer(chunks: list[bytes]) -> None:
    """Is an answer of a judge, or none; and the known page, or evidence that it is not."""
    answer = http1.Answer(200, b"".join(chunks))
    for judge in JUDGES:
        read(judge, answer)
    with suppress(ProbeFailed):
        JUDGES[0].refuse_tampered(answer, NONCE)


def read(judge: Judge, answer: http1.Answer) -> None:
    with suppress(ProbeFailed):
        exit_ip = judge.read(answer, NONCE, "192.0.2.7", "2001:db8::7").exit_ip
        assert str(ip_address(exit_ip)) == exit_ip


def any_list(chunks: list[bytes]) -> None:
    """Every entry is a candidate, which reads as it is written, or a refusal."""
    for content_type in ("", "text/html", "application/json"):
        result = parse(Document("list", "", b"".join(chunks), content_type))
        assert result.entries == len(result.candidates) + result.refused.total()
        for candidate in result.candidates:
            [again] = parse_lines([candidate.endpoint.authority], Labels())
            assert getattr(again, "endpoint", None) == candidate.endpoint


def any_certificate(chunks: list[bytes]) -> None:
    """Has a fingerprint, and of the rest what can be read, as text that can be written."""
    der = b"".join(chunks)
    certificate = read_certificate(der)
    assert certificate.sha256 == hashlib.sha256(der).hexdigest()
    said = certificate.subject + certificate.issuer + certificate.not_after
    assert said.encode().decode().isprintable()
    assert len(said) <= 3 * MAX_NAME


class Fuzzed(NamedTuple):
    """What to feed to what."""

    pieces: list[bytes]
    check: Callable[[list[bytes]], None]


PAGE = partial(
    fetch,
    endpoint=Endpoint("192.0.2.7", 80, LOGIN),
    protocol=Protocol.HTTPS,
    page=parse_target_page("http://site.example/#contains=abc"),
    secure=lambda exchange: exchange,
)
LOGGED_IN = partial(socks5.connect, target=TARGET, credentials=LOGIN)
TARGETS = {
    "socks4": Fuzzed(pieces.SOCKS, partial(any_chunks, partial(socks4.connect, target=TARGET))),
    "socks5": Fuzzed(pieces.SOCKS, partial(any_chunks, partial(socks5.connect, target=TARGET))),
    "socks5-login": Fuzzed(pieces.SOCKS, partial(any_chunks, LOGGED_IN)),
    "connect": Fuzzed(pieces.HTTP, partial(any_chunks, partial(http_proxy.connect, target=TARGET))),
    "http1": Fuzzed(
        pieces.HTTP, partial(any_chunking, partial(http1.read_answer, send=b"GET / HTTP/1.1\r\n\r\n"))
    ),
    "page": Fuzzed(pieces.HTTP, partial(any_chunks, PAGE)),
    "coding": Fuzzed([b"gzip", b"deflate", b"br", *pieces.HTTP], any_coding),
    "judging": Fuzzed(pieces.JUDGES, any_page),
    "answers": Fuzzed(pieces.JUDGES, any_answer),
    "certificate": Fuzzed(pieces.DER, any_certificate),
    "parse": Fuzzed(pieces.LISTS, any_list),
}
