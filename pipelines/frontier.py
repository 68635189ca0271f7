"""The frontier: what is known, when each of it is due, and who works on what.

Keys, hints and states are opaque bytes of the pipeline; all hints are equally wide, and so are all states. A
known key costs one dict entry and one slot in the columns; everything else speaks of slots.
"""

from collections.abc import Callable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from eagleray.pipelines.due_wheel import MAX_SLOTS, DueWheel, Item, Seconds, Slots
from eagleray.pipelines.leases import NUMBER_BITS, Acks, Held, Lease, LeaseBook
from eagleray.pipelines.pipeline import Restored
from eagleray.pipelines.tally import Tally

FIRST_CAPACITY = 1024  # slots; doubled whenever they are used up
MAX_NUMBER = (1 << NUMBER_BITS) - 1  # leases of one incarnation: a month's at 100 a second
MAX_KNOWN = MAX_SLOTS  # keys; 16 million take some 3 GB, more want a second shard
LAST_SECOND = 2**32 - 1  # due seconds are uint32: they end in the year 2106

Merge = Callable[[bytes, bytes], bytes]


class NumbersUsedUp(Exception):
    """Raised when an incarnation has no lease id left: it is time for the next one."""


class Stats(msgspec.Struct):
    """Where a frontier stands; counts are of items unless they say leases."""

    incarnation: int
    known: int
    due: int  # waiting, and due at the time asked for
    leased: int  # not settled yet, of all open leases
    leases: int  # open: in a worker's hands, or lost and waiting to be given out again
    acked: int  # since the start
    redelivered: int  # leases given out again since the start
    expired: int  # leases whose deadline passed since the start
    next_due: float | None  # Unix seconds: the earliest that waits
    recorded: int  # pieces of work that have a record, by this run and those before
    standing: dict[int, int]  # code -> known keys whose latest recorded work ended so
    settled: dict[int, int]  # the same of those keys that this run has settled
    ended: dict[int, int]  # code -> items settled since the start, also those without a record
    turned_away: int = 0  # offers of keys beyond MAX_KNOWN since the start


