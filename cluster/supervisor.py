"""Keeps the actors working, tells how far they are, and ends the run: done, interrupted, or not able to."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any

import msgspec
from ray.exceptions import RayActorError

from eagleray.actors.checker import CheckerStats
from eagleray.actors.collector import CollectorStats
from eagleray.actors.sink import SinkStats
from eagleray.cluster.topology import Fleet
from eagleray.pipelines.frontier import Stats as FrontierStats
from eagleray.pipelines.proxies.pipeline import NAME
from eagleray.pipelines.proxies.tables import CYCLES
from eagleray.pipelines.tables import encode_batch, seal

BEAT = 0.25  # seconds between rounds: an actor that was killed is back at work that much after it is back
CALL_LIMIT = 60.0  # seconds for one round of answers; an actor's restart and recovery fit
STOP_LIMIT = 15.0  # seconds for a clean end after an interrupt
ANSWER_LIMIT = 5.0  # seconds, at the start and at the end, for the figures, and for the run's own row
RECORD_EVERY = 60.0  # seconds between updates of the run's own row in the stores


class Progress(msgspec.Struct):
    """Where a run stands."""

    seconds: float = 0.0
    frontier: FrontierStats | None = None
    collector: CollectorStats | None = None
    sink: SinkStats | None = None
    checkers: Sequence[CheckerStats] = ()
    checked: int = 0  # settled by the frontier, over all its lives

    @property
    def outcomes(self) -> Counter[str]:
        """Outcomes as the checkers' present lives counted them."""
        total: Counter[str] = Counter()
        for checker in self.checkers:
            total.update(checker.outcomes)
        return total

    @property
    def judge_error(self) -> str:
        """Why no checker has a judge, or empty."""
        errors = [checker.judge for checker in self.checkers]
        return errors[0] if errors and all(errors) else ""

    @property
    def rate(self) -> float:
        """Checks a second since the start."""
        return self.checked / self.seconds if self.seconds else 0.0


class Supervisor:
    """Beats: each round wakes actors that came back empty, and looks where everybody stands."""

    def __init__(self, fleet: Fleet, show: Callable[[Progress], None]) -> None:
        self._fleet = fleet
        self._show = show
        self._started = time.monotonic()
        self._started_at = round(time.time(), 6)  # microseconds: what stores keep
        self._record_at = self._started + RECORD_EVERY
        self._acked: dict[int, int] = {}  # incarnation -> settled
        self.progress = Progress()
        self.stopping = asyncio.Event()

    async def run(self, once: bool) -> None:
        """Keep the run going until it is done (`once`) or `stopping` is set."""
        while not self.stopping.is_set():
            await self._unless_stopping(self._beat())
            if once and (self._done() or (self.progress.judge_error and self._settled())):
                return
            await self._unless_stopping(asyncio.sleep(BEAT))

    async def finish(self) -> None:
        """Stop checkers, deliver what they have, and wait until the stores have it all.

        Who does not answer in time is left: what a store lacks waits in the log, and the summary says so.
        """
        stops = [checker.stop.remote() for checker in self._fleet.checkers]
        await within(STOP_LIMIT, asyncio.gather(*stops, return_exceptions=True))
        await within(ANSWER_LIMIT, self._look())
        await self._record()
        await within(STOP_LIMIT, self._fleet.sink.flush.remote(or_fails=True))
        await within(ANSWER_LIMIT, self._look())

    async def _unless_stopping(self, work: Coroutine[Any, Any, None]) -> None:
        """Do `work`, but leave it as soon as the run is to stop."""
        task, stopping = asyncio.create_task(work), asyncio.create_task(self.stopping.wait())
        await asyncio.wait((task, stopping), return_when=asyncio.FIRST_COMPLETED)
        for other in (task, stopping):
            other.cancel()
        await asyncio.gather(stopping, return_exceptions=True)
        if task.done() and not task.cancelled():
            task.result()

    async def _beat(self) -> None:
        """One round; who is just coming back, or waits for its store, is met again in the next one."""
        try:
            # The frontier answers once it has read the first store: while that is down, this says so.
            await within(CALL_LIMIT if self.progress.frontier else ANSWER_LIMIT, self._round())
        except RayActorError as error:
            if error.actor_init_failed:  # it does not come back
                raise
            return
        self._show(self.progress)

    async def _round(self) -> None:
        fleet, progress = self._fleet, self.progress
        await asyncio.gather(*(checker.start.remote() for checker in fleet.checkers))
        progress.sink = await fleet.sink.stats.remote()
        stats = await fleet.frontier.stats.remote()
        await fleet.collector.start.remote(stats.incarnation)
        await self._look()
        if time.monotonic() >= self._record_at:
            self._record_at += RECORD_EVERY
            await self._record()

    async def _look(self) -> None:
        fleet, progress = self._fleet, self.progress
        # The collector before the frontier: once that says "settled", the frontier's figures have its offers.
        progress.collector = await fleet.collector.stats.remote()
        progress.frontier = frontier = await fleet.frontier.stats.remote()
        progress.checkers = await asyncio.gather(*(checker.stats.remote() for checker in fleet.checkers))
        progress.sink = await fleet.sink.stats.remote()
        progress.seconds = time.monotonic() - self._started
        self._acked[frontier.incarnation] = frontier.acked
        progress.checked = sum(self._acked.values())

    async def _record(self) -> None:
        """Put the run's row into the stores, as it is now."""
        progress = self.progress
        if (frontier := progress.frontier) is None:  # it has not begun
            return
        polls = progress.collector.polls if progress.collector else []
        row = (
            self._started_at,
            round(time.time(), 6),
            len(polls),
            sum(1 for poll in polls if poll.error),
            frontier.known,
            progress.checked,
            progress.outcomes["ok"],
            msgspec.json.encode(progress.outcomes).decode(),
        )
        batch = encode_batch([seal(NAME, CYCLES, [row], frontier.incarnation)])
        await within(ANSWER_LIMIT, self._fleet.sink.put.remote(batch))  # a full disk holds up every put

    def _settled(self) -> bool:
        """Every source was polled, and the frontier of this very life knows what they list."""
        collector, frontier = self.progress.collector, self.progress.frontier
        return bool(
            collector and frontier and collector.settled and collector.incarnation == frontier.incarnation
        )

    def _done(self) -> bool:
        frontier = self.progress.frontier
        return self._settled() and frontier is not None and not frontier.due and not frontier.leased


async def within(seconds: float, work: Awaitable[object]) -> None:
    """Wait for `work`, but not longer; then it is cancelled."""
    with suppress(TimeoutError):
        await asyncio.wait_for(work, seconds)
