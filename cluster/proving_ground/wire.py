"""Connections of the ground: what speaks at one end of them, and how its bytes come and go."""

import select
import socket
from contextlib import suppress

from eagleray.cluster.proving_ground.reactor import Reactor

MAX_LIFETIME = 120.0  # seconds: longer than any client waits, so that forgotten connections go away
MAX_READ = 1 << 16  # bytes at a time
HIGH_WATER = 1 << 16  # bytes that wait to be sent: with more, whoever writes should pause

Place = tuple[str, int]  # address and port


class Peer:
    """What speaks at our end of a connection, as asyncio's protocols do; by itself it says nothing."""

    lifetime = MAX_LIFETIME
    wire: "Wire"

    def connection_made(self, wire: "Wire") -> None:
        """The connection is there."""
        self.wire = wire

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""

    def connection_lost(self) -> None:
        """The connection has ended, whoever ended it."""

    def pause_writing(self) -> None:
        """More than `HIGH_WATER` waits to be sent."""

    def resume_writing(self) -> None:
        """All of it has been sent."""

    def finish(self, data: bytes = b"") -> None:
        """Send `data`, then close."""
        self.wire.write(data)
        self.wire.close()


class Wire:
    """A connection, which is aborted after its peer's `lifetime`."""

    def __init__(self, reactor: Reactor, sock: socket.socket, client: str, peer: Peer) -> None:
        """Take over a non-blocking socket; `client` is the address at its other end."""
        self.reactor = reactor
        self.client = client
        self.closing = False
        self._sock = sock
        self._peer = peer
        self._pending = bytearray()
        self._reading = True

    def open(self) -> None:
        """Begin."""
        descriptor = self._sock.fileno()
        self.reactor.watch(descriptor, select.EPOLLIN, self._ready)
        self.reactor.limit(descriptor, self._peer.lifetime, self.abort)
        self._begin()

    @property
    def waiting(self) -> int:
        """Bytes that wait to be sent."""
        return len(self._pending)

    def write(self, data: bytes) -> None:
        """Send, as soon as the kernel has room."""
        if self.closing or not data:
            return
        sent = 0
        if not self._pending:
            with suppress(OSError):  # no room; or a reset, which epoll tells, too
                sent = self._sock.send(data)
        if sent < len(data):
            self._pending += data[sent:]
            self._wait()
            if len(self._pending) > HIGH_WATER:
                self._peer.pause_writing()

    def close(self) -> None:
        """Send what waits, then end."""
        if not self.closing:
            self.closing = True
            if self._pending:
                self._wait()
            else:
                self._end()

    def abort(self) -> None:
        """End."""
        self.closing = True
        self._end()

    def pause_reading(self) -> None:
        """Receive no more."""
        self._reading = False
        self._wait()

    def resume_reading(self) -> None:
        """Receive again."""
        self._reading = True
        self._wait()

    def _begin(self) -> None:
        self._peer.connection_made(self)

    def _receive(self, data: bytes) -> None:
        self._peer.data_received(data)

    def _lose(self) -> None:
        self._peer.connection_lost()

    def _wait(self) -> None:
        """Tell epoll for what to wait."""
        if self._sock.fileno() >= 0:
            reading = select.EPOLLIN if self._reading and not self.closing else 0
            writing = select.EPOLLOUT if self._pending else 0
            self.reactor.change(self._sock.fileno(), reading | writing)

    def _ready(self, events: int) -> None:
        if events & select.EPOLLOUT and self._pending:
            self._flush()
        if not events & ~select.EPOLLOUT:
            return
        if self.closing:
            self._end()
        else:
            self._read()

    def _flush(self) -> None:
        with suppress(OSError):  # a reset, which epoll tells, too
            del self._pending[: self._sock.send(self._pending)]
        if self._pending:
            return
        if self.closing:
            self._end()
        else:
            self._wait()
            self._peer.resume_writing()

    def _read(self) -> None:
        try:
            data = self._sock.recv(MAX_READ)
        except BlockingIOError:  # the event was of an earlier socket with the same descriptor
            return
        except OSError:
            self.abort()
            return
        if data:
            self._receive(data)
        else:
            self.close()

    def _end(self) -> None:
        if self._sock.fileno() >= 0:
            self.reactor.forget(self._sock.fileno())
            self._sock.close()
            self._lose()
