"""Keeps the actors working, tells how far they are, and ends the run: done, interrupted, or not able to."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

import msgspec
from ray.exceptions import RayActorError, RayError

from eagleray.actors.ray_classes import checker_name
from eagleray.actors.sink import StaleFence
from eagleray.cluster.figures import Progress
from eagleray.cluster.topology import Fleet
from eagleray.pipelines.frontier import Stats as FrontierStats
from eagleray.pipelines.proxies.pipeline import NAME
from eagleray.pipelines.proxies.tables import CYCLES
from eagleray.pipelines.tables import encode_batch, seal

BEAT = 0.25  # seconds between rounds: an actor that was killed is back at work that much after it is back
CALL_LIMIT = 60.0  # seconds for one round of answers; an actor's restart and recovery fit
STOP_LIMIT = 15.0  # seconds at the end for checkers to deliver, and after an interrupt for the stores
STORES_LIMIT = 45.0  # seconds at the end for the stores: one that is silent is seen to fail after 20 or 30
ANSWER_LIMIT = 5.0  # seconds, at the start and at the end, for the figures, and for the run's own row
RECORD_EVERY = 60.0  # seconds between updates of the run's own row in the stores

UNDELIVERED = (
    f"did not stop within {STOP_LIMIT:.0f} s: what it had not delivered is checked again by the next run"
)
OLD_FIGURES = f"an actor did not answer within {ANSWER_LIMIT:.0f} s at the end: the figures are from before"
OLD_ROW = f"the run's row in the stores was not brought up to date within {ANSWER_LIMIT:.0f} s at the end"
SILENT_SINK = "the sink does not answer: how far the stores are is not known"


class Supervisor:
    """Beats: each round wakes actors that came back empty, and looks where everybody stands."""

    def __init__(self, fleet: Fleet, show: Callable[[Progress], None]) -> None:
        self._fleet = fleet
        self._show = show
        self._started = time.monotonic()
        self._started_at = round(time.time(), 6)  # microseconds: what stores keep
        self._record_at = self._started + RECORD_EVERY
        self._logged: int | None = None  # rows in the log when the end began
        self._lacks: dict[str, int] = {}  # store -> how many of them it lacks
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
        stops = [
            self._or_cut_off(STOP_LIMIT, checker.stop.remote(), f"{checker_name(number)} {UNDELIVERED}")
            for number, checker in enumerate(self._fleet.checkers)
        ]
        await asyncio.gather(*stops)
        await self._or_cut_off(ANSWER_LIMIT, self._look(), OLD_FIGURES)
        await self._or_cut_off(ANSWER_LIMIT, self._record(), OLD_ROW)
        hurry = asyncio.create_task(within(STORES_LIMIT, self._fleet.sink.flush.remote(or_fails=True)))
        await self._drain()
        hurry.cancel()
        await asyncio.gather(hurry, return_exceptions=True)
        self.progress.seconds = time.monotonic() - self._started

    async def _or_cut_off(self, seconds: float, work: Awaitable[object], otherwise: str) -> None:
        """Wait for `work`; where it fails or takes longer, `otherwise` goes into the summary."""
        try:
            done = await within(seconds, work)
        except RayError:
            done = False
        if not done:
            self.progress.cut_off.append(otherwise)

    async def _drain(self) -> None:
        """Wait until each store has what is in the log by now, or fails; at most until an interrupt."""
        progress, before = self.progress, self.stopping.is_set()
        limit = STOP_LIMIT if before else STORES_LIMIT
        deadline, why = time.monotonic() + limit, f"it did not take them within {limit:.0f} s"
        while (left := deadline - time.monotonic()) > 0 and await self._stores_are_busy(left):
            if self.stopping.is_set() and not before:
                why = "the wait for it was interrupted"
                break
            progress.waits = waiting(self._lacks, left)
            self._show(progress)
            await asyncio.sleep(BEAT)
        progress.waits = ""
        stores = progress.sink.stores if progress.sink else {}
        progress.behind = {name: stores[name].failing or why for name in self._lacks}
        if self._logged is None:
            progress.cut_off.append(SILENT_SINK)

    async def _stores_are_busy(self, seconds: float) -> bool:
        """Whether a store that does not fail lacks rows which were in the log when this was asked first."""
        answered = await within(min(seconds, ANSWER_LIMIT), self._look_at_sink())
        sink = self.progress.sink
        if not answered or sink is None:
            return True
        self._logged = sink.logged if self._logged is None else self._logged
        self._lacks = self.progress.lacks(self._logged)
        return not all(sink.stores[name].failing for name in self._lacks)

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
        await self._look_at_sink()
        progress.frontier = await self._frontier()  # first: before there are checks
        await asyncio.gather(*(checker.start.remote() for checker in fleet.checkers))
        await fleet.collector.start.remote(progress.frontier.incarnation)
        await self._look()
        if time.monotonic() >= self._record_at:
            self._record_at += RECORD_EVERY
            with suppress(StaleFence):  # the frontier has a new life, whose figures are in the next one
                await within(ANSWER_LIMIT, self._record())  # a full disk holds up every put

    async def _look(self) -> None:
        fleet, progress = self._fleet, self.progress
        # The collector before the frontier: once that says "settled", the frontier's figures have its offers.
        progress.collector = await fleet.collector.stats.remote()
        progress.frontier = await self._frontier()
        progress.checkers = await asyncio.gather(*(checker.stats.remote() for checker in fleet.checkers))
        await self._look_at_sink()
        progress.seconds = time.monotonic() - self._started

    async def _frontier(self) -> FrontierStats:
        """The frontier's figures; the first ones tell what is not this run's."""
        stats: FrontierStats = await self._fleet.frontier.stats.remote()
        if self.progress.recorded_before is None:
            self.progress.recorded_before = stats.recorded
        return stats

    async def _look_at_sink(self) -> None:
        progress = self.progress
        progress.sink = sink = await self._fleet.sink.stats.remote()
        if not progress.passed_before:
            progress.passed_before = {name: store.passed - store.rows for name, store in sink.stores.items()}

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
            progress.alive,
            msgspec.json.encode(progress.outcomes).decode(),
        )
        batch = encode_batch([seal(NAME, CYCLES, [row], frontier.incarnation)])
        await self._fleet.sink.put.remote(batch)

    def _settled(self) -> bool:
        """Every source was polled, and the frontier of this very life knows what they list."""
        collector, frontier = self.progress.collector, self.progress.frontier
        return bool(
            collector and frontier and collector.settled and collector.incarnation == frontier.incarnation
        )

    def _done(self) -> bool:
        frontier = self.progress.frontier
        return self._settled() and frontier is not None and not frontier.due and not frontier.leased


def waiting(lacks: dict[str, int], seconds: float) -> str:
    """What the end of a run waits for."""
    stores = ", ".join(f"store {name}: {rows:,} rows left" for name, rows in lacks.items())
    return f"{stores or 'the sink does not answer'}; {seconds:.0f} s more at most"


async def within(seconds: float, work: Awaitable[object]) -> bool:
    """Wait for `work`, but not longer; then it is cancelled. True where it came to its end."""
    try:
        await asyncio.wait_for(work, seconds)
    except TimeoutError:
        return False
    return True
