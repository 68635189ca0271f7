"""One timer for many deadlines: a wheel of buckets, cheaper than a heap entry and a handle per connection."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

TICKS = 50  # buckets a second: fine enough for timeouts, coarse enough to cost nothing
TICK = 1 / TICKS


class TimerWheel(Generic[T]):
    """Items by due time, given back once it has passed, late by up to one tick.

    Nothing is ever taken out early: who adds a deadline checks, when it comes, whether it still matters.
    """

    def __init__(self, now: float) -> None:
        self._buckets: defaultdict[int, list[T]] = defaultdict(list)
        self._oldest = int(now * TICKS)  # the earliest bucket that is still to be emptied
        self._next = self._oldest  # the earliest into which an item may still go

    def __bool__(self) -> bool:
        """True while anything is waiting."""
        return bool(self._buckets)

    def add(self, when: float, item: T) -> None:
        """Give `item` back at `when` (seconds, the clock of `now`); a past time means the next turn."""
        tick = int(when * TICKS) + 1
        self._buckets[tick if tick > self._next else self._next].append(item)

    def due(self, now: float) -> Iterator[T]:
        """The items whose time has passed, oldest first; more may be added meanwhile.

        Looks at the ticks gone by, or at the buckets in use where those are fewer: after a night without work
        the ticks are millions.
        """
        first, last = self._oldest, int(now * TICKS)
        self._next = last + 1
        ticks: Iterable[int] = range(first, last + 1)
        if last - first > len(self._buckets):
            ticks = sorted(tick for tick in self._buckets if tick <= last)
        for tick in ticks:
            yield from self._buckets.pop(tick, ())
            self._oldest = tick + 1
