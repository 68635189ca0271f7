"""How connections come."""

import select
import socket
import ssl
from collections.abc import Callable

from eagleray.cluster.http_server import BACKLOG
from eagleray.cluster.proving_ground.reactor import Reactor
from eagleray.cluster.proving_ground.tls_wire import TlsWire
from eagleray.cluster.proving_ground.wire import Peer, Place, Wire

PAUSE_SECONDS = 1.0  # before another attempt to accept, when the process is out of descriptors


class Listener:
    """Accepts on a bound socket, for whoever is meant by the address to which a connection comes."""

    def __init__(
        self,
        reactor: Reactor,
        sock: socket.socket,
        peer_at: Callable[[Place], Peer | None],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._reactor = reactor
        self._sock = sock
        self._peer_at = peer_at
        self._tls = tls
        sock.listen(BACKLOG)
        reactor.watch(sock.fileno(), select.EPOLLIN, self._accept)

    def _accept(self, _events: int) -> None:
        try:
            while True:
                sock, (client, _) = self._sock.accept()
                self._admit(sock, client)
        except BlockingIOError:
            return
        except OSError:
            self._reactor.change(self._sock.fileno(), 0)
            self._reactor.call_later(PAUSE_SECONDS, self._reactor.change, self._sock.fileno(), select.EPOLLIN)

    def _admit(self, sock: socket.socket, client: str) -> None:
        """Hand over; where nobody is meant, so at any address that is not ours, the connection is dropped."""
        peer = self._peer_at(sock.getsockname())
        if peer is None:
            sock.close()
            return
        sock.setblocking(False)
        if self._tls:
            TlsWire(self._reactor, sock, client, peer, self._tls).open()
        else:
            Wire(self._reactor, sock, client, peer).open()
