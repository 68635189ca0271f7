"""Our engine and aiohttp-socks say the same of generated servers; where they do not, the reason is named.

A server plays a script: it answers each request with a reply that is right, truncated or mutated, in any
chunks, and closes. Each side says whether it has reached the judge. DIFFERENCES lists where the two may
differ, and the section that says who is right; any other difference fails the test.
"""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from random import Random
from typing import NamedTuple

import pytest

from eagleray import Candidate, CheckRules, Depth, Endpoint, Outcome, Protocol, ProtocolReport, check

SCRIPTS = 254  # for each protocol: 127.1.0.1 to 127.1.0.254
AT_ONCE = 32  # of them are played
READ = 65536  # bytes: a request is far below
# Clients and servers share an event loop, so time is counted in its turns and not by the clock.
SEEN = 4  # turns until a client has seen what was sent to it
ASKED = 200  # turns until a client that waits for more of a damaged reply is taken to wait for ever

NONCE = re.compile(rb"[?&]n=([\w.~-]+)")
PLACE = b"N" * 80  # stands in a reply for the nonce, and what pads it to this length
URL = "http://judge/get?n=" + PLACE.decode()
BODY = json.dumps({"url": URL, "headers": {}, "origin": "127.0.0.1"}).encode()
HEAD = b"HTTP/1.1 200 OK\r\nServer: x\r\n"
LENGTH = b"Content-Length: %d\r\n\r\n" % len(BODY)
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
REST = len(BODY) - 40

