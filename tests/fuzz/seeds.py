"""What mutation begins with: the cases of the unit tests, and the lists in tests/data."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.certificates import odd
from tests.fuzz import pieces
from tests.fuzz.targets import NONCE
from tests.unit.pipelines.proxies import test_judging
from tests.unit.pipelines.proxies.judges import test_azenv, test_ip
from tests.unit.pipelines.proxies.protocols import (
    test_coding,
    test_http1,
    test_http_proxy,
    test_socks4,
    test_socks5,
)

LISTS = Path(__file__).parents[1] / "data" / "lists"
LARGEST = 4096  # bytes: what is wrong with larger cases is their size
SEPARATOR = b"\xf5\xf6"  # between two chunks; it stands in no text, for it is no UTF-8

Chunks = list[bytes]


def first_column(*tables: Mapping[str, Any]) -> Iterator[Chunks]:
    """The input of cases: the row itself, or the first of its cells; a list of chunks, or one of them."""
    for table in tables:
        for row in table.values():
            cell = row[0] if isinstance(row, tuple) else row
            yield cell if isinstance(cell, list) else [cell]


def codings() -> Iterator[Chunks]:
    """Two codings, of which one may be none, and the body."""
    for values, body, _ in [*test_coding.DECODED.values(), *test_coding.FAILURES.values()]:
        first, *others = b",".join(values).split(b",")
        yield [first or b"identity", b",".join(others) or b"identity", body]


def answers() -> Iterator[Chunks]:
    forged = (test_judging.FORGED_EAGLERAY, test_judging.FORGED_HTTPBIN, test_judging.HOSTILE)
    yield from first_column(*forged, test_judging.CHANGED, test_azenv.FORGED, test_ip.ANSWERS)
    yield from ([body] for body in pieces.DIRECT_ANSWERS)
    yield [test_judging.echoed(NONCE)]
    yield from ([test_azenv.page(shape, nonce=NONCE)] for shape in test_azenv.SHAPES.values())


HTTP = (test_http1.FRAMED, test_http1.UNFRAMED, test_http1.FAILURES)
SOCKS5 = (test_socks5.OPEN, test_socks5.FAILURES)
SEEDS: dict[str, list[Chunks]] = {
    "socks4": [*first_column(test_socks4.REPLIES)],
    "socks5": [*first_column(*SOCKS5)],
    "socks5-login": [*first_column(*SOCKS5, test_socks5.LOGINS)],
    "connect": [*first_column(test_http_proxy.OPEN, *HTTP)],
    "http1": [*first_column(*HTTP)],
    "page": [[b"HTTP/1.1 200 OK\r\n\r\n", *answer] for answer in first_column(*HTTP)],
    "coding": [*codings()],
    "judging": [*answers()],
    "answers": [*answers()],
    "certificate": [[each.der] for each in odd()],
    "parse": [[file.read_bytes()] for file in LISTS.iterdir()],
}


def seeds_of(name: str) -> set[bytes]:
    return {data for chunks in SEEDS[name] if len(data := SEPARATOR.join(chunks)) <= LARGEST}


def chunks_of(data: bytes) -> Chunks:
    """The chunks in mutated input; none is empty, as none comes from a socket so."""
    return [chunk for chunk in data.split(SEPARATOR) if chunk]
