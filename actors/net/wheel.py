"""One timer for many deadlines: a wheel of buckets, cheaper than a heap entry and a handle per connection."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

TICK = 0.02  # seconds a bucket covers: fine enough for timeouts, coarse enough to cost nothing


class TimerWheel(Generic[T]):
    """Items by due time, given back once it has passed, late by up to one tick.

    Nothing is ever taken out early: who adds a deadline checks, when it comes, whether it still matters.
    """

    def __init__(self, now: float) -> None:
        self._buckets: defaultdict[int, list[T]] = defaultdict(list)
        self._next = int(now / TICK)  # the earliest bucket that is still to be looked at

    def __bool__(self) -> bool:
        """True while anything is waiting."""
        return bool(self._buckets)

    def add(self, when: float, item: T) -> None:
        """Give `item` back at `when` (seconds, the clock of `now`); a past time means the next turn."""
        self._buckets[max(int(when / TICK) + 1, self._next)].append(item)

    def due(self, now: float) -> Iterator[T]:
        """The items whose time has passed, oldest first; more may be added meanwhile.

        Looks at the buckets in use, not at the ticks gone by: after a night without work those are millions.
        """
        last = int(now / TICK)
        self._next = last + 1
        for tick in sorted(tick for tick in self._buckets if tick <= last):
            yield from self._buckets.pop(tick)