# A reply is made of parts. Every second one is payload, which is not mutated: what it means is not at stake.
Reply = tuple[bytes, ...]
ANSWERS: list[Reply] = [
    (HEAD + LENGTH, BODY),
    (HEAD + LENGTH.replace(b"\r\n", b"\n"), BODY),
    (HEAD + b"\r\n", BODY),
    (HEAD.replace(b"1.1", b"1.0") + b"\r\n", BODY),
    (CHUNKED + b"%x\r\n" % len(BODY), BODY, b"\r\n0\r\n\r\n"),
    (CHUNKED + b"%x\n" % len(BODY), BODY, b"\r\n0\r\n\r\n"),
    (CHUNKED + b"28;a=b\r\n", BODY[:40], b"\r\n%X\r\n" % REST, BODY[40:], b"\r\n0\r\nTrailer: x\r\n\r\n"),
    (b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD + LENGTH, BODY),
    (b"HTTP/1.1 404 Not Found\r\n" + LENGTH, BODY),
    (b"HTTP/1.1 204 No Content\r\n\r\n",),
]
FORWARDED: list[Reply] = [
    *ANSWERS,
    (b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",),
    (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 3\r\n\r\nno\n",),
]
CONNECTED: list[Reply] = [
    *[(b"HTTP/1.1 200 Connection established\r\n\r\n",)] * 4,
    (b"HTTP/1.0 200 OK\r\nVia: 1.1 proxy\r\nProxy-Agent: x\r\n\r\n",),
    (b"HTTP/1.1 204 No Content\r\n\r\n",),
    (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",),
    (b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",),
    (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nno\n",),
]
GREETED: list[Reply] = [*[(b"\x05\x00",)] * 9, (b"\x05\x02",), (b"\x05\xff",), (b"\x04\x00",)]
BOUND = [
    b"\x01\x7f\0\0\1",
    b"\x04" + bytes(16),
    b"\x03\x00",
    b"\x03\x01\xe9",
    b"\x03\xff" + b"a" * 255,
    b"\x02",
]
SOCKS5_REPLIES: list[Reply] = [(b"\x05\x00\x00" + address + b"\x1f\x90",) for address in BOUND * 3]
SOCKS5_REPLIES += [(bytes([5, code, 0, 1]) + bytes(6),) for code in (1, 2, 5, 8, 9, 255)]
SOCKS5_REPLIES += [(b"\x05\x00\x01\x01" + bytes(6),)] * 2
SOCKS4_REPLIES: list[Reply] = [(bytes([0, code]) + bytes(6),) for code in (90, 90, 90, 90, 91, 92, 93, 94)]
TURNS: dict[Protocol, list[list[Reply]]] = {
    Protocol.HTTP: [FORWARDED],
    Protocol.HTTPS: [CONNECTED, ANSWERS],
    Protocol.SOCKS4: [SOCKS4_REPLIES, ANSWERS],
    Protocol.SOCKS5: [GREETED, SOCKS5_REPLIES, ANSWERS],
}
DEFECTS = ["none"] * 12 + ["truncated", "replaced", "inserted", "deleted", "extended"]
CUTS = [0, 0, 1, 2, 4]  # at so many places a reply is cut into chunks
WITHOUT_ANSWER = 0.1  # of scripts: the server closes where its last reply should come


class Turn(NamedTuple):
    """What is sent once a request was received: these bytes, cut at these places."""

    wire: bytes
    cuts: list[int]
    defect: str

    def chunks(self, nonce: bytes) -> Iterator[bytes]:
        wire = self.wire.replace(PLACE, (nonce + b"&" + PLACE)[: len(PLACE)])
        for start, end in zip([0, *self.cuts], [*self.cuts, len(wire)], strict=True):
            yield wire[start:end]


Script = list[Turn]


def damaged(reply: Reply, defect: str, where: float, byte: int) -> bytes:
    """The reply's bytes with one defect, `where` (0..1) of the way through what may be mutated."""
    wire = b"".join(reply)
    mutable = b"".join((b"." if number % 2 == 0 else b"#") * len(part) for number, part in enumerate(reply))
    places = [place for place, mark in enumerate(mutable) if mark == ord(".")]
    at = places[int(where * len(places))]
    damages = {
        "none": wire,
        "truncated": wire[: int(where * len(wire))],
        "replaced": wire[:at] + bytes([byte]) + wire[at + 1 :],
        "inserted": wire[:at] + bytes([byte]) + wire[at:],
        "deleted": wire[:at] + wire[at + 1 :],
        "extended": wire + b"x",  # of what a page may end with, readers of JSON make different things
    }
    return damages[defect]


def random_turn(source: Random, replies: list[Reply]) -> Turn:
    defect = source.choice(DEFECTS)
    wire = damaged(source.choice(replies), defect, source.random(), source.randrange(256))
    places = range(1, len(wire))
    return Turn(wire, sorted(source.sample(places, k=min(len(places), source.choice(CUTS)))), defect)


def random_script(protocol: Protocol, seed: int) -> Script:
    source = Random(f"{protocol} {seed}")
    turns = [random_turn(source, replies) for replies in TURNS[protocol]]
    return turns[: len(turns) - (source.random() < WITHOUT_ANSWER)]


# The server


async def play(script: Script, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    patience: int | None = None
    with suppress(OSError):  # the client has seen enough
        for turn in script:
            if not (request := await asked(reader, patience)):
                break
            nonce = NONCE.search(request)
            for chunk in turn.chunks(nonce[1] if nonce else b""):
                writer.write(chunk)
                for _ in range(SEEN):
                    await asyncio.sleep(0)
            patience = None if turn.defect == "none" else ASKED
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


async def asked(reader: asyncio.StreamReader, patience: int | None) -> bytes:
    """What a client sends; nothing where it has closed, or waits for more for so many turns of the loop."""
    if patience is None:
        return await reader.read(READ)
    reading = asyncio.ensure_future(reader.read(READ))
    for _ in range(patience):
        if reading.done():
            return reading.result()
        await asyncio.sleep(0)
    reading.cancel()
    return b""


class Compared(NamedTuple):
    """What both sides say of a script; `detail` is ours."""

    protocol: Protocol
    script: Script
    ours: Outcome
    detail: str
    theirs: bool


Oracle = Callable[[str, str, str], Awaitable[bool]]


async def compare(protocol: Protocol, scripts: list[Script], oracle: Oracle) -> list[Compared]:
    """Play each script on an address of its own, and the judge's own answer on another one."""
    parts = {f"127.1.0.{number}": script for number, script in enumerate(scripts, start=1)}
    parts["127.0.0.1"] = [Turn(b"".join(ANSWERS[0]), [], "none")]
    playing = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        playing.add(asyncio.current_task())
        await play(parts[writer.get_extra_info("sockname")[0]], reader, writer)

    server = await asyncio.start_server(connected, list(parts), 0)
    places = dict(sock.getsockname() for sock in server.sockets)
    judge = f"http://127.0.0.1:{places.pop('127.0.0.1')}/get"
    ours = await check_all(protocol, places, judge)
    theirs = await ask_all(protocol, places, judge, oracle)
    server.close()
    await server.wait_closed()
    await asyncio.gather(*playing)  # each ends with its client
    return [
        Compared(protocol, parts[host], ours[host].outcome, ours[host].detail, theirs[host])
        for host in places
    ]


async def check_all(protocol: Protocol, places: dict[str, int], judge: str) -> dict[str, ProtocolReport]:
    candidates = [Candidate(Endpoint(host, port)) for host, port in places.items()]
    rules = CheckRules(depth=Depth.QUICK, types=frozenset({protocol}))
    options = {"judge": judge, "allow": ["127.0.0.0/8"], "rules": rules, "concurrency": AT_ONCE}
    return {r.endpoint.host: r.protocols[protocol] async for r in check(candidates, **options)}


async def ask_all(protocol: Protocol, places: dict[str, int], judge: str, oracle: Oracle) -> dict[str, bool]:
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(host: str, port: int) -> tuple[str, bool]:
        async with turns:
            return host, await oracle(protocol.value, f"{host}:{port}", judge)

    return dict(await asyncio.gather(*(one(host, port) for host, port in places.items())))


# What may differ


def surplus(protocol: Protocol, script: Script) -> bool:
    """True where a reply of the proxy itself has more bytes than it should, so that they came unasked."""
    wires = [turn.wire for turn in script[:-1]]
    if protocol is Protocol.HTTPS:
        return bool(re.search(rb"\n\r?\n.", wires[0], re.DOTALL))
    if protocol is Protocol.SOCKS4:
        return len(wires[0]) > 8
    kind, length = wires[1][3:5]
    address = {1: 4, 3: 1 + length, 4: 16}.get(kind, 0)
    return len(wires[0]) > 2 or len(wires[1]) > 4 + address + 2


def names_no_field(wire: bytes) -> bool:
    """True where a line of a head does not begin with the name of a field."""
    heads = wire.partition(b'{"url"')[0].replace(b"\r", b"").rpartition(b"\n\n")[0]
    return not all(re.match(rb"HTTP/|$|[!#$%&'*+.^_`|~0-9A-Za-z-]+:", line) for line in heads.split(b"\n"))


def bare_lf(wire: bytes) -> bool:
    return re.search(rb"(?<!\r)\n", wire) is not None


class Difference(NamedTuple):
    """Who alone reaches the judge, where, and why that is right or borne with."""

    ours: bool
    protocols: set[Protocol]
    applies: Callable[[Protocol, Script], bool]


TUNNELS = set(Protocol) - {Protocol.HTTP}
DIFFERENCES = {
    "python-socks takes one read for the whole answer to CONNECT; TCP keeps no boundaries (RFC 9293, 2.2), "
    "an answer ends with its empty line (RFC 9112, 2.1)": Difference(
        True, {Protocol.HTTPS}, lambda _, script: bool(script[0].cuts)
    ),
    "any 2xx opens the tunnel (RFC 9110, 9.3.6), and 1xx may come before it (15.2); python-socks wants "
    "200 at once": Difference(
        True, {Protocol.HTTPS}, lambda _, script: not re.match(rb"HTTP/1.[01] 200 ", script[0].wire)
    ),
    "python-socks reads nothing of the answer to CONNECT but a code, be it cut short or no HTTP at all "
    "(RFC 9112, 2.1 and 4)": Difference(
        False, {Protocol.HTTPS}, lambda _, script: script[0].defect not in ("none", "extended")
    ),
    "what comes before it was asked for is no answer to it (RFC 1928, 6; RFC 9110, 9.3.6): aiohttp-socks "
    "loses these bytes, we refuse them": Difference(False, TUNNELS, surplus),
    "RSV is X'00' (RFC 1928, 6), but nothing hangs on it: we pass over what it is": Difference(
        True, {Protocol.SOCKS5}, lambda _, script: script[1].wire[2] != 0
    ),
    "python-socks decodes the bound name, which for CONNECT nobody needs (RFC 1928, 6)": Difference(
        True, {Protocol.SOCKS5}, lambda _, script: script[1].wire[3] == 3 and not script[1].wire.isascii()
    ),
    "what comes behind the last answer may be discarded (RFC 9112, 6.3); aiohttp refuses it": Difference(
        True, set(Protocol), lambda _, script: script[-1].defect == "extended"
    ),
    "a bare LF ends a line of a head (RFC 9112, 2.2) and not of chunks (7.1), where it can mislead servers "
    "that pass requests on; we pass nothing on and bear with it": Difference(
        True, set(Protocol), lambda _, script: b"chunked" in script[-1].wire and bare_lf(script[-1].wire)
    ),
    "a field without a proper name (RFC 9112, 5) is refused by aiohttp; we read the fields that we need, as "
    "proxies pass such ones on": Difference(
        True, set(Protocol), lambda _, script: names_no_field(script[-1].wire)
    ),
}


def reasons(compared: Compared) -> list[str]:
    """The listed differences that apply where the two sides differ."""
    protocol, script, ours = compared.protocol, compared.script, compared.ours is Outcome.OK
    return [
        reason
        for reason, difference in DIFFERENCES.items()
        if difference.ours is ours is not compared.theirs
        and protocol in difference.protocols
        and difference.applies(protocol, script)
    ]


@pytest.fixture(scope="module")
def everything(oracle: Oracle) -> list[Compared]:
    scripts = {protocol: [random_script(protocol, seed) for seed in range(SCRIPTS)] for protocol in Protocol}
    return [one for p in Protocol for one in asyncio.run(compare(p, scripts[p], oracle))]


@pytest.mark.parametrize("protocol", list(Protocol))
def test_same_answer_as_aiohttp_socks(protocol: Protocol, everything: list[Compared]) -> None:
    compared = [one for one in everything if one.protocol is protocol]
    differing = [one for one in compared if one.theirs is not (one.ours is Outcome.OK)]

    assert [one for one in differing if not reasons(one)] == []
    assert {one.theirs for one in compared if one not in differing} == {True, False}


@pytest.mark.parametrize("reason", DIFFERENCES)
def test_a_listed_difference_is_there(reason: str, everything: list[Compared]) -> None:
    assert any(reasons(one) == [reason] for one in everything)
