"""HTTP servers of the ground: a judge, list sources, and whatever else answers requests."""

from eagleray.cluster.http_server import MAX_SECONDS, Server
from eagleray.cluster.proving_ground.wire import Peer


class Page(Peer):
    """One request, one answer."""

    lifetime = MAX_SECONDS

    def __init__(self, server: Server) -> None:
        self._server = server
        self._received = b""

    def data_received(self, data: bytes) -> None:
        """Answer as soon as that can be done."""
        self._received += data
        answer = self._server.reply(self._received, self.wire.client)
        if answer is not None:
            self.finish(answer)
