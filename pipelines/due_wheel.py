"""What is due when: a timing wheel of two levels over slot numbers.

After Varghese and Lauck, "Hashed and hierarchical timing wheels" (1987): far seconds share coarse buckets,
which keeps a waiting slot at 8 bytes however thinly the due times are spread; a coarse bucket is sorted into
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

SPAN = 300  # seconds of a coarse bucket: 2 016 buckets hold a week, so an ack of 2 000 touches few of them
SLOT_BITS = np.uint64(32)


class DueWheel:
    """Hands out slots in the order of their due second, within a second first in, first out.

    The caller sees to it that a slot waits at most once.
    """

    def __init__(self) -> None:
        self._seconds: dict[int, deque[Slots]] = {}  # due second -> slots, for due < self._opened
        self._order: list[int] = []  # heap of the seconds in use
        self._spans: dict[int, array[int]] = {}  # due // SPAN -> entries `due << 32 | slot`
        self._span_order: list[int] = []  # heap of the spans in use
        self._opened = 0  # every entry in a coarse bucket is due at this second or later

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
                far += int(np.count_nonzero(due_seconds(entries) <= due_before))
        return near + far

    @property
    def next_due(self) -> float | None:
        """The earliest due second among the waiting slots."""
        if self._order:
            return float(self._order[0])
        if self._span_order:
            return float(due_seconds(self._spans[self._span_order[0]]).min())
        return None

    def _ready(self, due_before: float) -> bool:
        """Whether the first bucket of one second is due; opens a coarse bucket where there is none."""
        if not self._order and self._span_order and self._span_order[0] * SPAN <= due_before:
            self._open()
        return bool(self._order) and self._order[0] <= due_before

    def _open(self) -> None:
        """Sort the earliest coarse bucket into seconds."""
        span = heappop(self._span_order)
        entries = np.frombuffer(self._spans.pop(span), np.uint64)
        self._opened = (span + 1) * SPAN
        self._add_near(entries.astype(np.uint32), (entries >> SLOT_BITS).astype(np.uint32))

    def _add_near(self, slots: Slots, due: Seconds) -> None:
        for second, part in grouped(slots, due):
            if second not in self._seconds:
                self._seconds[second] = deque()
                heappush(self._order, second)
            self._seconds[second].append(part)

    def _add_far(self, slots: Slots, due: Seconds) -> None:
        entries = due.astype(np.uint64) << SLOT_BITS | slots
        for span, part in grouped(entries, due // SPAN):
            if span not in self._spans:
                self._spans[span] = array("Q")
                heappush(self._span_order, span)
            self._spans[span].frombytes(part.tobytes())


def grouped(items: NDArray[Item], numbers: Seconds) -> Iterator[tuple[int, NDArray[Item]]]:
    """The items of each number, in their order."""
    order = np.argsort(numbers, kind="stable")
    items, numbers = items[order], numbers[order]
    starts = np.flatnonzero(np.diff(numbers, prepend=-1)).tolist()
    for start, end in zip(starts, [*starts, len(items)][1:], strict=True):
        yield int(numbers[start]), items[start:end]


def due_seconds(entries: "array[int]") -> NDArray[np.uint64]:
    """The due seconds in a coarse bucket."""
    return np.right_shift(np.frombuffer(entries, np.uint64), SLOT_BITS)
