"""Admits connections to the engine as the limits per host and per network allow.

The limits protect strangers. What is not global was allowed by the user, so it is his own, and has none.
"""

from collections.abc import Hashable

from eagleray.actors.net.connection import Connection
from eagleray.actors.net.engine import Engine
from eagleray.pipelines.addresses import is_global
from eagleray.pipelines.crowds import Crowds, network_of


def limited_network(host: str) -> Hashable:
    """The network whose places a connection to `host` takes; None where there is no limit."""
    return network_of(host) if is_global(host) else None


class Admission:
    """Stands before an engine: who finds a host or network crowded waits here, and blocks no others.

    A connection whose `network` is not None leaves it again by `left` or `drop`.
    """

    def __init__(self, engine: Engine, per_host: int, per_network: int) -> None:
        self._engine = engine
        self._crowds: Crowds[Connection] = Crowds(per_host, per_network)
        self._admitted: set[Connection] = set()
        self.waiting = 0  # connections that were not admitted yet

    def run(self, connection: Connection) -> None:
        """Hand a connection to the engine, now or when it is no longer crowded where it goes."""
        if connection.dropped:  # before it came here
            return
        if connection.network is None:
            self._engine.run(connection)
        elif self._crowds.enter(connection.host, connection.network, connection):
            self._admit(connection)
        else:
            self.waiting += 1

    def drop(self, connection: Connection) -> None:
        """End a connection whose result nobody wants any more; `ended` is not called."""
        self._engine.drop(connection)
        if connection in self._admitted:
            self.left(connection)

    def left(self, connection: Connection) -> None:
        """Free the places of a connection that is over, for the first in line who still wants them."""
        self._admitted.discard(connection)
        host, network = connection.host, connection.network
        while following := self._crowds.leave(host, network):
            self.waiting -= 1
            if not following.dropped:
                return self._admit(following)
            host = following.host
        return None

    def _admit(self, connection: Connection) -> None:
        self._admitted.add(connection)
        self._engine.run(connection)
