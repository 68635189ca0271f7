"""How long to wait for what: limits learned from what this run's endpoints needed. Pure; time is passed in.

Most of a public list never answers a SYN, and a tenth accepts and stays silent: these limits decide how long
a sweep takes. Each has a reason and a bound; a limit that the user gave is kept as it is.
"""

from collections import Counter
from heapq import heappop, heappush
from math import floor, log2

import msgspec

# Linux re-sends a lost SYN after 1 s and 3 s (RFC 6298 section 2.1, doubled): an answer to the first copy
# comes within 1 s + a round trip, so a limit just above misses only those whose SYN was lost twice.
FIRST_COPY = 1.0  # seconds
SECOND_COPY = 3.0
SPARE_ROUND_TRIP = (
    0.2  # seconds beside what was measured: a busy host, a SYN that had to wait for the network
)
LONGEST_CONNECT = 2.0  # seconds; also the first limit until enough is known

SHORTEST_ANSWER = 4.0  # seconds: a proxy may lose a segment (1 s) on each of its two ways, and still be good
LONGEST_ANSWER = 8.0  # seconds: live public proxies were seen to take up to 7 s
GREETING = 3.0  # seconds: a SOCKS5 greeting needs no other server, so a lost segment or two explain all of it

ENOUGH = 400  # proxies: one in a hundred is seen four times
SHARE = 0.99  # of them must have been within the limit
MARGIN = 2.0  # times that: what was measured so far is not the worst that there is
STEPS = 8  # of the histogram, to a doubling: 9 % each


class Limits(msgspec.Struct, frozen=True):
    """What the user says, in seconds; None: to be learned."""

    connect: float | None = None
    answer: float | None = None


class Histogram:
    """Counts durations by their logarithm: constant memory, and quantiles within a step."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()
        self._new: list[float] = []  # fewer than ENOUGH that are not counted yet

    def add(self, seconds: float) -> bool:
        """Take one; True where ENOUGH more than before have been counted."""
        self._new.append(seconds)
        if len(self._new) < ENOUGH:
            return False
        self._counts.update(floor(STEPS * log2(max(new, 1e-6))) for new in self._new)
        self._new.clear()
        return True

    def quantile(self, share: float) -> float:
        """Seconds within which `share` of what was counted lies; of at least ENOUGH."""
        left = share * self._counts.total()
        for step in sorted(self._counts):
            left -= self._counts[step]
            if left <= 0:
                break
        return float(2 ** ((step + 1) / STEPS))


class Patience:
    """The limits in force: `connect`, `second_connect` and `answer`, in seconds."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._round_trips, self._answers = Histogram(), Histogram()
        self._young: list[tuple[float, float]] = []  # a heap: when slower ones could have come, too; seconds
        self.connect = LONGEST_CONNECT if limits.connect is None else limits.connect
        self.answer = LONGEST_ANSWER if limits.answer is None else limits.answer

    @property
    def second_connect(self) -> float:
        """For an endpoint that is worth a second, longer try: both copies of the SYN and a round trip."""
        return SECOND_COPY - FIRST_COPY + self.connect

    def served(self, opened_at: float, connected_at: float, ended_at: float) -> None:
        """A proxy has answered: when the connection was opened and made, and when the answer was whole.

        To be told of its first answer alone: quick ones are asked again sooner, and more often.
        """
        took = connected_at - opened_at  # FIRST_COPY and more: a copy was answered
        if self._limits.connect is None and took < FIRST_COPY and self._round_trips.add(took):
            spare = SPARE_ROUND_TRIP + MARGIN * self._round_trips.quantile(SHARE)
            self.connect = min(LONGEST_CONNECT, FIRST_COPY + spare)
        if self._limits.answer is None:
            heappush(self._young, (opened_at + LONGEST_ANSWER + LONGEST_CONNECT, ended_at - connected_at))
            self._learn_answer(ended_at)

    def _learn_answer(self, now: float) -> None:
        """An answer counts only when those begun with it have had all the time that there is.

        Else a run would take the quick ones, which come first, for all.
        """
        while self._young and self._young[0][0] <= now:
            if self._answers.add(heappop(self._young)[1]):
                learned = MARGIN * self._answers.quantile(SHARE)
                self.answer = min(LONGEST_ANSWER, max(SHORTEST_ANSWER, learned))
