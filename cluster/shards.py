"""A check spread over processes, one a core: an event loop can use no more than one.

Each worker pulls candidates over one pipe whenever it has room, and pushes what came of them over another:
the reports that somebody wants to see, and of the others only how often each outcome came. Workers are
forked before the parent has a loop or threads, and end with it.
"""

import asyncio
import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection
from threading import Thread
from types import TracebackType
from typing import Any

import msgspec
import uvloop

from eagleray.actors.daemon import in_daemon_thread
from eagleray.actors.process import collect_garbage_rarely, end_with_parent
from eagleray.cluster.checking import check
from eagleray.cluster.stock import Stock
from eagleray.pipelines.proxies.judging import JudgeError
from eagleray.pipelines.proxies.model import Candidate, CheckReport

TURN = 256  # candidates handed to a worker at a time
AHEAD = 4_096  # candidates read before somebody pulls them
FLUSH_SECONDS = 0.1  # results wait no longer
RESULTS_AHEAD = 64  # messages of workers that wait to be shown; beyond, they wait in the pipes

fork = multiprocessing.get_context("fork")
_encode = msgspec.msgpack.Encoder().encode
_decode_turn = msgspec.msgpack.Decoder(list[Candidate]).decode


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


class Results(msgspec.Struct, array_like=True):
    """What a worker has to say."""

    reports: list[CheckReport] = []
    others: dict[str, int] = {}  # outcome -> checks whose reports nobody wants
    judge: str = ""  # which one is used; said once
    warning: str = ""  # what is left out of every check, and why
    error: str = ""  # why no judge can be used


_decode_results = msgspec.msgpack.Decoder(Results).decode


class WorkerDied(Exception):
    """Raised when a worker ended before its work did."""


class Worker:
    """The parent's ends of a worker's pipes."""

    def __init__(self, process: Any, pulls: Connection, results: Connection) -> None:
        self.process = process
        self.pulls = pulls
        self.results = results
        self.missing = 0  # candidates that it was handed, and has not told of


class Workers:
    """Processes that check; a context manager, so that none outlives its use."""

    def __init__(self, processes: int, everything: bool, concurrency: int | None, **options: Any) -> None:
        """Fork them. The dead are reported only with `everything`; `options` are those of `check`."""
        share = max(1, concurrency // processes) if concurrency else None
        self._workers = [start(everything, options | {"concurrency": share}) for _ in range(processes)]
        self._stock: Stock[Candidate] = Stock(AHEAD)
        self._failure: Exception | None = None

    def __enter__(self) -> "Workers":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            worker.process.kill()  # it has nothing to put in order
        for worker in self._workers:
            worker.process.join()

    async def check(self, candidates: Iterable[Candidate]) -> AsyncIterator[Results]:
        """Hand out candidates, and give results as they come.

        Raises:
            JudgeError: no judge can be used.
            WorkerDied: a part of the candidates was not checked; all others were.
        """
        results: asyncio.Queue[Results | None] = asyncio.Queue(RESULTS_AHEAD)
        Thread(target=self._read, args=(candidates,), daemon=True).start()
        tasks = [asyncio.create_task(self._hand_out(worker)) for worker in self._workers]
        tasks += [asyncio.create_task(receive_results(worker, results)) for worker in self._workers]
        working = len(self._workers)
        try:
            while working:
                result = await results.get()
                working -= result is None
                if result is not None and result.error:
                    raise JudgeError(result.error)
                if result is not None:
                    yield result
        finally:
            for task in tasks:
                task.cancel()
        if self._failure:
            raise self._failure
        if missing := sum(worker.missing for worker in self._workers):
            raise WorkerDied(f"a process that checks was killed; endpoints not checked: {missing:,}")

    def _read(self, candidates: Iterable[Candidate]) -> None:
        """Fill the stock; where the source fails, what came before is still checked."""
        try:
            self._stock.fill(candidates)
        except Exception as failure:
            self._failure = failure
        self._stock.end()

    async def _hand_out(self, worker: Worker) -> None:
        """Answer a worker's pulls until the source has ended."""
        while await received(worker.pulls) is not None:
            turn = await in_daemon_thread(partial(self._stock.take, TURN))
            worker.missing += len(turn)
            with suppress(OSError):  # it died meanwhile
                worker.pulls.send_bytes(_encode(turn))
            if not turn:
                return


async def received(pipe: Connection) -> bytes | None:
    """The next message, or None once the other end is closed."""
    try:
        return await in_daemon_thread(pipe.recv_bytes)
    except (EOFError, OSError):
        return None


async def receive_results(worker: Worker, results: asyncio.Queue[Results | None]) -> None:
    """Put what a worker says into the queue, and None once it has ended."""
    while (message := await received(worker.results)) is not None:
        result = _decode_results(message)
        worker.missing -= len(result.reports) + sum(result.others.values())
        await results.put(result)
    await results.put(None)


def start(everything: bool, options: dict[str, Any]) -> Worker:
    """Fork a worker."""
    pulls, worker_pulls = fork.Pipe()
    results, worker_results = fork.Pipe(duplex=False)
    process = fork.Process(target=work, args=(worker_pulls, worker_results, everything, options), daemon=True)
    process.start()
    worker_pulls.close()
    worker_results.close()
    return Worker(process, pulls, results)


def work(pulls: Connection, results: Connection, everything: bool, options: dict[str, Any]) -> None:
    """The worker's life. What a terminal sends to all its processes is the parent's business."""
    end_with_parent()
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    collect_garbage_rarely()
    try:
        uvloop.run(Outbox(results, everything).fill(pulled(pulls), options))
    except (EOFError, OSError):  # the parent has gone
        os._exit(1)


def pulled(pulls: Connection) -> Iterator[Candidate]:
    """Candidates as the parent hands them out; blocks."""
    pulls.send_bytes(b"more")
    while turn := _decode_turn(pulls.recv_bytes()):
        pulls.send_bytes(b"more")  # the next ones come while these are checked
        yield from turn


class Outbox:
    """Results on their way to the parent, a batch at a time."""

    def __init__(self, pipe: Connection, everything: bool) -> None:
        self._pipe = pipe
        self._everything = everything
        self._reports: list[CheckReport] = []
        self._others: Counter[str] = Counter()

    async def fill(self, candidates: Iterator[Candidate], options: dict[str, Any]) -> None:
        """Check, and send results until there are no more candidates."""
        flushing = asyncio.create_task(self._flush_by_time())
        try:
            async for report in check(candidates, on_judge=self._say_judge, on_warning=self._warn, **options):
                if report.alive or self._everything:
                    self._reports.append(report)
                else:
                    self._others[report.outcome.value] += 1
            self._flush()
        except JudgeError as error:
            self._send(Results(error=str(error)))
        finally:
            flushing.cancel()

    def _say_judge(self, judge: Any) -> None:
        self._send(Results(judge=f"{judge.url.authority} (kind {judge.kind})"))

    def _warn(self, warning: str) -> None:
        self._send(Results(warning=warning))

    async def _flush_by_time(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            self._flush()

    def _flush(self) -> None:
        if self._reports or self._others:
            self._send(Results(self._reports, dict(self._others)))
            self._reports, self._others = [], Counter()

    def _send(self, results: Results) -> None:
        self._pipe.send_bytes(_encode(results))
