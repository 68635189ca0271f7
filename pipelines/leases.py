"""Leases: the messages between a frontier and its workers, and the book of who holds what until when."""

from collections import OrderedDict
from collections.abc import Iterator

import msgspec
import numpy as np

from eagleray.pipelines.due_wheel import Slots

NUMBER_BITS = 28  # below the incarnation in a lease id: 31 + 28 bits fit a signed 64-bit column


class Lease(msgspec.Struct, array_like=True):
    """Items that one worker may work on until `expires_at`. Columns of n items, little-endian."""

    id: int  # incarnation << NUMBER_BITS | number: grows over time, survives a redelivery
    fence: int  # the frontier's incarnation
    expires_at: float  # Unix seconds
    slots: bytes  # uint32
    keys: list[bytes]
    hints: bytes  # n * hint_size
    states: bytes  # n * state_size; zero bytes for an item that was never settled

    def __len__(self) -> int:
        return len(self.keys)

    def items(self) -> Iterator[tuple[int, bytes, bytes, bytes]]:
        """Slot, key, hint and state of each item."""
        slots = np.frombuffer(self.slots, "<u4").tolist()
        return zip(slots, self.keys, split(self.hints, len(self)), split(self.states, len(self)), strict=True)


class Acks(msgspec.Struct, array_like=True):
    """Items that are settled. Columns of n items, little-endian."""

    lease_ids: bytes  # uint64
    slots: bytes  # uint32
    states: bytes  # n * state_size
    due: bytes  # float64, Unix seconds
    codes: bytes  # uint8: how the work ended, see `Tally`


class Held(msgspec.Struct):
    """A lease as the frontier remembers it."""

    number: int
    worker: str
    incarnation: int  # the worker's
    slots: Slots
    left: int  # items not settled yet
    expires_at: float = 0.0  # Unix seconds


class LeaseBook:
    """Who holds which lease until when; lost leases wait here to be given out again.

    All leases live equally long, so the order in which they were granted or renewed is the order of their
    deadlines, and finding the expired ones touches no other. Where the clock goes back, some live longer.
    """

    def __init__(self, lease_seconds: float) -> None:
        self._lease_seconds = lease_seconds
        self._active: OrderedDict[int, Held] = OrderedDict()  # by deadline
        self._lost: OrderedDict[int, Held] = OrderedDict()  # longest lost first
        self._workers: dict[str, int] = {}  # name -> incarnation
        self.expired = 0  # leases whose deadline passed

    def __len__(self) -> int:
        return len(self._active) + len(self._lost)

    @property
    def leased(self) -> int:
        """How many items of all leases are not settled."""
        return sum(held.left for leases in (self._active, self._lost) for held in leases.values())

    def grant(self, held: Held, now: float) -> None:
        """Start the time of a lease."""
        held.expires_at = now + self._lease_seconds
        self._active[held.number] = held

    def renew(self, number: int, now: float) -> None:
        """Start the time of a lease anew; one that is lost or settled stays so."""
        if held := self._active.pop(number, None):
            self.grant(held, now)

    def settle(self, number: int, count: int) -> None:
        """Strike `count` items off a lease; it ends with its last one."""
        leases = self._active if number in self._active else self._lost
        leases[number].left -= count
        if not leases[number].left:
            del leases[number]

    def lose(self, number: int) -> None:
        """Let a lease be given out again; one that is not active stays as it is."""
        if held := self._active.pop(number, None):
            self._lost[number] = held

    def sweep(self, worker: str, incarnation: int, now: float) -> None:
        """Lose every lease whose deadline passed, and those of an earlier life of `worker`."""
        while self._active and next(iter(self._active.values())).expires_at <= now:
            self.lose(next(iter(self._active)))
            self.expired += 1
        if self._workers.get(worker, incarnation) != incarnation:
            for held in list(self._active.values()):
                if held.worker == worker:
                    self.lose(held.number)
        self._workers[worker] = incarnation

    def take_lost(self) -> Held | None:
        """Remove and return the lease that was lost first."""
        return self._lost.popitem(last=False)[1] if self._lost else None


def split(column: bytes, n: int) -> list[bytes]:
    """The n equally wide values of a column."""
    width = len(column) // n
    return [column[at : at + width] for at in range(0, len(column), width)]
