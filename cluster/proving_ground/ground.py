"""The process of the proving ground: its listeners, and what it tells when it is ready.

One listener on 0.0.0.0, bound to the loopback device, accepts for every address of 127.0.0.0/8. The address
to which a connection came says which endpoint is meant, so a handful of listeners serve any number.
"""

import asyncio
import gc
import os
import random
import secrets
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from pathlib import Path
from signal import Signals
from tempfile import TemporaryDirectory
from typing import cast
from urllib.parse import urljoin

import msgspec

from eagleray.actors.process import raise_descriptor_limit
from eagleray.cluster.http_server import (
    BACKLOG,
    Request,
    Server,
    error,
    response,
    stop_signals,
)
from eagleray.cluster.judge import SECRET_BYTES, Judge, url_of
from eagleray.cluster.proving_ground.certificates import authority, server_context
from eagleray.cluster.proving_ground.dead import DEAD
from eagleray.cluster.proving_ground.listings import Listing, listings
from eagleray.cluster.proving_ground.live import PROXIES
from eagleray.cluster.proving_ground.process import Ready, Source
from eagleray.cluster.proving_ground.relay import Ledger
from eagleray.cluster.proving_ground.world import Mix, Ports, Truth, encode_truth, plan

OPEN_PORTS = 4  # several, so that a port alone says nothing; each has its own accept queue
FILLERS = 4  # connections that fill a queue of length 0, with some to spare
HERE = "127.0.0.1"  # where judge and sources listen
FAILING = "/failing.txt"  # the source that always fails


def bound(host: str = "0.0.0.0") -> socket.socket:  # noqa: S104 - to the loopback device only
    """A socket on a free port that takes connections over the loopback device only.

    Raises:
        OSError: the system has no such option (it is Linux's, for any user from 5.7 on).
    """
    sock = socket.socket()
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
    sock.bind((host, 0))
    return sock


def losing_syns() -> list[socket.socket]:
    """A listener whose accept queue is full for good, and what fills it: the kernel drops further SYNs."""
    listener = bound()
    listener.listen(0)
    fillers = [socket.socket() for _ in range(FILLERS)]
    for filler in fillers:
        filler.setblocking(False)
        filler.connect_ex((HERE, port_of(listener)))
    return [listener, *fillers]


def port_of(sock: socket.socket) -> int:
    """The port to which a socket is bound."""
    return cast(int, sock.getsockname()[1])


class Sockets:
    """The sockets of the world: `open` to listen on, the others held so that their ports keep their ways."""

    def __init__(self) -> None:
        self.open = [bound() for _ in range(OPEN_PORTS)]
        self._lost = losing_syns()
        self._refused = bound()  # bound but not listening: the kernel refuses
        self.tls = bound()

    @property
    def ports(self) -> Ports:
        """Their ports."""
        alone = (self._lost[0], self._refused, self.tls)
        return Ports(tuple(map(port_of, self.open)), *map(port_of, alone))


