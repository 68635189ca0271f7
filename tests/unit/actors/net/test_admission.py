from functools import partial

import pytest

from eagleray.actors.net.admission import Admission, limited_network
from eagleray.actors.net.connection import Connection
from eagleray.pipelines.crowds import network_of


class Guest(Connection):
    """Enters itself into `over` at its end."""

    def __init__(self, host: str, over: list[Connection]) -> None:
        super().__init__(host, 80, connect_timeout=1.0, timeout=1.0)
        self.network, self.over = network_of(host), over

    def converse(self):
        return iter(())

    def ended(self) -> None:
        self.over.append(self)


class Engine:
    """Knows which connections it was given, and ends them when told to."""

    def __init__(self) -> None:
        self.given: list[Connection] = []

    def run(self, connection: Connection) -> None:
        self.given.append(connection)

    def drop(self, connection: Connection) -> None:
        connection.dropped = True


@pytest.fixture
def engine():
    return Engine()


@pytest.fixture
def ended():
    return []


@pytest.fixture
def connect(ended):
    """`connect(host)`: a connection that enters itself into `ended`."""
    return partial(Guest, over=ended)


def test_the_next_one_is_admitted_when_one_ends(engine, connect, ended):
    admission = Admission(engine, per_host=1, per_network=9)
    first, second, elsewhere = connect("192.0.2.1"), connect("192.0.2.1"), connect("192.0.2.2")
    for connection in (first, second, elsewhere):
        admission.run(connection)
    assert (engine.given, admission.waiting) == ([first, elsewhere], 1)
    admission.left(first)
    assert (engine.given, admission.waiting) == ([first, elsewhere, second], 0)


def test_a_network_is_shared_by_its_hosts(engine, connect):
    admission = Admission(engine, per_host=9, per_network=2)
    for fourth in range(4):
        admission.run(connect(f"192.0.2.{fourth}"))
    admission.run(connect("192.0.3.1"))
    assert [connection.host for connection in engine.given] == ["192.0.2.0", "192.0.2.1", "192.0.3.1"]


@pytest.mark.parametrize("dropped", [0, 1, 2], ids=["admitted", "first in line", "last in line"])
def test_a_dropped_connection_leaves_its_place(engine, connect, dropped):
    admission = Admission(engine, per_host=1, per_network=9)
    connections = [connect("192.0.2.1") for _ in range(3)]
    for connection in connections:
        admission.run(connection)
    admission.drop(connections[dropped])
    for connection in connections:
        if connection in engine.given and not connection.dropped:
            admission.left(connection)
    wanted = [c for c in connections if c is not connections[dropped] or dropped == 0]
    assert (engine.given, admission.waiting) == (wanted, 0)
    newcomer = connect("192.0.2.1")
    admission.run(newcomer)
    assert engine.given[-1] is newcomer


def test_a_connection_that_was_dropped_before_it_came_takes_no_place(engine, connect):
    admission = Admission(engine, per_host=1, per_network=9)
    dropped, wanted = connect("192.0.2.1"), connect("192.0.2.1")
    admission.drop(dropped)
    admission.run(dropped)
    admission.run(wanted)
    assert engine.given == [wanted]


def test_the_users_own_networks_have_no_limit(engine, connect):
    admission = Admission(engine, per_host=1, per_network=1)
    connections = [connect("127.0.0.1") for _ in range(3)]
    for connection in connections:
        connection.network = limited_network(connection.host)
        admission.run(connection)
    assert engine.given == connections
