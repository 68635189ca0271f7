"""Who is meant by a connection: the address to which it came says which endpoint is to have it."""

import socket
from collections.abc import Iterable

from eagleray.cluster.proving_ground.dead import DEAD
from eagleray.cluster.proving_ground.ledger import Ledger
from eagleray.cluster.proving_ground.live import PROXIES
from eagleray.cluster.proving_ground.wire import Peer, Place
from eagleray.cluster.proving_ground.world import Truth


class Doors:
    """The endpoints of a world that have the ports of some sockets."""

    def __init__(self, world: Iterable[Truth], sockets: Iterable[socket.socket], ledger: Ledger) -> None:
        ports = {sock.getsockname()[1] for sock in sockets}
        self._world = {(truth.ip, truth.port): truth for truth in world if truth.port in ports}
        self._ledger = ledger

    def peer_at(self, place: Place) -> Peer | None:
        """What serves a new connection to a place; None where there is no endpoint."""
        truth = self._world.get(place)
        if truth is None:
            return None
        self._ledger.accepted.add(truth.kind)
        if truth.kind in PROXIES:
            return PROXIES[truth.kind](truth, self._ledger)
        return DEAD[truth.kind]()