class Frontier:
    """Dedupes keys, leases them out when they are due, and takes what became of them.

    A lease whose deadline passed, that was released, or whose worker came back with another incarnation is
    given out again under the same id, with the items that are not settled: key and lease id are the identity
    of a piece of work. `incarnation` (Unix seconds at the start) must grow with every restart: it fences off
    the leases of an earlier life. Work of the incarnations from `began` on is this run's, by default that of
    this one. Times are Unix seconds.
    """

    def __init__(
        self,
        incarnation: int,
        *,
        hint_size: int,
        state_size: int,
        merge: Merge,
        lease_seconds: float,
        began: int | None = None,
    ) -> None:
        self._incarnation = incarnation
        self._began = incarnation if began is None else began
        self._merge = merge
        self._slots: dict[bytes, int] = {}
        self._keys: list[bytes] = []
        self._hints = np.zeros((FIRST_CAPACITY, hint_size), np.uint8)
        self._states = np.zeros((FIRST_CAPACITY, state_size), np.uint8)
        self._lease_of = np.zeros(FIRST_CAPACITY, np.uint32)  # number of the lease that holds the slot, or 0
        self._tally = Tally(FIRST_CAPACITY)
        self._wheel = DueWheel()
        self._book = LeaseBook(lease_seconds)
        self._last_number = 0
        self._acked = 0
        self._redelivered = 0
        self.turned_away = 0  # offers of keys beyond MAX_KNOWN

    def restore(self, known: Restored) -> None:
        """Know keys as they stood before a restart; call it before the first `offer`.

        A key that is known already stays as it is.
        """
        new = [at for at, key in enumerate(known.keys) if self._add(key)]
        slots = self._grow(len(new))
        self._hints[slots] = rows([known.hints[at] for at in new], self._hints)
        self._states[slots] = rows([known.states[at] for at in new], self._states)
        self._wheel.add(slots, seconds(np.array(known.due, np.float64)[new]))
        self._tally.restore(
            slots,
            codes=[known.codes[at] for at in new],
            records=[known.records[at] for at in new],
            ours=[known.lease_ids[at] >> NUMBER_BITS >= self._began for at in new],
        )

    def offer(self, keys: Sequence[bytes], hints: Sequence[bytes]) -> int:
        """Take in keys that a source lists and return how many are new: those are due at once.

        A known key gets its old and its new hint merged. Keys beyond MAX_KNOWN are turned away.
        """
        new: list[bytes] = []
        first = len(self._keys)
        for key, hint in zip(keys, hints, strict=True):
            if self._add(key):
                new.append(hint)
            elif (slot := self._slots.get(key)) is None:
                self.turned_away += 1
            elif slot >= first:
                new[slot - first] = self._merge(new[slot - first], hint)
            elif (old := self._hints[slot].tobytes()) != hint:
                self._hints[slot] = np.frombuffer(self._merge(old, hint), np.uint8)
        slots = self._grow(len(new))
        self._hints[slots] = rows(new, self._hints)
        self._wheel.add(slots, np.zeros(len(new), np.uint32))
        return len(new)

    def lease(
        self, worker: str, worker_incarnation: int, limit: int, now: float, due_before: float
    ) -> Lease | None:
        """Give `worker` a lost lease, else at most `limit` waiting items that are due at `due_before`.

        A lost lease keeps its size even if that exceeds `limit`. None where nothing is due.

        Raises:
            NumbersUsedUp: this incarnation has no lease id left.
        """
        self._book.sweep(worker, worker_incarnation, now)
        held = self._lost(worker, worker_incarnation) or self._due(
            worker, worker_incarnation, limit, due_before
        )
        if held is None:
            return None
        self._book.grant(held, now)
        return Lease(
            id=self._incarnation << NUMBER_BITS | held.number,
            fence=self._incarnation,
            expires_at=held.expires_at,
            slots=held.slots.astype("<u4").tobytes(),
            keys=[self._keys[slot] for slot in held.slots.tolist()],
            hints=self._hints[held.slots].tobytes(),
            states=self._states[held.slots].tobytes(),
        )

    def ack(self, acks: Acks) -> int:
        """Settle items: store their states, let them wait for their due times, and return how many counted.

        An item counts only while the very lease that it names holds it, so a second ack changes nothing.

        Raises:
            ValueError: the columns differ in length.
        """
        slots = np.frombuffer(acks.slots, "<u4")
        numbers = np.frombuffer(acks.lease_ids, "<u8") - np.uint64(self._incarnation << NUMBER_BITS)
        states = np.frombuffer(acks.states, np.uint8).reshape(len(slots), self._states.shape[1])
        due = np.frombuffer(acks.due, "<f8")
        codes = np.frombuffer(acks.codes, np.uint8)
        if not len(slots) == len(numbers) == len(due) == len(codes):
            raise ValueError("the columns of acks differ in length")
        counted = self._holding(slots, numbers)
        slots, numbers = slots[counted], numbers[counted]
        self._states[slots] = states[counted]
        self._lease_of[slots] = 0
        self._wheel.add(slots, seconds(due[counted]))
        self._tally.settle(slots, codes[counted])
        for number, count in zip(*np.unique_counts(numbers), strict=True):
            self._book.settle(int(number), int(count))
        self._acked += len(slots)
        return len(slots)

    @property
    def ended(self) -> dict[int, int]:
        """See `Stats`."""
        return self._tally.ended

    def renew(self, lease_ids: Sequence[int], now: float) -> None:
        """Start the time of leases anew; ids that are not open are left out."""
        for lease_id in lease_ids:
            self._book.renew(self._number(lease_id), now)

    def release(self, lease_id: int) -> None:
        """Take a lease back: what is not settled is given out again, under the same id."""
        self._book.lose(self._number(lease_id))

    def stats(self, due_before: float) -> Stats:
        """Where the frontier stands; `due` counts what is due at `due_before`."""
        return Stats(
            incarnation=self._incarnation,
            known=len(self._keys),
            due=self._wheel.count(due_before),
            leased=self._book.leased,
            leases=len(self._book),
            acked=self._acked,
            redelivered=self._redelivered,
            expired=self._book.expired,
            next_due=self._wheel.next_due,
            recorded=self._tally.recorded,
            standing=self._tally.standing,
            settled=self._tally.settled,
            ended=self._tally.ended,
            turned_away=self.turned_away,
        )

    def _number(self, lease_id: int) -> int:
        """The number of a lease of this incarnation; no open lease has that of another."""
        return lease_id - (self._incarnation << NUMBER_BITS)

    def _lost(self, worker: str, incarnation: int) -> Held | None:
        """The lease that was lost first, with what is not settled of it."""
        lost = self._book.take_lost()
        if lost is None:
            return None
        self._redelivered += 1
        slots = lost.slots[self._lease_of[lost.slots] == lost.number]
        return Held(lost.number, worker, incarnation, slots, lost.left)

    def _due(self, worker: str, incarnation: int, limit: int, due_before: float) -> Held | None:
        """A new lease of what is due."""
        if self._last_number == MAX_NUMBER:
            raise NumbersUsedUp
        slots = self._wheel.take(limit, due_before)
        if not len(slots):
            return None
        self._last_number += 1
        self._lease_of[slots] = self._last_number
        return Held(self._last_number, worker, incarnation, slots, len(slots))

    def _holding(self, slots: Slots, numbers: NDArray[np.uint64]) -> NDArray[np.intp]:
        """Which of the slots are held by the lease of that number; of a slot named twice, the first."""
        known = np.flatnonzero((slots < len(self._keys)) & (numbers > 0))
        held = known[self._lease_of[slots[known]] == numbers[known]]
        first = np.unique(slots[held], return_index=True)[1]
        return np.asarray(held[first], np.intp)

    def _add(self, key: bytes) -> bool:
        """Give `key` the next slot, unless it is known or there is no room."""
        if key in self._slots or len(self._keys) == MAX_KNOWN:
            return False
        self._slots[key] = len(self._keys)
        self._keys.append(key)
        return True

    def _grow(self, new: int) -> Slots:
        """Make room for the last `new` keys in the columns and return their slots."""
        known = len(self._keys)
        if known > len(self._lease_of):
            self._hints = enlarged(self._hints, known)
            self._states = enlarged(self._states, known)
            self._lease_of = enlarged(self._lease_of, known)
            self._tally.grow(len(self._lease_of))
        return np.arange(known - new, known, dtype=np.uint32)


def enlarged(column: NDArray[Item], known: int) -> NDArray[Item]:
    """A copy with twice the room, or room for `known` if that is more; pages never used take no memory."""
    copy = np.zeros((max(known, 2 * len(column)), *column.shape[1:]), column.dtype)
    copy[: len(column)] = column
    return copy


def rows(values: Sequence[bytes], column: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Equally wide values as rows for `column`."""
    return np.frombuffer(b"".join(values), np.uint8).reshape(len(values), column.shape[1])


def seconds(due: NDArray[np.float64]) -> Seconds:
    """Due times as whole seconds, never earlier; what is no time (NaN) is due at once."""
    return np.fmin(np.fmax(np.ceil(due), 0), LAST_SECOND).astype(np.uint32)
