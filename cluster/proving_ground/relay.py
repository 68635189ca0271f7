"""Proxies as they all are: they collect a request, dial a target after their delay, and relay."""

from eagleray.cluster.http_server import MAX_HEAD
from eagleray.cluster.proving_ground.dial import Dial
from eagleray.cluster.proving_ground.ledger import Ledger
from eagleray.cluster.proving_ground.reactor import Timer
from eagleray.cluster.proving_ground.wire import Peer, Place, Wire
from eagleray.cluster.proving_ground.world import Truth


class Relay(Peer):
    """One of two connections that are joined: each passes on what it receives, no faster than it is read."""

    other: "Relay | None" = None

    def data_received(self, data: bytes) -> None:
        """Pass it on."""
        if self.other:
            self.other.wire.write(data)

    def pause_writing(self) -> None:
        """Read no more from the other side until this one has room."""
        if self.other and not self.other.wire.closing:
            self.other.wire.pause_reading()

    def resume_writing(self) -> None:
        """Read on."""
        if self.other and not self.other.wire.closing:
            self.other.wire.resume_reading()

    def connection_lost(self) -> None:
        """The other side ends too, once it has sent what it holds."""
        if self.other:
            self.other.wire.close()


class Upstream(Relay):
    """A proxy's connection to a target."""

    def __init__(self, proxy: "Proxy", granted: bytes) -> None:
        self._proxy = proxy
        self._granted = granted

    def connection_made(self, wire: Wire) -> None:
        """Join the client before the target can speak: the proxy's reply goes first."""
        super().connection_made(wire)
        self.other = self._proxy
        self._proxy.join(self, self._granted)


class Proxy(Relay):
    """The client's side of a proxy: a subclass reads requests from `buffer`, the rest goes to the target."""

    upstream: type[Upstream] = Upstream  # what it makes of a connection to a target

    def __init__(self, truth: Truth, ledger: Ledger) -> None:
        self.truth = truth
        self.ledger = ledger
        self.buffer = b""
        self._dialling: Timer | Dial | None = None

    def data_received(self, data: bytes) -> None:
        """Collect the request, then relay."""
        if self.other:
            super().data_received(data)
            return
        self.buffer += data
        if len(self.buffer) > MAX_HEAD:
            self.wire.abort()
        elif not self._dialling:
            self.read_request()

    def read_request(self) -> None:
        """Look whether `buffer` holds a whole request; answer it, or `dial`."""
        raise NotImplementedError

    def dial(self, host: str, port: int, granted: bytes, failed: bytes) -> None:
        """Connect to a target; the client gets `granted` or `failed` when that is decided."""
        delay = self.truth.delay_ms / 1000
        self._dialling = self.wire.reactor.call_later(delay, self._dial, (host, port), granted, failed)

    def _dial(self, target: Place, granted: bytes, failed: bytes) -> None:
        source = self.truth.exit_ip or self.truth.ip
        upstream = self.upstream(self, granted)
        try:
            self._dialling = Dial(self.wire.reactor, target, source, upstream, lambda: self._fail(failed))
        except OSError:
            self._fail(failed)

    def _fail(self, failed: bytes) -> None:
        self._dialling = None
        self.finish(failed)

    def join(self, upstream: Upstream, granted: bytes) -> None:
        """The target is there: say so, and send it what has come for it."""
        self.other = upstream
        self._dialling = None
        self.ledger.relayed.add(self.truth.kind)
        self.wire.write(granted)
        upstream.wire.write(self.buffer)

    def connection_lost(self) -> None:
        """Nobody waits for the target any more."""
        super().connection_lost()
        if self._dialling:
            self._dialling.cancel()
