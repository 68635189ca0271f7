"""The tally: how the latest work on each key ended, so counted that no work counts twice or is lost.

It holds only what the stores hold, too: a frontier that begins anew reads the same figures from there.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from eagleray.pipelines.charge import UNDECIDED
from eagleray.pipelines.due_wheel import Slots

THIS_RUN = 128  # added to the code of a slot that this run has settled
CODES = 256

Codes = NDArray[np.uint8]


class Tally:
    """Where each slot stands, by codes of the pipeline: 0 for no work yet; from UNDECIDED on, no record."""

    def __init__(self, capacity: int) -> None:
        self._marks = np.zeros(capacity, np.uint8)
        self._slots = np.zeros(CODES, np.int64)  # how many slots have each mark
        self._ended = np.zeros(CODES, np.int64)
        self.recorded = 0  # pieces of work that have a record, whenever that was

    def grow(self, capacity: int) -> None:
        """Make room for slots below `capacity`; new ones stand at 0."""
        marks = np.zeros(capacity, np.uint8)
        marks[: len(self._marks)] = self._marks
        self._marks = marks

    def restore(
        self, slots: Slots, codes: Sequence[int], records: Sequence[int], ours: Sequence[bool]
    ) -> None:
        """Let new slots stand where the store has them, with so many records each; `ours`: by this run."""
        self._mark(slots, np.array(codes, np.uint8) + THIS_RUN * np.array(ours, np.uint8))
        self.recorded += sum(records)

    def settle(self, slots: Slots, codes: Codes) -> None:
        """Count work that has ended; no slot is named twice."""
        self._ended += np.bincount(codes, minlength=CODES)
        decided = codes < UNDECIDED
        self._mark(slots[decided], codes[decided] + np.uint8(THIS_RUN))
        self.recorded += int(np.count_nonzero(decided))

    @property
    def ended(self) -> dict[int, int]:
        """By code, also the undecided: pieces of work that have ended since the start."""
        return counted(self._ended)

    @property
    def standing(self) -> dict[int, int]:
        """By code: how many slots stand there."""
        return counted(self._slots[:THIS_RUN] + self._slots[THIS_RUN:])

    @property
    def settled(self) -> dict[int, int]:
        """By code: how many of the slots that this run has settled stand there."""
        return counted(self._slots[THIS_RUN:])

    def _mark(self, slots: Slots, marks: Codes) -> None:
        self._slots -= np.bincount(self._marks[slots], minlength=CODES)
        self._slots += np.bincount(marks, minlength=CODES)
        self._slots[0] = 0  # those that nothing is known of
        self._marks[slots] = marks


def counted(amounts: NDArray[np.int64]) -> dict[int, int]:
    """The amounts that are not zero, by their place."""
    return {int(code): int(amounts[code]) for code in np.flatnonzero(amounts)}
