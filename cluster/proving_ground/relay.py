"""What every endpoint of the ground is made of: bounded connections, and proxies that dial and relay."""

import asyncio
from collections import Counter
from functools import partial
from typing import cast

from eagleray.cluster.http_server import MAX_HEAD
from eagleray.cluster.proving_ground.world import Kind, Truth

MAX_LIFETIME = 120.0  # seconds: longer than any client waits, so that forgotten connections go away
DIAL_TIMEOUT = 5.0  # seconds for a connection within one machine, however busy it is


class Ledger:
    """What happened, which no plan can know."""

    def __init__(self) -> None:
        self.accepted: Counter[Kind] = Counter()
        self.relayed: Counter[Kind] = Counter()  # connections to a target
        self.detours: dict[tuple[str, int], tuple[str, int]] = {}  # where interceptors lead connections
        self.spent: set[str] = set()  # addresses of the proxies that answer once and have done so


class Peer(asyncio.Protocol):
    """One side of the ground's connections: ends after `MAX_LIFETIME`, by itself says nothing."""

    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the clock."""
        self.transport = cast(asyncio.Transport, transport)
        self.loop = asyncio.get_running_loop()
        self._deadline = self.loop.call_later(MAX_LIFETIME, self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._deadline.cancel()

    def finish(self, data: bytes = b"") -> None:
        """Send `data`, then close."""
        self.transport.write(data)
        self.transport.close()


class Relay(Peer):
    """One of two connections that are joined: each passes on what it receives, no faster than it is read."""

    other: "Relay | None" = None

    def data_received(self, data: bytes) -> None:
        """Pass it on."""
        if self.other:
            self.other.transport.write(data)

    def pause_writing(self) -> None:
        """Read no more from the other side until this one has room."""
        if self.other and not self.other.transport.is_closing():
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        """Read on."""
        if self.other and not self.other.transport.is_closing():
            self.other.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """The other side ends too, once it has sent what it holds."""
        super().connection_lost(exc)
        if self.other:
            self.other.transport.close()


class Upstream(Relay):
    """A proxy's connection to a target."""

    def __init__(self, proxy: "Proxy", granted: bytes) -> None:
        self._proxy = proxy
        self._granted = granted

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Join the client before the target can speak: the proxy's reply goes first."""
        super().connection_made(transport)
        self.other = self._proxy
        self._proxy.join(self, self._granted)


class Proxy(Relay):
    """The client's side of a proxy: a subclass reads requests from `buffer`, the rest goes to the target."""

    upstream: type[Upstream] = Upstream  # what it makes of a connection to a target

    def __init__(self, truth: Truth, ledger: Ledger) -> None:
        self.truth = truth
        self.ledger = ledger
        self.buffer = b""
        self._dialling: asyncio.Task[None] | None = None

    def data_received(self, data: bytes) -> None:
        """Collect the request, then relay."""
        if self.other:
            super().data_received(data)
            return
        self.buffer += data
        if len(self.buffer) > MAX_HEAD:
            self.transport.abort()
        elif not self._dialling:
            self.read_request()

    def read_request(self) -> None:
        """Look whether `buffer` holds a whole request; answer it, or `dial`."""
        raise NotImplementedError

    def dial(self, host: str, port: int, granted: bytes, failed: bytes) -> None:
        """Connect to a target; the client gets `granted` or `failed` when that is decided."""
        self._dialling = self.loop.create_task(self._dial(host, port, granted, failed))

    async def _dial(self, host: str, port: int, granted: bytes, failed: bytes) -> None:
        await asyncio.sleep(self.truth.delay_ms / 1000)
        source = (self.truth.exit_ip or self.truth.ip, 0)
        try:
            async with asyncio.timeout(DIAL_TIMEOUT):
                await self.loop.create_connection(
                    partial(self.upstream, self, granted), host, port, local_addr=source
                )
        except OSError:
            self.finish(failed)

    def join(self, upstream: Upstream, granted: bytes) -> None:
        """The target is there: say so, and send it what has come for it."""
        self.other = upstream
        self.ledger.relayed[self.truth.kind] += 1
        self.transport.write(granted)
        upstream.transport.write(self.buffer)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody waits for the target any more."""
        super().connection_lost(exc)
        if self._dialling:
            self._dialling.cancel()
