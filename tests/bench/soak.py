"""A long run against hostile servers of every kind, good proxies among them: what does it leave behind?

`python -m tests.bench soak [CHECKS]`. At the end there are as many descriptors as at the start, hardly more
memory than after a tenth of the run, and neither tasks nor timers nor connections.
"""

import asyncio
import gc
import random
import resource
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import eagleray
from eagleray.actors.net.connection import Connection
from eagleray.pipelines.proxies.model import Candidate
from tests.hostile import BEHAVIOURS, Hostile, serving

CHECKS = 200_000
CONCURRENCY = 400  # the servers, in one process, keep up with these
HOSTS = 256  # addresses in use: all of them in the caches by addresses long before the first tenth is over
RULES = eagleray.CheckRules(connect_timeout=2.0, timeout=2.0, silence=0.5, confirm_after=0.05)
PAGE = resource.getpagesize()
MB = 1 << 20


class Soaked(NamedTuple):
    """What a run did, and what it left behind."""

    checks: int
    seconds: float
    cpu: float  # seconds
    outcomes: Counter[str]
    wrong: Counter[str]  # servers that were taken for alive though they are not, or the other way round
    memory_start: float  # MB, as the two below
    memory_tenth: float
    memory_end: float
    descriptors: int  # more than at the start, as the three below
    tasks: int
    timers: int
    connections: int
    complaints: list[str]  # of asyncio and of the interpreter


def candidates(hostile: Hostile, checks: int) -> Iterator[Candidate]:
    """Servers at random, every second one a good proxy."""
    rng = random.Random(1)
    hosts = [f"127.{rng.randint(1, 254)}.{rng.randint(0, 255)}.{rng.randint(1, 254)}" for _ in range(HOSTS)]
    names = list(BEHAVIOURS)
    for at in range(checks):
        yield hostile.candidate("good" if at % 2 else rng.choice(names), rng.choice(hosts))


async def soak(hostile: Hostile, checks: int) -> Soaked:
    """Check so many servers by one engine."""
    loop = asyncio.get_running_loop()
    complaints: list[str] = []
    loop.set_exception_handler(lambda _, context: complaints.append(context["message"]))
    before, memory_start = leftovers(loop), memory()
    outcomes: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    memory_tenth = 0.0
    began, cpu = time.monotonic(), time.process_time()
    async for report in eagleray.check(
        candidates(hostile, checks),
        judge=hostile.ready.judge,
        allow=[hostile.ready.allow],
        rules=RULES,
        concurrency=CONCURRENCY,
    ):
        outcomes[report.outcome] += 1
        behaviour = BEHAVIOURS[hostile.name_of(report.endpoint)]
        wrong[behaviour.name] += report.alive is not behaviour.alive
        if outcomes.total() == checks // 10:
            memory_tenth = memory()
    seconds, cpu = time.monotonic() - began, time.process_time() - cpu
    await asyncio.sleep(0)  # call-backs of what has just ended
    left = [after - start for after, start in zip(leftovers(loop), before, strict=True)]
    memories = (memory_start, memory_tenth, memory())
    return Soaked(outcomes.total(), seconds, cpu, outcomes, +wrong, *memories, *left, complaints)


def leftovers(loop: asyncio.AbstractEventLoop) -> tuple[int, int, int, int]:
    """Descriptors, tasks, timers and connections that there are."""
    gc.collect()
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    timers = sum(not handle.cancelled() for handle in getattr(loop, "_scheduled", ()))
    connections = sum(isinstance(each, Connection) for each in gc.get_objects())
    return descriptors, len(asyncio.all_tasks(loop)), timers, connections


def memory() -> float:
    """Resident memory of this process in MB."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE / MB


def main(checks: int = CHECKS) -> None:
    warnings.simplefilter("error")
    with serving() as hostile:
        soaked = asyncio.run(soak(hostile, checks))
    print(
        f"{soaked.checks:,} checks in {soaked.seconds:.0f} s, {soaked.checks / soaked.seconds:,.0f} checks/s,"
        f" CPU {soaked.cpu / soaked.checks * 1e6:.0f} µs a check"
    )
    print(
        f"memory {soaked.memory_start:.1f} MB at the start, {soaked.memory_tenth:.1f} MB after a tenth,"
        f" {soaked.memory_end:.1f} MB at the end"
    )
    print(
        f"left behind: {soaked.descriptors} descriptors, {soaked.tasks} tasks, {soaked.timers} timers,"
        f" {soaked.connections} connections, {len(soaked.complaints)} complaints"
    )
    print("outcomes: " + ", ".join(f"{name} {count:,}" for name, count in soaked.outcomes.most_common()))
    print("wrong: " + (", ".join(f"{name} {count:,}" for name, count in soaked.wrong.items()) or "none"))
