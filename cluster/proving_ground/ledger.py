"""What happened in the ground, counted by each of its processes and read by the first of them."""

from collections import Counter
from mmap import mmap

from eagleray.cluster.proving_ground.world import Kind

COUNTER_BYTES = 8
PLACES = {kind: place for place, kind in enumerate(Kind)}


class Tally:
    """Counts by kind, in memory that outlasts a fork: one process counts, its parent reads."""

    def __init__(self) -> None:
        self._counters = memoryview(mmap(-1, COUNTER_BYTES * len(PLACES))).cast("Q")

    def add(self, kind: Kind) -> None:
        """One more."""
        self._counters[PLACES[kind]] += 1

    def counts(self) -> Counter[Kind]:
        """What has been counted; a kind that never came is not in it."""
        return Counter(
            {kind: self._counters[place] for kind, place in PLACES.items() if self._counters[place]}
        )


class Ledger:
    """What happened in one process, which no plan can know."""

    def __init__(self, detours: dict[tuple[str, int], tuple[str, int]]) -> None:
        self.accepted = Tally()
        self.relayed = Tally()  # connections to a target
        self.detours = detours  # where interceptors lead connections: from, to
        self.spent: set[str] = set()  # addresses of the proxies that answer once and have done so
