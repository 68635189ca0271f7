"""The end of a run, with actors that answer as a test wants it."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from eagleray.actors.checker import CheckerStats
from eagleray.actors.collector import CollectorStats
from eagleray.actors.follower import StoreStats
from eagleray.actors.sink import SinkStats, StaleFence
from eagleray.cluster import supervisor as module
from eagleray.cluster.cli.console import Exit
from eagleray.cluster.cli.run import exit_code, summarize
from eagleray.cluster.progress import line
from eagleray.cluster.runner import Finished
from eagleray.cluster.supervisor import Supervisor
from eagleray.cluster.topology import Fleet
from eagleray.pipelines.frontier import Frontier
from eagleray.pipelines.frontier import Stats as FrontierStats

LIMIT = 0.3  # seconds, of those that the end of a run has
ROWS = 100


class Call:
    """A method as Ray has it."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def remote(self, *arguments: Any, **options: Any) -> Any:
        return self._answer(*arguments, **options)


class Actor:
    """Its methods are those of its plain self."""

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        return Call(found) if asyncio.iscoroutinefunction(found) else found


class Sink(Actor):
    """Two stores, `quick` and `slow`; the slow one gets some rows further with every look."""

    def __init__(
        self,
        pace: int = 0,
        failing: str = "",
        silent: bool = False,
        stale: bool = False,
        on_flush: Callable[[], None] = lambda: None,
    ) -> None:
        self.pace, self.failing, self.silent, self.stale = pace, failing, silent, stale
        self.on_flush = on_flush
        self.logged, self.slow = ROWS, 0

    async def stats(self) -> SinkStats:
        if self.silent:
            await asyncio.Event().wait()
        self.slow = min(self.slow + self.pace, self.logged)
        self.logged += 1  # a source is polled again and again: what comes now is not waited for
        stores = {
            "quick": StoreStats(ROWS, self.logged - 1, 0, 0, 1, 0.1, ""),
            "slow": StoreStats(0, self.slow, 0, 0, self.logged - self.slow, 1.0, self.failing),
        }
        return SinkStats(1, ROWS, 0, 0, "", 0, 0, self.logged, stores)

    async def flush(self, or_fails: bool) -> None:
        self.on_flush()
        await asyncio.Event().wait()

    async def put(self, batch: bytes) -> None:
        if self.stale:
            raise StaleFence(1, 2)
        if self.silent:
            await asyncio.Event().wait()


class IdleFrontier(Actor):
    async def stats(self) -> FrontierStats:
        return Frontier(1, hint_size=1, state_size=1, merge=lambda old, _: old, lease_seconds=1.0).stats(0)


class IdleCollector(Actor):
    async def start(self, incarnation: int) -> None:
        pass

    async def stats(self) -> CollectorStats:
        return CollectorStats([], 0, 1, settled=True)


class IdleChecker(Actor):
    def __init__(self, stops: bool = True) -> None:
        self.stops = stops

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        if not self.stops:
            await asyncio.Event().wait()

    async def stats(self) -> CheckerStats:
        return CheckerStats("checker-0", pid=1, judge="", running=0, lag=0.0)


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STOP_LIMIT", "STORES_LIMIT", "ANSWER_LIMIT"):
        monkeypatch.setattr(module, name, LIMIT)
    monkeypatch.setattr(module, "BEAT", 0.01)


def supervised(sink: Sink, checker: IdleChecker | None = None) -> tuple[Supervisor, list[str]]:
    shown: list[str] = []
    fleet = Fleet(sink, IdleFrontier(), IdleCollector(), [], [checker or IdleChecker()])
    return Supervisor(fleet, lambda progress: shown.append(line(progress))), shown


def ended(supervisor: Supervisor) -> tuple[dict[str, Any], Exit]:
    finished = Finished(supervisor.progress, supervisor.stopping.is_set())
    return summarize(supervisor.progress), exit_code(finished)


async def test_the_end_waits_for_a_slow_store_and_shows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STORES_LIMIT", 60.0)
    supervisor, shown = supervised(Sink(pace=10))
    await supervisor.finish()
    summary, code = ended(supervisor)
    assert code is Exit.DONE
    assert [store["behind"] for store in summary["stores"].values()] == ["", ""]
    assert "waits for: store slow: 62 rows left; 60 s more at most" in shown[2]
    assert "quick: " not in shown[2]


async def test_a_store_that_stays_behind_is_told_of() -> None:
    supervisor, _ = supervised(Sink())
    await supervisor.finish()
    summary, code = ended(supervisor)
    assert code is Exit.NOTHING_ALIVE
    assert summary["stores"]["slow"]["behind"].startswith("it did not take them within")
    assert summary["stores"]["quick"]["behind"] == ""
    assert summary["cut_off"] == []


async def test_a_store_that_fails_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STORES_LIMIT", 60.0)
    supervisor, _ = supervised(Sink(failing="no route"))
    await supervisor.finish()
    summary, code = ended(supervisor)
    assert (code, summary["stores"]["slow"]["behind"]) == (Exit.NOTHING_ALIVE, "no route")


async def test_an_interrupt_ends_the_wait_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STORES_LIMIT", 60.0)
    supervisor, _ = supervised(Sink(on_flush=lambda: supervisor.stopping.set()))
    await supervisor.finish()
    summary, code = ended(supervisor)
    assert code is Exit.INTERRUPTED
    assert summary["stores"]["slow"]["behind"] == "the wait for it was interrupted"


async def test_an_interrupted_run_waits_for_its_stores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STOP_LIMIT", 60.0)
    supervisor, _ = supervised(Sink(pace=10))
    supervisor.stopping.set()
    await supervisor.finish()
    summary, code = ended(supervisor)
    assert (code, summary["stores"]["slow"]["behind"]) == (Exit.INTERRUPTED, "")


async def test_who_does_not_answer_at_the_end_is_told_of() -> None:
    supervisor, _ = supervised(Sink(silent=True), IdleChecker(stops=False))
    await supervisor.finish()
    summary, code = ended(supervisor)
    assert code is Exit.NOTHING_ALIVE
    told = "checker-0 " + module.UNDELIVERED, module.OLD_FIGURES, module.OLD_ROW, module.SILENT_SINK
    assert summary["cut_off"] == list(told)


async def test_a_frontier_that_came_back_just_now_does_not_end_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "RECORD_EVERY", 0.0)
    supervisor, shown = supervised(Sink(stale=True))
    await supervisor.run(once=True)
    assert len(shown) == 1