class Door(asyncio.Protocol):
    """Accepts for every endpoint, and lets the one that is meant have the connection.

    Where the listener speaks TLS, the handshake is over by then.
    """

    def __init__(self, ground: "Ground") -> None:
        self._ground = ground

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Hand over; a connection to no endpoint, so to any address that is not ours, is dropped."""
        truth = self._ground.world.get(transport.get_extra_info("sockname"))
        if truth is None:
            cast(asyncio.Transport, transport).abort()
            return
        self._ground.ledger.accepted[truth.kind] += 1
        protocol = self._ground.behaviour(truth)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)


class Ground:
    """The world with what happened in it, and what its list sources answer."""

    def __init__(self, world: Sequence[Truth], lists: Sequence[Listing], judge: Server) -> None:
        self.world = {(truth.ip, truth.port): truth for truth in world}
        self.ledger = Ledger()
        self._lists = {listing.path: listing for listing in lists}
        self._judge = judge

    def behaviour(self, truth: Truth) -> asyncio.Protocol:
        """The protocol for a new connection to an endpoint."""
        if truth.kind in PROXIES:
            return PROXIES[truth.kind](truth, self.ledger)
        return DEAD[truth.kind]()

    def answer(self, request: Request, _client: str) -> bytes:
        """A list, the counters at `/stats`, or the failure of the source that always fails."""
        if request.origin_form == FAILING:
            return error(HTTPStatus.INTERNAL_SERVER_ERROR, "this source always fails")
        if request.origin_form == "/stats":
            return response(HTTPStatus.OK, msgspec.json.encode(self.stats()))
        listing = self._lists.get(request.origin_form)
        if listing is None:
            return error(HTTPStatus.NOT_FOUND, "no such list")
        return response(HTTPStatus.OK, listing.body, listing.content_type)

    def stats(self) -> dict[str, object]:
        """Connections accepted and connections made to targets, by kind; answers that the judge gave."""
        ledger = self.ledger
        return {"accepted": ledger.accepted, "relayed": ledger.relayed, "judged": self._judge.answered}


async def serve(
    mix: Mix, endpoints: int, seed: int, ready: Callable[[Ready], None], exit_with_stdin: bool = False
) -> Signals:
    """Serve a world until SIGINT or SIGTERM, or until stdin ends; call `ready` once all of it listens.

    Raises:
        OSError: this system cannot bind to the loopback device.
    """
    signals = stop_signals()
    if exit_with_stdin:
        watch_stdin(signals)
    raise_descriptor_limit()
    sockets = Sockets()
    world = plan(mix, endpoints, seed, sockets.ports)
    lists = listings(world, seed)
    judge = Server(Judge(secrets.token_bytes(SECRET_BYTES)).answer)
    ground = Ground(world, lists, judge)
    gc.freeze()  # the world stays as it is: no collection needs to walk through it
    with TemporaryDirectory(prefix="eagleray-proving-ground-") as folder:
        for sock in sockets.open:
            await listen(partial(Door, ground), sock)
        tls_target = await listen_by_tls(ground, sockets.tls, Path(folder))
        judge_url = await listen(judge.connection, bound(HERE))
        sources_url = await listen(Server(ground.answer).connection, bound(HERE))
        ready(describe(world, lists, judge_url, sources_url, tls_target, Path(folder), seed))
        return await signals.get()


async def listen(
    factory: Callable[[], asyncio.Protocol], sock: socket.socket, tls: ssl.SSLContext | None = None
) -> str:
    """Serve on a bound socket until the event loop ends; its URL."""
    await asyncio.get_running_loop().create_server(factory, sock=sock, backlog=BACKLOG, ssl=tls)
    return url_of(*sock.getsockname())


async def listen_by_tls(ground: Ground, proxies: socket.socket, folder: Path) -> tuple[str, Path]:
    """Serve the TLS target, who pretends to be it, and the proxies that want TLS; `host:port` and CA file."""
    trusted, pretender = authority("Eagleray proving ground"), authority("Eagleray interceptor")
    ca_file = folder / "ca.pem"
    ca_file.write_bytes(trusted.pem())
    false_context = server_context(pretender, HERE, folder)
    target, impostor = bound(HERE), bound(HERE)
    await listen(Server(page).connection, target, server_context(trusted, HERE, folder))
    await listen(Server(page).connection, impostor, false_context)
    await listen(partial(Door, ground), proxies, false_context)
    ground.ledger.detours[target.getsockname()] = impostor.getsockname()
    return f"{HERE}:{port_of(target)}", ca_file


def page(_request: Request, _client: str) -> bytes:
    """What the TLS target answers."""
    return response(HTTPStatus.OK, b"The TLS target.", "text/plain")


def watch_stdin(signals: asyncio.Queue[Signals]) -> None:
    """Treat the end of stdin as SIGTERM: a parent that dies takes this process along."""
    loop = asyncio.get_running_loop()

    def wait() -> None:
        while os.read(0, 4096):
            pass
        with suppress(RuntimeError):  # the loop has ended by itself meanwhile
            loop.call_soon_threadsafe(signals.put_nowait, Signals.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()


def describe(
    world: Sequence[Truth],
    lists: Sequence[Listing],
    judge: str,
    sources: str,
    tls: tuple[str, Path],
    folder: Path,
    seed: int,
) -> Ready:
    """Write the truth and the list of all endpoints into `folder`; say where everything is."""
    truth, everything = folder / "truth.ndjson", folder / "list.txt"
    truth.write_bytes(encode_truth(world))
    addresses = [endpoint.address for endpoint in world]
    random.Random(seed).shuffle(addresses)  # noqa: S311 - a reproducible order, not a secret
    everything.write_text("\n".join(addresses) + "\n")
    return Ready(
        judge=judge,
        httpbin=urljoin(judge, "/get"),
        sources=[Source(item.name, urljoin(sources, item.path), item.protocols) for item in lists]
        + [Source("failing", urljoin(sources, FAILING))],
        tls_target=tls[0],
        ca_file=str(tls[1]),
        stats=urljoin(sources, "/stats"),
        truth=str(truth),
        everything=str(everything),
        allow=["127.0.0.0/8"],
        endpoints=len(world),
        alive=sum(endpoint.alive for endpoint in world),
    )
