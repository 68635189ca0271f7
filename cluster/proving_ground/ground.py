"""The proving ground: its sockets and processes, and what it tells when it is ready.

One listener on 0.0.0.0, bound to the loopback device, accepts for every address of 127.0.0.0/8. The address
to which a connection came says which endpoint is meant, so a handful of listeners serve any number.
"""

import random
import secrets
import socket
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from signal import Signals
from tempfile import TemporaryDirectory
from typing import cast
from urllib.parse import urljoin

import msgspec

from eagleray.actors.process import collect_garbage_rarely, raise_descriptor_limit
from eagleray.cluster.http_server import (
    Request,
    Server,
    error,
    response,
)
from eagleray.cluster.judge import SECRET_BYTES, Judge, url_of
from eagleray.cluster.proving_ground.certificates import authority, server_context
from eagleray.cluster.proving_ground.doors import Doors
from eagleray.cluster.proving_ground.ends import Ends
from eagleray.cluster.proving_ground.ledger import Ledger
from eagleray.cluster.proving_ground.listener import Listener
from eagleray.cluster.proving_ground.listings import STYLES, Listing, listings
from eagleray.cluster.proving_ground.pages import Page
from eagleray.cluster.proving_ground.process import Ready, Source
from eagleray.cluster.proving_ground.reactor import Reactor
from eagleray.cluster.proving_ground.workers import serving
from eagleray.cluster.proving_ground.world import Kind, Mix, Ports, Truth, encode_truth, plan

OPEN_PORTS = 4  # several, so that a port alone says nothing; each has its own accept queue
LARGE = 20_000  # endpoints; with more, each open port has a process: one would have too few descriptors
NAP_SECONDS = 0.002  # of a reactor, see there
LONG_NAP_SECONDS = 0.02  # the same in a large world, whose checker needs the cores
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
    """The sockets of the world: `open` to accept on, the others held so that their ports keep their ways."""

    def __init__(self) -> None:
        self.open = [bound() for _ in range(OPEN_PORTS)]
        self._lost = losing_syns()
        self._refused = bound()  # bound but not listening: the kernel refuses
        self.tls = bound()
        self.target, self.impostor, self.judge, self.sources = (bound(HERE) for _ in range(4))

    @property
    def ports(self) -> Ports:
        """The ports of endpoints."""
        alone = (self._lost[0], self._refused, self.tls)
        return Ports(tuple(map(port_of, self.open)), *map(port_of, alone))

    @property
    def detours(self) -> dict[tuple[str, int], tuple[str, int]]:
        """Where interceptors lead whoever wants the TLS target."""
        return {self.target.getsockname(): self.impostor.getsockname()}


class Ground:
    """The world with what happened in it, and what its list sources answer."""

    def __init__(self, sockets: Sockets, world: Sequence[Truth], seed: int, processes: int) -> None:
        self.sockets = sockets
        self.world = world
        self.seed = seed
        self.ledgers = [Ledger(sockets.detours) for _ in range(processes)]
        self.judge = Server(Judge(secrets.token_bytes(SECRET_BYTES)).answer)

    @cached_property
    def lists(self) -> dict[str, Listing]:
        """The lists by their paths; written when the first is fetched, since checks of a file need none."""
        return {listing.path: listing for listing in listings(self.world, self.seed)}

    def answer(self, request: Request, _client: str) -> bytes:
        """A list, the counters at `/stats`, or the failure of the source that always fails."""
        if request.origin_form == FAILING:
            return error(HTTPStatus.INTERNAL_SERVER_ERROR, "this source always fails")
        if request.origin_form == "/stats":
            return response(HTTPStatus.OK, msgspec.json.encode(self.stats()))
        listing = self.lists.get(request.origin_form)
        if listing is None:
            return error(HTTPStatus.NOT_FOUND, "no such list")
        return response(HTTPStatus.OK, listing.body, listing.content_type)

    def stats(self) -> dict[str, object]:
        """Connections accepted and connections made to targets, by kind; answers that the judge gave."""
        accepted, relayed = Counter[Kind](), Counter[Kind]()
        for ledger in self.ledgers:
            accepted += ledger.accepted.counts()
            relayed += ledger.relayed.counts()
        return {"accepted": accepted, "relayed": relayed, "judged": self.judge.answered}


