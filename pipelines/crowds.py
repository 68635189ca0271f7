"""How many connections one host, and one network, have at a time. Pure; O(1) for each that comes or goes."""

from collections import deque
from collections.abc import Hashable
from ipaddress import IPv6Address
from typing import Generic, TypeVar

T = TypeVar("T")


class Places(Generic[T]):
    """`limit` places for each key; who finds none stands in line, and takes the first that gets free."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._taken: dict[Hashable, int] = {}
        self._lines: dict[Hashable, deque[T]] = {}

    def enter(self, key: Hashable, item: T) -> bool:
        """Take a place; False where `item` has to wait in line."""
        taken = self._taken.get(key, 0)
        if taken >= self._limit:
            self._lines.setdefault(key, deque()).append(item)
            return False
        self._taken[key] = taken + 1
        return True

    def leave(self, key: Hashable) -> T | None:
        """Give a place back; the first in line, if there is one, has it now."""
        if line := self._lines.get(key):
            item = line.popleft()
            if not line:
                del self._lines[key]
            return item
        if self._taken[key] > 1:
            self._taken[key] -= 1
        else:
            del self._taken[key]
        return None


class Crowds(Generic[T]):
    """Keeps connections to one host, and to one network, below limits; those to others pass freely.

    Who waits for the network holds a place at the host already, so each waits at most twice, in order.
    """

    def __init__(self, per_host: int, per_network: int) -> None:
        self._hosts: Places[T] = Places(per_host)
        self._networks: Places[T] = Places(per_network)

    def enter(self, host: str, network: Hashable, item: T) -> bool:
        """True where `item` may begin now; else `leave` gives it back when it may."""
        return self._hosts.enter(host, item) and self._networks.enter(network, item)

    def leave(self, host: str, network: Hashable) -> T | None:
        """One that had begun is over; the one that may begin instead."""
        at_host = self._hosts.leave(host)
        in_network = self._networks.leave(network)
        if at_host is not None and self._networks.enter(network, at_host):
            return at_host
        return in_network


def network_of(host: str) -> Hashable:
    """The /24 of a literal IPv4 address, the /64 of an IPv6 one: what one owner usually has at least."""
    return IPv6Address(host).packed[:8] if ":" in host else host.rpartition(".")[0]
