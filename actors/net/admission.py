"""Admits connections to the engine as the limits per host and per network allow.

The limits protect strangers. What is not global was allowed by the user, so it is his own, and has none.
"""

from collections.abc import Callable, Hashable
from functools import partial

from eagleray.actors.net.engine import Connection, Engine, ignore
from eagleray.pipelines.addresses import is_global
from eagleray.pipelines.crowds import Crowds, network_of


class Admission:
    """Stands before an engine: who finds a host or network crowded waits here, and blocks no others."""

    def __init__(self, engine: Engine, per_host: int, per_network: int) -> None:
        self._engine = engine
        self._crowds: Crowds[Connection] = Crowds(per_host, per_network)
        self._admitted: dict[Connection, Hashable] = {}  # with their networks
        self.waiting = 0  # connections that were not admitted yet

    def run(self, connection: Connection) -> None:
        """Hand a connection to the engine, now or when it is no longer crowded where it goes."""
        if connection.on_end is ignore:  # dropped before it came here
            return
        if not is_global(connection.host):
            self._engine.run(connection)
            return
        network = network_of(connection.host)
        if self._crowds.enter(connection.host, network, connection):
            self._admit(connection, network)
        else:
            self.waiting += 1

    def drop(self, connection: Connection) -> None:
        """End a connection whose result nobody wants any more; `on_end` is not called."""
        self._engine.drop(connection)
        if connection in self._admitted:
            self._leave(connection)

    def _admit(self, connection: Connection, network: Hashable) -> None:
        self._admitted[connection] = network
        connection.on_end = partial(self._ended, connection.on_end)
        self._engine.run(connection)

    def _ended(self, on_end: Callable[[Connection], None], connection: Connection) -> None:
        self._leave(connection)
        on_end(connection)

    def _leave(self, connection: Connection) -> None:
        """Free the places of a connection, for the first in line that was not dropped meanwhile."""
        host, network = connection.host, self._admitted.pop(connection)
        while following := self._crowds.leave(host, network):
            self.waiting -= 1
            if following.on_end is not ignore:
                return self._admit(following, network)
            host = following.host
        return None
