"""What is due when: a timing wheel of two levels over slot numbers.

After Varghese and Lauck, "Hashed and hierarchical timing wheels" (1987): far seconds share coarse buckets,
which keeps a waiting slot at 4 bytes however thinly the due times are spread; a coarse bucket is sorted into
buckets of one second when its time comes.
"""

from array import array
from collections import deque
from collections.abc import Iterator
from heapq import heappop, heappush
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Slots = NDArray[np.uint32]
Seconds = NDArray[np.uint32]  # Unix seconds
Item = TypeVar("Item", bound=np.generic)

SLOT_BITS = 24  # of an entry in a coarse bucket; the second within the bucket has the other 8
SPAN = 256  # seconds of a coarse bucket; 2 363 of them hold a week
MAX_SLOTS = 1 << SLOT_BITS


class DueWheel:
    """Hands out slots in the order of their due second, within a second first in, first out.

    Slots are below MAX_SLOTS; the caller sees to it that each waits at most once.
    """

    def __init__(self) -> None:
        self._seconds: dict[int, deque[Slots]] = {}  # due second -> slots
        self._order: list[int] = []  # heap of the seconds in use
        self._spans: dict[int, array[int]] = {}  # due // SPAN -> entries
        self._span_order: list[int] = []  # heap of the spans in use
        self._opened = SPAN  # what is due before this second stands in buckets of one second

    def add(self, slots: Slots, due: Seconds) -> None:
        """Let `slots` wait, each until its second of `due`."""
        near = due < self._opened
        self._add_near(slots[near], due[near])
        self._add_far(slots[~near], due[~near])

    def take(self, limit: int, due_before: float) -> Slots:
        """Remove at most `limit` slots that are due at `due_before` (Unix seconds), the earliest first."""
        taken: list[Slots] = []
        while limit > 0 and self._ready(due_before):
            second = self._order[0]
            queue = self._seconds[second]
            first = queue.popleft()
            taken.append(first[:limit])
            if len(first) > limit:
                queue.appendleft(first[limit:])
            elif not queue:
                del self._seconds[heappop(self._order)]
            limit -= len(taken[-1])
        return np.concatenate(taken) if taken else np.empty(0, np.uint32)

    def count(self, due_before: float) -> int:
        """How many waiting slots are due at `due_before`."""
        near = sum(sum(map(len, queue)) for second, queue in self._seconds.items() if second <= due_before)
        far = 0
        for span, entries in self._spans.items():
            if (span + 1) * SPAN <= due_before:
                far += len(entries)
            elif span * SPAN <= due_before:
                far += int(np.count_nonzero(seconds_of(entries) <= due_before - span * SPAN))
        return near + far

    @property
    def next_due(self) -> float | None:
        """The earliest due second among the waiting slots."""
        if self._order:
            return float(self._order[0])
        if self._span_order:
            span = self._span_order[0]
            return float(span * SPAN + seconds_of(self._spans[span]).min())
        return None

    def _ready(self, due_before: float) -> bool:
        """Whether the first bucket of one second is due; opens a coarse bucket where there is none."""
        if not self._order and self._span_order and self._span_order[0] * SPAN <= due_before:
            self._open()
        return bool(self._order) and self._order[0] <= due_before

    def _open(self) -> None:
        """Sort the earliest coarse bucket into seconds."""
        span = heappop(self._span_order)
        entries = self._spans.pop(span)
        self._opened = (span + 1) * SPAN
        self._add_near(np.frombuffer(entries, np.uint32) % MAX_SLOTS, span * SPAN + seconds_of(entries))

    def _add_near(self, slots: Slots, due: Seconds) -> None:
        for second, part in grouped(slots, due):
            if second not in self._seconds:
                self._seconds[second] = deque()
                heappush(self._order, second)
            self._seconds[second].append(part)

    def _add_far(self, slots: Slots, due: Seconds) -> None:
        entries = due % SPAN << SLOT_BITS | slots
        for span, part in grouped(entries, due // SPAN):
            if span not in self._spans:
                self._spans[span] = array("I")
                heappush(self._span_order, span)
            self._spans[span].frombytes(part.tobytes())


def grouped(items: NDArray[Item], numbers: Seconds) -> Iterator[tuple[int, NDArray[Item]]]:
    """The items of each number, in their order."""
    order = np.argsort(numbers, kind="stable")
    items, numbers = items[order], numbers[order]
    starts = np.flatnonzero(np.diff(numbers, prepend=-1)).tolist()
    for start, end in zip(starts, [*starts, len(items)][1:], strict=True):
        yield int(numbers[start]), items[start:end]


def seconds_of(entries: "array[int]") -> Seconds:
    """The seconds within their coarse bucket at which entries are due."""
    return np.right_shift(np.frombuffer(entries, np.uint32), np.uint32(SLOT_BITS))
