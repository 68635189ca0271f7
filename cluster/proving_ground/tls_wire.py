"""Connections under TLS."""

import socket
import ssl
from contextlib import suppress

from eagleray.cluster.proving_ground.reactor import Reactor
from eagleray.cluster.proving_ground.wire import MAX_READ, Peer, Wire


class TlsWire(Wire):
    """A connection under TLS, whose peer sees it once the handshake is done."""

    def __init__(
        self, reactor: Reactor, sock: socket.socket, client: str, peer: Peer, context: ssl.SSLContext
    ) -> None:
        super().__init__(reactor, sock, client, peer)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._secure = False

    def write(self, data: bytes) -> None:
        """Send under TLS."""
        if not self.closing and data:
            self._tls.write(data)
            self._pass_on()

    def close(self) -> None:
        """Say under TLS that this is the end, send what waits, then end."""
        if not self.closing and self._secure:
            with suppress(ssl.SSLError):  # the client has not said so yet
                self._tls.unwrap()
            self._pass_on()
        super().close()

    def _begin(self) -> None:
        """The client speaks first."""

    def _receive(self, data: bytes) -> None:
        self._incoming.write(data)
        try:
            self._decrypt()
        except ssl.SSLWantReadError:
            self._pass_on()
        except ssl.SSLError:
            self._pass_on()  # the alert
            super().close()

    def _decrypt(self) -> None:
        if not self._secure:
            self._tls.do_handshake()
            self._pass_on()
            self._secure = True
            super()._begin()
        while not self.closing:
            data = self._tls.read(MAX_READ)
            if not data:
                self.close()
                return
            super()._receive(data)

    def _lose(self) -> None:
        if self._secure:
            super()._lose()

    def _pass_on(self) -> None:
        super().write(self._outgoing.read())
