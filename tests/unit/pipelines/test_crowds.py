from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eagleray.pipelines.crowds import Crowds, network_of

HOSTS = [f"192.0.{third}.{fourth}" for third in range(2) for fourth in range(3)]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.254", True),
        ("192.0.2.1", "192.0.3.1", False),
        ("192.0.2.1", "192.0.21.1", False),
        ("2001:db8::1", "2001:db8::ffff:0:0:2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
    ],
    ids=["one /24", "two /24", "digits alike", "one /64", "two /64"],
)
def test_network(one, other, same):
    assert (network_of(one) == network_of(other)) is same


class World:
    """Connections by the rules of `Crowds`: which are open, which wait."""

    def __init__(self, per_host: int, per_network: int) -> None:
        self.crowds: Crowds[tuple[int, str]] = Crowds(per_host, per_network)
        self.open: list[tuple[int, str]] = []
        self.waiting = 0
        self.count = 0

    def arrive(self, host: str) -> None:
        self.count += 1
        if self.crowds.enter(host, network_of(host), (self.count, host)):
            self.open.append((self.count, host))
        else:
            self.waiting += 1

    def end(self, at: int) -> None:
        _, host = self.open.pop(at % len(self.open))
        if following := self.crowds.leave(host, network_of(host)):
            self.waiting -= 1
            self.open.append(following)

    def busiest(self) -> tuple[int, int]:
        hosts = Counter(host for _, host in self.open)
        networks = Counter(network_of(host) for _, host in self.open)
        return max(hosts.values(), default=0), max(networks.values(), default=0)


@given(
    steps=st.lists(st.sampled_from(HOSTS) | st.integers(0, 50), max_size=80),
    per_host=st.integers(1, 3),
    per_network=st.integers(1, 5),
)
def test_limits_hold_and_everyone_gets_a_turn(steps, per_host, per_network):
    world = World(per_host, per_network)
    for step in steps:
        if isinstance(step, str):
            world.arrive(step)
        elif world.open:
            world.end(step)
        host, network = world.busiest()
        assert host <= per_host
        assert network <= per_network
        assert len(world.open) or not world.waiting
    while world.open:
        world.end(0)
    assert world.waiting == 0


def test_a_crowd_delays_nobody_else():
    world = World(per_host=1, per_network=2)
    for host in ["192.0.2.1"] * 1000 + ["192.0.2.2", "198.51.100.1"]:
        world.arrive(host)
    assert [host for _, host in world.open] == ["192.0.2.1", "192.0.2.2", "198.51.100.1"]


def test_who_came_first_is_first():
    world = World(per_host=2, per_network=2)
    for _ in range(6):
        world.arrive("192.0.2.1")
    order = []
    while world.open:
        order.append(world.open[0][0])
        world.end(0)
    assert order == [1, 2, 3, 4, 5, 6]


def test_nothing_is_kept_of_hosts_that_are_done():
    world = World(per_host=1, per_network=2)
    for host in HOSTS * 3:
        world.arrive(host)
    while world.open:
        world.end(0)
    for places in (world.crowds._hosts, world.crowds._networks):
        assert (places._taken, places._lines) == ({}, {})
