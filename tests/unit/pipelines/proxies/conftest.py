"""Drives a sans-IO core against a scripted server."""

from collections.abc import Iterable
from itertools import chain
from typing import Any, NamedTuple

import pytest

from eagleray.pipelines.proxies.outcome import Outcome
from eagleray.pipelines.proxies.protocols.exchange import ProbeFailed, Stream


class Played(NamedTuple):
    """What came of an exchange."""

    outcome: Outcome
    value: Any  # what the core returned
    detail: str
    sent: list[bytes]
    rest: bytes  # received, or still on its way, and not consumed
    most: int  # the buffer's largest size
    stream: Stream


class Server:
    """Answers the n-th thing it is sent with the n-th reply, cut by `chunking`; then it closes."""

    def __init__(self, replies: Iterable[bytes], chunking) -> None:
        self.sent: list[bytes] = []
        self._replies = iter(replies)
        self._chunking = chunking
        self.coming: Iterable[bytes] = iter(())

    def take(self, data: bytes) -> None:
        if data:
            self.sent.append(data)
            self.coming = chain(self.coming, self._chunking(next(self._replies, b"")))

    def give(self) -> bytes | None:
        return next(self.coming, None)


def run(core, replies, chunking) -> Played:
    """Run `core(stream)` to its end; the stream's clock counts the chunks."""
    stream, server = Stream(), Server(replies, chunking)
    exchange, chunk, most = core(stream), None, 0
    outcome, value, detail = Outcome.OK, None, ""
    try:
        while True:
            server.take(exchange.send(chunk))
            most = max(most, len(stream.buffer))
            chunk = server.give()
            stream.now += 1
    except StopIteration as result:
        value = result.value
    except ProbeFailed as failure:
        outcome, detail = failure.outcome, failure.detail
    most = max(most, len(stream.buffer))
    return Played(outcome, value, detail, server.sent, stream.buffer + b"".join(server.coming), most, stream)


@pytest.fixture
def play(chunking):
    """`play(core, replies)`: run a core against a server that answers by script, in every chunking."""
    return lambda core, replies: run(core, replies, chunking)


@pytest.fixture(scope="session")
def play_chunks():
    """`play_chunks(core, chunks)`: the server sends these chunks as they are, whatever it is asked."""

    def play(core, chunks: list[bytes]) -> Played:
        return run(core, [b"all"], lambda reply: iter(chunks if reply else []))

    return play
