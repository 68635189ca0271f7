"""Servers that a check must survive, each wrong in one way, in a process of their own on loopback.

Each has a port of its own, at which it answers on every address of 127.0.0.0/8.
`python -m tests.hostile` serves them all. It says on stdout where, and answers each line on stdin with what
every server has counted; it ends with stdin.
"""

import asyncio
import gzip
import json
import secrets
import socket
import struct
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from eagleray.actors.process import raise_descriptor_limit
from eagleray.cluster.http_server import Server
from eagleray.cluster.judge import SECRET_BYTES, Judge, url_of
from eagleray.cluster.proving_ground.ground import bound
from eagleray.pipelines.proxies.model import Candidate, Endpoint, Protocol
from eagleray.pipelines.proxies.outcome import Outcome

HOST = "127.0.0.1"
BUFFER = 16 * 1024  # bytes that the kernel takes unsent: what is counted as sent is nearly what was received
LIFE = 30.0  # seconds after which a server gives up a connection that its client has left open
BACKLOG = 4096
SLOW = 0.7  # seconds until a slow server says something
IMPATIENCE = 2.0  # seconds that one waits for its client
OK = b"HTTP/1.1 200 OK\r\n"
PIECE = 4096  # bytes of a write
FILLER = b"-" * PIECE
BOMB = gzip.compress(bytes(10_000_000))
IPV4_BOUND = b"\x01\x7f\x00\x00\x01\x1f\x90"  # address type, address and port of a SOCKS5 reply


@dataclass
class Tally:
    """What one server has counted."""

    connections: int = 0
    received: int = 0  # bytes
    most_sent: int = 0  # bytes on one connection

    def __sub__(self, before: "Tally") -> "Tally":
        """What was counted since; `most_sent` is the most of all times."""
        return Tally(self.connections - before.connections, self.received - before.received, self.most_sent)


