"""The whole engine against servers that talk nonsense in every protocol; certificates and DNS answers, too.

Each connection has a script of its own: pieces of a protocol, or what was sound until it was mutated, in any
chunks, with pauses, and any end. Good proxies stand among them. What must hold: every check ends, no error of
our own is met, and the good ones are found.
"""

import asyncio
import random
import socket
import ssl
import struct
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import dns.message

import eagleray
from eagleray.actors import faults
from eagleray.cluster.http_server import Server
from eagleray.cluster.judge import SECRET_BYTES, Judge, url_of
from eagleray.cluster.proving_ground.certificates import authority, server_context
from eagleray.pipelines.proxies.model import Candidate, Endpoint
from eagleray.pipelines.proxies.outcome import Outcome
from eagleray.pipelines.proxies.targets import parse_tls_target
from tests.certificates import odd
from tests.dns_server import DnsServer
from tests.fuzz import pieces
from tests.interceptors import HOST, by_openssl, serve

SCRIPTS = [pieces.HTTP, pieces.SOCKS, pieces.JUDGES, pieces.HTTP + pieces.JUDGES + pieces.SOCKS]
ODD = list(odd())
FLIGHTS = [each.flight() for each in ODD]
MUTANTS = 500  # certificates; OpenSSL reads some hundred of them
ZONE = "bl.example"
CONCURRENCY = 300  # what one event loop for both sides does in time
BUSY = "the event loop is late"  # says the engine where this machine has other work, too
LONGEST = 0.05  # seconds of a pause
SILENCE = 2.0  # seconds of a server that says no more
END = 60.0  # seconds in which what is open at the end must be over


class Fuzzed(NamedTuple):
    """What came of it."""

    checks: int
    outcomes: Counter[str]
    steps: Counter[str | None]  # outcomes of TLS through a tunnel, and what the block list said
    good_missed: int
    faults: dict[str, int]
    complaints: list[str]  # of asyncio, and warnings


def mutated(data: bytes, rng: random.Random) -> bytes:
    """With some bytes changed, left out, put in, repeated."""
    changed = bytearray(data)
    for _ in range(rng.choice([0, 1, 1, 2, 5, 20])):
        at, size = rng.randrange(len(changed) + 1), rng.choice([1, 1, 1, 2, 8, 64])
        old = bytes(changed[at : at + size])
        changed[at : at + size] = rng.choice([rng.randbytes(size), b"", old * 2, old + rng.randbytes(size)])
    return bytes(changed)


def script(rng: random.Random) -> bytes:
    """What a server says."""
    said = b"".join(rng.choices(rng.choice(SCRIPTS), k=rng.randrange(20)))
    return rng.choice([said, mutated(said, rng), rng.randbytes(rng.randrange(200)), rng.choice(FLIGHTS)])


async def say(said: bytes, rng: random.Random, writer: asyncio.StreamWriter) -> None:
    """In chunks of any size, with pauses."""
    while said:
        size = rng.choice([1, 3, 17, 100, len(said)])
        writer.write(said[:size])
        await writer.drain()
        said = said[size:] if len(said) < 500 else said[-499:]
        if rng.random() < 0.2:
            await asyncio.sleep(rng.random() * LONGEST)


async def end(rng: random.Random, writer: asyncio.StreamWriter) -> None:
    """By FIN, by RST, or after a silence."""
    how = rng.randrange(3)
    if how == 1:
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    elif how == 2:
        await asyncio.sleep(rng.random() * SILENCE)
    writer.transport.abort() if how == 1 else writer.close()