def serve(
    mix: Mix, endpoints: int, seed: int, ready: Callable[[Ready], None], exit_with_stdin: bool = False
) -> Signals:
    """Serve a world until SIGINT or SIGTERM, or until stdin ends; call `ready` once all of it listens.

    SIGCHLD is what ended it when one of its processes has died.

    Raises:
        OSError: this system cannot bind to the loopback device.
    """
    large = endpoints > LARGE
    nap = LONG_NAP_SECONDS if large else NAP_SECONDS
    reactor = Reactor(nap)
    ends = Ends(reactor)
    raise_descriptor_limit()
    sockets = Sockets()
    groups = [[sock] for sock in sockets.open] if large else [sockets.open]
    world = plan(mix, endpoints, seed, sockets.ports)
    ground = Ground(sockets, world, seed, len(groups) + 1)
    collect_garbage_rarely()  # the world stays as it is: no collection needs to walk through it
    with (
        serving(groups, world, ground.ledgers[1:], nap) as workers,
        TemporaryDirectory(prefix="eagleray-proving-ground-") as folder,
    ):
        ends.watch(workers)
        if exit_with_stdin:
            ends.watch_stdin()
        ready(listen(reactor, ground, Path(folder)))
        reactor.run()
    return ends.reason


def listen(reactor: Reactor, ground: Ground, folder: Path) -> Ready:
    """Serve what is not left to workers; say where everything is."""
    sockets = ground.sockets
    trusted, pretender = authority("Eagleray proving ground"), authority("Eagleray interceptor")
    ca_file = folder / "ca.pem"
    ca_file.write_bytes(trusted.pem())
    true_context, false_context = (server_context(signer, HERE, folder) for signer in (trusted, pretender))
    target, sources = Server(page), Server(ground.answer)
    Listener(reactor, sockets.target, lambda _: Page(target), true_context)
    Listener(reactor, sockets.impostor, lambda _: Page(target), false_context)
    doors = Doors(ground.world, [sockets.tls], ground.ledgers[0])
    Listener(reactor, sockets.tls, doors.peer_at, false_context)
    Listener(reactor, sockets.judge, lambda _: Page(ground.judge))
    Listener(reactor, sockets.sources, lambda _: Page(sources))
    return describe(ground, ca_file, folder)


def page(_request: Request, _client: str) -> bytes:
    """What the TLS target answers."""
    return response(HTTPStatus.OK, b"The TLS target.", "text/plain")


def describe(ground: Ground, ca_file: Path, folder: Path) -> Ready:
    """Write the truth and the list of all endpoints into `folder`; say where everything is."""
    judge = url_of(*ground.sockets.judge.getsockname())
    sources = url_of(*ground.sockets.sources.getsockname())
    truth, everything = folder / "truth.ndjson", folder / "list.txt"
    truth.write_bytes(encode_truth(ground.world))
    addresses = [endpoint.address for endpoint in ground.world]
    random.Random(ground.seed).shuffle(addresses)  # noqa: S311 - a reproducible order, not a secret
    everything.write_text("\n".join(addresses) + "\n")
    lists = [Source(style.name, urljoin(sources, style.path), style.protocols) for style in STYLES]
    return Ready(
        judge=judge,
        httpbin=urljoin(judge, "/get"),
        sources=[*lists, Source("failing", urljoin(sources, FAILING))],
        tls_target=f"{HERE}:{port_of(ground.sockets.target)}",
        ca_file=str(ca_file),
        stats=urljoin(sources, "/stats"),
        truth=str(truth),
        everything=str(everything),
        allow=["127.0.0.0/8"],
        endpoints=len(ground.world),
        alive=sum(endpoint.alive for endpoint in ground.world),
    )