@dataclass
class Peer:
    """A client's connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    tally: Tally
    judge: tuple[str, int]
    sent: int = 0

    async def read(self, count: int) -> bytes:
        """Exactly so many bytes."""
        data = await self.reader.readexactly(count)
        self.tally.received += count
        return data

    async def head(self) -> bytes:
        """A request's head, or the first byte of what can't be one."""
        first = await self.read(1)
        if not first.isalpha():
            return first
        rest = await self.reader.readuntil(b"\r\n\r\n")
        self.tally.received += len(rest)
        return first + rest

    async def send(self, data: bytes) -> None:
        """Send piece by piece, each once the kernel has taken the one before."""
        for at in range(0, len(data), PIECE):
            piece = data[at : at + PIECE]
            self.writer.write(piece)
            await self.writer.drain()
            self.sent += len(piece)
            self.tally.most_sent = max(self.tally.most_sent, self.sent)

    async def send_forever(self, data: bytes) -> None:
        while True:
            await self.send(data)

    async def send_bytewise(self, data: bytes) -> None:
        for at in range(len(data)):
            await self.send(data[at : at + 1])

    async def hold(self) -> None:
        """Say nothing until the client goes."""
        while data := await self.reader.read(BUFFER):
            self.tally.received += len(data)

    async def finish(self) -> None:
        """End with FIN, and never with RST: take what the client still sends."""
        self.writer.write_eof()
        await self.hold()

    def reset(self) -> None:
        """End with RST instead of FIN."""
        linger = struct.pack("ii", 1, 0)
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.writer.transport.abort()

    async def judged(self) -> bytes:
        """The judge's answer to the client's request, which may be one to a forward proxy."""
        head = await self.head()
        if len(head) == 1:
            raise ConnectionError("not HTTP")
        authority = b"http://%s:%d" % (self.judge[0].encode(), self.judge[1])
        reader, writer = await asyncio.open_connection(*self.judge)
        try:
            writer.write(head.replace(authority, b"", 1))
            return await reader.read()
        finally:
            writer.close()

    async def accept_socks5(
        self, reply: bytes = b"\x05\x00\x00" + IPV4_BOUND, bytewise: bool = False
    ) -> None:
        """Open the way by SOCKS5; other protocols find the connection closed."""
        send = self.send_bytewise if bytewise else self.send
        if (await self.read(1)) != b"\x05":
            raise ConnectionError("not SOCKS5")  # ends the connection, whoever asks
        await self.read(2)
        await send(b"\x05\x00")
        await self.read(10)  # CONNECT to an IPv4 address
        await send(reply)

    async def accept_connect(self) -> None:
        """Open the way by CONNECT."""
        if not (await self.head()).startswith(b"CONNECT"):
            raise ConnectionError("not CONNECT")
        await self.send(OK + b"\r\n")


class Behaviour(NamedTuple):
    """A server: what it does, by which protocol it is asked first, and the outcome that this must have."""

    name: str
    act: Callable[[Peer], Awaitable[None]]
    protocol: Protocol
    outcome: Outcome
    alive: bool


BEHAVIOURS: dict[str, Behaviour] = {}


def must_be(outcome: Outcome, protocol: Protocol = Protocol.HTTP):
    """Register a behaviour under the name of its function."""

    def register(act: Callable[[Peer], Awaitable[None]]):
        name = act.__name__
        BEHAVIOURS[name] = Behaviour(name, act, protocol, outcome, outcome is Outcome.OK)
        return act

    return register


# Slow, silent, without end


@must_be(Outcome.TIMEOUT)
async def one_byte_a_second(peer: Peer) -> None:
    await peer.head()
    for at in range(len(OK)):
        await peer.send(OK[at : at + 1])
        await asyncio.sleep(1)


@must_be(Outcome.TIMEOUT)
async def silent(peer: Peer) -> None:
    await peer.hold()


@must_be(Outcome.TIMEOUT)
async def never_reads(peer: Peer) -> None:
    peer.writer.transport.pause_reading()
    await asyncio.sleep(LIFE)


@must_be(Outcome.OK, Protocol.SOCKS5)
async def impatient(peer: Peer) -> None:
    """Slow itself, it hangs up on a client that is slow."""
    if (await peer.read(1)) != b"\x05":
        return
    await peer.read(2)
    await asyncio.sleep(SLOW)
    await peer.send(b"\x05\x00")
    async with asyncio.timeout(IMPATIENCE):
        await peer.read(10)
        await peer.send(b"\x05\x00\x00" + IPV4_BOUND)
        await peer.send(await peer.judged())


@must_be(Outcome.TIMEOUT, Protocol.HTTPS)
async def silent_tunnel(peer: Peer) -> None:
    await peer.accept_connect()
    await peer.hold()


@must_be(Outcome.OVERSIZED)
async def headers_without_end(peer: Peer) -> None:
    await peer.head()
    await peer.send(OK)
    await peer.send_forever(b"X-Filler: -\r\n" * 300)


@must_be(Outcome.OVERSIZED)
async def body_without_end(peer: Peer) -> None:
    await peer.head()
    await peer.send(OK + b'\r\n{"judge":"eagleray","client":"')
    await peer.send_forever(FILLER)


@must_be(Outcome.OVERSIZED)
async def tiny_chunks_without_end(peer: Peer) -> None:
    await peer.head()
    await peer.send(OK + b"Transfer-Encoding: chunked\r\n\r\n")
    await peer.send_forever(b"1\r\n-\r\n" * 500)


@must_be(Outcome.OVERSIZED)
async def trailers_without_end(peer: Peer) -> None:
    await peer.head()
    await peer.send(OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n")
    await peer.send_forever(b"X-Filler: -\r\n" * 300)


@must_be(Outcome.MALFORMED)
async def interim_answers_for_ever(peer: Peer) -> None:
    await peer.head()
    await peer.send_forever(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)


@must_be(Outcome.MALFORMED)
async def garbage_without_end(peer: Peer) -> None:
    await peer.send_forever(b"\xff" * 4096)


@must_be(Outcome.OK)
async def answer_and_then_bytes_without_end(peer: Peer) -> None:
    await peer.send(await peer.judged())
    await peer.send_forever(FILLER)


# Sizes and forms


@must_be(Outcome.OVERSIZED)
async def chunk_of_2_to_63(peer: Peer) -> None:
    await peer.head()
    await peer.send(OK + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % 2**63)
    await peer.send_forever(FILLER)


@must_be(Outcome.OVERSIZED)
async def length_of_2_to_63(peer: Peer) -> None:
    await peer.head()
    await peer.send(OK + b"Content-Length: %d\r\n\r\n" % 2**63)
    await peer.send_forever(FILLER)


@must_be(Outcome.OVERSIZED)
async def zip_bomb(peer: Peer) -> None:
    await peer.head()
    await peer.send(OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(BOMB) + BOMB)


@must_be(Outcome.OVERSIZED)
async def status_line_of_1_mb(peer: Peer) -> None:
    await peer.head()
    await peer.send(b"HTTP/1.1 200 " + b"-" * 1_000_000 + b"\r\n\r\n")


@must_be(Outcome.MALFORMED)
async def header_with_nul(peer: Peer) -> None:
    await peer.head()
    await peer.send(OK + b"X: a\x00b\r\n\r\n")


@must_be(Outcome.NOT_A_PROXY)
async def redirect_to_itself(peer: Peer) -> None:
    line = (await peer.head()).partition(b"\r\n")[0]
    target = [*line.split(), b""][1]
    await peer.send(b"HTTP/1.1 302 Found\r\nLocation: " + target + b"\r\nContent-Length: 0\r\n\r\n")


@must_be(Outcome.NOT_A_PROXY)
async def answer_before_the_request(peer: Peer) -> None:
    await peer.send(OK + b"Content-Length: 2\r\n\r\nhi")
    await peer.hold()


@must_be(Outcome.MALFORMED, Protocol.SOCKS5)
async def socks5_reply_before_the_request(peer: Peer) -> None:
    await peer.send(b"\x05\x00\x05\x00\x00" + IPV4_BOUND)
    await peer.hold()


@must_be(Outcome.MALFORMED, Protocol.HTTPS)
async def page_behind_connect(peer: Peer) -> None:
    await peer.head()
    await peer.send(OK + b"\r\n<html>")
    await peer.hold()


# Ends


@must_be(Outcome.CLOSED)
async def fin_at_once(peer: Peer) -> None:
    pass


@must_be(Outcome.CLOSED)
async def fin_after_the_request(peer: Peer) -> None:
    await peer.head()


@must_be(Outcome.CLOSED)
async def fin_in_the_status_line(peer: Peer) -> None:
    await peer.head()
    await peer.send(OK[:9])


@must_be(Outcome.CLOSED)
async def fin_in_the_headers(peer: Peer) -> None:
    await peer.head()
    await peer.send(OK + b"Content-Len")


@must_be(Outcome.CLOSED)
async def fin_in_the_body(peer: Peer) -> None:
    await peer.send((await peer.judged())[:-1])


@must_be(Outcome.CLOSED)
async def fin_in_a_chunk(peer: Peer) -> None:
    await peer.head()
    await peer.send(OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhell")


@must_be(Outcome.CLOSED, Protocol.HTTPS)
async def fin_in_the_tunnel(peer: Peer) -> None:
    await peer.accept_connect()


@must_be(Outcome.CLOSED, Protocol.SOCKS5)
async def fin_after_the_socks5_greeting(peer: Peer) -> None:
    await peer.read(3)
    await peer.send(b"\x05\x00")


@must_be(Outcome.CLOSED, Protocol.SOCKS5)
async def fin_in_the_socks5_reply(peer: Peer) -> None:
    await peer.accept_socks5(b"\x05\x00\x00\x01\x7f")


@must_be(Outcome.CLOSED, Protocol.SOCKS4)
async def fin_in_the_socks4_reply(peer: Peer) -> None:
    await peer.read(9)
    await peer.send(b"\x00\x5a\x00")


@must_be(Outcome.RESET)
async def rst_at_once(peer: Peer) -> None:
    peer.reset()


@must_be(Outcome.RESET)
async def rst_after_the_request(peer: Peer) -> None:
    await peer.head()
    peer.reset()


@must_be(Outcome.RESET)
async def rst_in_the_body(peer: Peer) -> None:
    await peer.send((await peer.judged())[:-1])
    peer.reset()


@must_be(Outcome.OK)
async def rst_after_the_answer(peer: Peer) -> None:
    await peer.send(await peer.judged())
    peer.reset()


# SOCKS


@must_be(Outcome.OK, Protocol.SOCKS5)
async def socks5_byte_by_byte(peer: Peer) -> None:
    await peer.accept_socks5(bytewise=True)
    await peer.send_bytewise(await peer.judged())


@must_be(Outcome.OK, Protocol.SOCKS5)
async def socks5_domain_of_length_0(peer: Peer) -> None:
    await peer.accept_socks5(b"\x05\x00\x00\x03\x00\x1f\x90")
    await peer.send(await peer.judged())


@must_be(Outcome.OK, Protocol.SOCKS5)
async def socks5_domain_of_length_255(peer: Peer) -> None:
    await peer.accept_socks5(b"\x05\x00\x00\x03\xff" + b"d" * 255 + b"\x1f\x90")
    await peer.send(await peer.judged())


@must_be(Outcome.MALFORMED, Protocol.SOCKS5)
async def socks5_trailing_bytes(peer: Peer) -> None:
    await peer.accept_socks5(b"\x05\x00\x00" + IPV4_BOUND + b"\x00")
    await peer.send(await peer.judged())


@must_be(Outcome.MALFORMED, Protocol.SOCKS5)
async def version_4_to_version_5(peer: Peer) -> None:
    await peer.read(1)
    await peer.send(b"\x00\x5a" + bytes(6))
    await peer.hold()


@must_be(Outcome.MALFORMED, Protocol.SOCKS4)
async def version_5_to_version_4(peer: Peer) -> None:
    await peer.read(1)
    await peer.send(b"\x05\x00")
    await peer.hold()


# Odd, and yet right


@must_be(Outcome.OK)
async def http_byte_by_byte(peer: Peer) -> None:
    await peer.send_bytewise(await peer.judged())


@must_be(Outcome.OK)
async def gzip_that_nobody_asked_for(peer: Peer) -> None:
    head, _, body = (await peer.judged()).partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"content-length")]
    await peer.send(b"\r\n".join([*lines, b"Content-Encoding: gzip", b"", gzip.compress(body)]))


@must_be(Outcome.OK)
async def good(peer: Peer) -> None:
    await peer.send(await peer.judged())


class Ready(NamedTuple):
    """Where everything is."""

    judge: str
    ports: dict[str, int]
    allow: str = "127.0.0.0/8"


async def serve_one(
    act: Callable[[Peer], Awaitable[None]],
    tally: Tally,
    judge: tuple[str, int],
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    """One connection of one server: any end of it is the client's business."""
    tally.connections += 1
    writer.transport.set_write_buffer_limits(0)
    peer = Peer(reader, writer, tally, judge)
    try:
        with suppress(OSError, EOFError):
            async with asyncio.timeout(LIFE):
                await act(peer)
                if not writer.is_closing():
                    await peer.finish()
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def serve() -> None:
    """Serve them all until stdin ends."""
    raise_descriptor_limit()
    loop = asyncio.get_running_loop()
    judging = await loop.create_server(
        Server(Judge(secrets.token_bytes(SECRET_BYTES)).answer).connection, HOST
    )
    judge = judging.sockets[0].getsockname()
    tallies, ports = {}, {}
    for name, behaviour in BEHAVIOURS.items():
        tallies[name] = Tally()
        sock = bound()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
        await asyncio.start_server(
            partial(serve_one, behaviour.act, tallies[name], judge), sock=sock, backlog=BACKLOG
        )
        ports[name] = sock.getsockname()[1]
    print(json.dumps({"judge": url_of(*judge), "ports": ports}), flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps({name: asdict(tally) for name, tally in tallies.items()}), flush=True)


class Hostile:
    """The process, as seen by who has started it."""

    behaviours = BEHAVIOURS

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.ready = Ready(**self._line())
        self._names = {port: name for name, port in self.ready.ports.items()}

    def candidate(self, name: str, host: str = HOST) -> Candidate:
        """A server as a list would name it, with the protocol that it is to be asked by first."""
        return Candidate(Endpoint(host, self.ready.ports[name]), frozenset({BEHAVIOURS[name].protocol}))

    def name_of(self, endpoint: Endpoint) -> str:
        """Which server listens there."""
        return self._names[endpoint.port]

    def tallies(self) -> dict[str, Tally]:
        """What each server has counted up to now."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return {name: Tally(**counts) for name, counts in self._line().items()}

    def _line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


@contextmanager
def serving() -> Iterator[Hostile]:
    """Run the servers while the context lasts."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.hostile"],
        cwd=Path(__file__).parents[1],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Hostile(process)
        finally:
            process.kill()


if __name__ == "__main__":
    asyncio.run(serve())