async def nonsense(rng: random.Random, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection of a server that talks nonsense."""
    with suppress(OSError, TimeoutError):
        if rng.random() < 0.8:
            async with asyncio.timeout(SILENCE):
                await reader.read(1000)
        await say(script(rng), rng, writer)
        await end(rng, writer)


async def show(
    rng: random.Random,
    contexts: list[ssl.SSLContext],
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    """Answer a TLS hello through a tunnel: by OpenSSL, or by a flight that was mutated."""
    if rng.random() < 0.5:
        return await by_openssl(rng.choice(contexts), reader, writer)
    await reader.read(1)
    await say(mutated(rng.choice(FLIGHTS), rng), rng, writer)
    return await end(rng, writer)


def shown(rng: random.Random, folder: Path) -> Iterator[ssl.SSLContext]:
    """Contexts of certificates that were mutated, as far as OpenSSL reads them."""
    for _ in range(MUTANTS):
        each = rng.choice(ODD)
        with suppress(ssl.SSLError):
            yield each._replace(der=mutated(each.der, rng)).context(folder)


class StrangeDns(DnsServer):
    """Knows the list's test entries; other answers were sound until they were mutated."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__()
        self._rng = rng
        self.add_list(ZONE, {})

    def datagram_received(self, data: bytes, peer: Any) -> None:
        query = dns.message.from_wire(data)
        name = query.question[0].name.to_text(omit_final_dot=True)
        if name in self.table or name.startswith("1.0.0."):
            super().datagram_received(data, peer)
            return
        response = dns.message.make_response(query).to_wire()
        self._transport.sendto(mutated(response, self._rng)[:4096] or b"\0", peer)


def candidates(ports: dict[str, int], seconds: float, rng: random.Random) -> Iterator[Candidate]:
    """Until the time is over; every tenth is a good one."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        kind = rng.choices(["nonsense", "interceptor", "good"], [8, 1, 1])[0]
        host = f"127.{rng.randint(1, 250)}.{rng.randint(0, 255)}.{rng.randint(1, 254)}"
        yield Candidate(Endpoint(host, ports[kind]))


async def run(seconds: float, seed: int, concurrency: int) -> Fuzzed:
    """Check for so many seconds."""
    rng, loop, complaints = random.Random(seed), asyncio.get_running_loop(), list[str]()
    loop.set_exception_handler(lambda _, context: complaints.append(context["message"]))
    faults.counts.clear()
    outcomes, steps, missed = Counter[str](), Counter[str | None](), 0
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))

        async def port_of(serving: Any) -> int:
            server = await stack.enter_async_context(await serving)
            return int(server.sockets[0].getsockname()[1])

        kinds = {
            "nonsense": partial(nonsense, rng),
            "interceptor": partial(serve, partial(show, rng, list(shown(rng, folder)))),
            "good": partial(serve, partial(nonsense, rng)),
        }
        ports = {
            kind: await port_of(asyncio.start_server(act, "0.0.0.0", 0, backlog=1000))
            for kind, act in kinds.items()
        }
        judge = Server(Judge(rng.randbytes(SECRET_BYTES)).answer).connection
        judge_port = await port_of(loop.create_server(judge, HOST))
        transport, nameserver = await loop.create_datagram_endpoint(partial(StrangeDns, rng), (HOST, 0))
        stack.callback(transport.close)
        signer = authority("fuzz")
        (folder / "ca.pem").write_bytes(signer.pem())
        context = server_context(signer, HOST, folder)
        target = await port_of(asyncio.start_server(lambda _, writer: writer.close(), HOST, 0, ssl=context))
        rules = eagleray.CheckRules(
            connect_timeout=2.0,
            timeout=1.0,
            silence=0.2,
            confirm_after=0.01,
            tls_target=parse_tls_target(f"{HOST}:{target}"),
            ca_file=str(folder / "ca.pem"),
            dnsbl=(ZONE,),
            nameserver=f"{HOST}:{nameserver.port}",
        )
        checking = eagleray.check(
            candidates(ports, seconds, rng),
            judge=url_of(HOST, judge_port),
            allow=["127.0.0.0/8"],
            rules=rules,
            concurrency=concurrency,
            on_warning=lambda text: None if BUSY in text else complaints.append(text),
        )
        async with asyncio.timeout(seconds + END):
            async for report in checking:
                outcomes[report.outcome] += 1
                steps[report.tls.outcome if report.tls else None] += 1
                steps.update(verdict[:9] for verdict in report.dnsbl.values())
                missed += report.endpoint.port == ports["good"] and not report.alive
        loop.set_exception_handler(lambda *_: None)  # the servers end as they like
    return Fuzzed(outcomes.total(), outcomes, steps, missed, dict(faults.counts), complaints)


def fuzz(seconds: float, seed: int | None = None, concurrency: int = CONCURRENCY) -> Fuzzed:
    """The same, in an event loop of its own.

    Raises:
        AssertionError: what must hold did not.
    """
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        fuzzed = asyncio.run(run(seconds, random.randrange(1 << 32) if seed is None else seed, concurrency))
    fuzzed.complaints.extend(str(warning.message) for warning in warned)
    problems = (fuzzed.faults, fuzzed.complaints, fuzzed.good_missed, fuzzed.outcomes[Outcome.INTERNAL_ERROR])
    assert not any(problems), fuzzed
    return fuzzed
