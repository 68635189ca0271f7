"""The figures of a run: what it shows while it goes on, and sums up at its end."""

from collections import Counter
from collections.abc import Sequence

import msgspec

from eagleray.actors.checker import CheckerStats
from eagleray.actors.collector import CollectorStats
from eagleray.actors.sink import SinkStats
from eagleray.pipelines.charge import UNDECIDED
from eagleray.pipelines.frontier import Stats as FrontierStats
from eagleray.pipelines.proxies.outcome import OK
from eagleray.pipelines.proxies.pipeline import OUTCOMES


class Progress(msgspec.Struct):
    """Where a run stands.

    The frontier's figures of checks are those of the first store, as it reads them at the start of each of
    its lives, and what was recorded since: no kill changes them.
    """

    seconds: float = 0.0
    frontier: FrontierStats | None = None
    collector: CollectorStats | None = None
    sink: SinkStats | None = None
    checkers: Sequence[CheckerStats] = ()
    recorded_before: int | None = None  # checks on record when the run began; None: not known yet
    passed_before: dict[str, int] = {}  # store -> rows of the log that it was through with by then
    waits: str = ""  # what the end of the run waits for, and for how long at most
    behind: dict[str, str] = {}  # store that lacks rows at the end -> why
    cut_off: list[str] = []  # sentences on who was not waited for any longer at the end

    @property
    def checked(self) -> int:
        """Checks of this run that are on record."""
        return self.frontier.recorded - (self.recorded_before or 0) if self.frontier else 0

    @property
    def alive(self) -> int:
        """Proxies that are alive now: the latest check on record was a success, in this run or before."""
        return self.frontier.standing.get(OK.code, 0) if self.frontier else 0

    @property
    def outcomes(self) -> Counter[str]:
        """Endpoints that this run has checked, by the outcome of the latest check."""
        return named(self.frontier.settled) if self.frontier else Counter()

    @property
    def undecided(self) -> Counter[str]:
        """Checks without a verdict since the frontier's start: nothing is recorded, they are made again."""
        ended = self.frontier.ended if self.frontier else {}
        return named({code: amount for code, amount in ended.items() if code >= UNDECIDED})

    @property
    def rows(self) -> dict[str, int]:
        """By store: rows of the log that it got through with in this run."""
        stores = self.sink.stores if self.sink else {}
        return {name: store.passed - self.passed_before.get(name, 0) for name, store in stores.items()}

    def lacks(self, logged: int) -> dict[str, int]:
        """By store: how many of the first `logged` rows of the log it lacks, where it lacks any."""
        stores = self.sink.stores if self.sink else {}
        lacks = {name: min(store.lag_rows, logged - store.passed) for name, store in stores.items()}
        return {name: rows for name, rows in lacks.items() if rows > 0}

    @property
    def judge_error(self) -> str:
        """Why no checker has a judge, or empty."""
        errors = [checker.judge for checker in self.checkers]
        return errors[0] if errors and all(errors) else ""

    @property
    def rate(self) -> float:
        """Checks a second since the start."""
        return self.checked / self.seconds if self.seconds else 0.0


def named(amounts: dict[int, int]) -> Counter[str]:
    """The amounts by the name of the outcome instead of its code."""
    return Counter({OUTCOMES[code]: amount for code, amount in amounts.items()})
