"""How connections to targets are made."""

import errno
import select
import socket
from collections.abc import Callable

from eagleray.cluster.proving_ground.reactor import Reactor
from eagleray.cluster.proving_ground.wire import Peer, Place, Wire

DIAL_TIMEOUT = 5.0  # seconds for a connection within one machine, however busy it is


class Dial:
    """An attempt to connect a peer to a target from the address `source`.

    Raises:
        OSError: there is no socket for it.
    """

    def __init__(
        self, reactor: Reactor, target: Place, source: str, peer: Peer, failed: Callable[[], None]
    ) -> None:
        """Call `failed` where it fails, or takes longer than `DIAL_TIMEOUT`."""
        self._reactor = reactor
        self._target = target
        self._peer = peer
        self._failed = failed
        self._sock = socket.socket()
        self._sock.setblocking(False)
        self._sock.bind((source, 0))
        begun = self._sock.connect_ex(target) in (0, errno.EINPROGRESS)
        reactor.watch(self._sock.fileno(), select.EPOLLOUT, self._decided)
        self._timer = reactor.call_later(DIAL_TIMEOUT if begun else 0, self._fail)

    def cancel(self) -> None:
        """Give up."""
        self._timer.cancel()
        self._reactor.forget(self._sock.fileno())
        self._sock.close()

    def _decided(self, _events: int) -> None:
        if self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._fail()
            return
        self._timer.cancel()
        Wire(self._reactor, self._sock, self._target[0], self._peer).open()

    def _fail(self) -> None:
        self.cancel()
        self._failed()
