"""Checking as a library: endpoints in, reports out, in this process and without Ray."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import islice

from eagleray.actors.checks import Checks
from eagleray.actors.daemon import in_daemon_thread
from eagleray.actors.dnsbl import BlockLists, open_block_lists
from eagleray.actors.judges import JudgePool
from eagleray.actors.net.engine import Engine
from eagleray.actors.process import raise_descriptor_limit
from eagleray.actors.tls_target import without_dead_target
from eagleray.pipelines.addresses import Allowed
from eagleray.pipelines.proxies.check_rules import CheckRules
from eagleray.pipelines.proxies.judging import Judge, JudgeError
from eagleray.pipelines.proxies.model import Candidate, CheckReport
from eagleray.pipelines.proxies.parse import Labels, Refusal, parse_lines

MAX_CONCURRENCY = 15_000  # connections at a time: what one event loop serves in time
# For everything but checks: the loop, files, stores, the interpreter; where there are few, a quarter of them.
RESERVED_DESCRIPTORS = 256
FEW = 1_000  # connections at a time: with fewer a long list takes hours
# Checks begun at a time, by how many there is room for: enough to be worth a turn of a thread, few enough for
# the loop, and to leave some of a list's end to other processes.
FEWEST_STARTS, MOST_STARTS = 256, 1024
SLOW_TURN = 0.1  # seconds after which what a slow pipe has given so far is begun


def auto_concurrency() -> int:
    """Connections at a time that descriptors allow; the soft limit is raised to the hard one."""
    descriptors = raise_descriptor_limit()
    return max(16, min(MAX_CONCURRENCY, descriptors - min(RESERVED_DESCRIPTORS, descriptors // 4)))


async def check(
    endpoints: Iterable[str | Candidate],
    *,
    judge: str | Sequence[str],
    allow: Sequence[str] = (),
    rules: CheckRules | None = None,
    concurrency: int | None = None,
    on_judge: Callable[[Judge], None] | None = None,
    on_warning: Callable[[str], None] | None = None,
) -> AsyncIterator[CheckReport]:
    """Check endpoints as fast as they can be: candidates, or texts such as `socks5://user:pass@203.0.113.7:1080`.

    Reports come in the order in which checks end. `endpoints` is read only as fast as checks begin and
    reports are taken, so it may be without end; `concurrency` bounds the connections at a time (by default
    what descriptors allow). Of several judges the first that answers is used, another one for second
    requests; `on_judge` is told which is the first. Where all are down for long, what is left ends as
    `judge_unavailable`. `on_warning` is told why a TLS target or a block list is left out, and what keeps
    this machine from holding more connections.

    Raises:
        JudgeError: no judge answers at the start.
        OSError: the file of certificates can't be read.
        ValueError: a text is no endpoint, `allow` holds what is no network, or `dnsbl` what is no zone.
    """
    allowed = Allowed(allow)
    affordable = auto_concurrency()
    engine = Engine(allowed, concurrency or affordable)
    judges = JudgePool([judge] if isinstance(judge, str) else judge, engine, allowed)
    lists: BlockLists | None = None
    try:
        await judges.start()
        if judges.problem:
            raise JudgeError(judges.problem)
        if on_judge:
            on_judge(judges.judges[0])
        if on_warning and concurrency is None and affordable < FEW:
            on_warning(f"no more than {affordable} connections at a time: raise the hard limit, `ulimit -Hn`")
        found = await without_dead_target(rules or CheckRules(), engine, allowed, on_warning)
        lists = await open_block_lists(found, allowed, on_warning)
        held_back = ""
        async for reports in drain(Checks(engine, judges, found, lists), as_candidates(endpoints)):
            if on_warning and engine.concurrency.reason != held_back:
                held_back = engine.concurrency.reason
                on_warning(f"fewer connections at a time for a while: {held_back}")
            for report in reports:
                yield report
    finally:
        if lists:
            await lists.close()
        await judges.close()
        engine.close()


def as_candidates(endpoints: Iterable[str | Candidate]) -> Iterator[Candidate]:
    """Texts parsed as a line of a list is.

    Raises:
        ValueError: a text is no endpoint.
    """
    for endpoint in endpoints:
        if isinstance(endpoint, Candidate):
            yield endpoint
            continue
        for item in list(parse_lines([endpoint], Labels())) or [Refusal.NOT_AN_ADDRESS]:
            if not isinstance(item, Candidate):
                raise ValueError(f"not an endpoint: {item}")  # the text may hold a password
            yield item


async def drain(checks: Checks, candidates: Iterator[Candidate]) -> AsyncIterator[list[CheckReport]]:
    """Keep as many checks running as there is room for until `candidates` ends; give what reports have come.

    Candidates are pulled in a thread: they may come from a pipe that has nothing to say for a while. Where
    pulling fails, what was pulled before is checked first.
    """
    reports: list[CheckReport] = []
    pulled: deque[Candidate] = deque()
    wake = asyncio.Event()

    def done(report: CheckReport) -> None:
        if not reports:
            wake.set()
        reports.append(report)

    checks.tell_of_room(wake.set)
    pull: asyncio.Task[bool] | None = None
    failure: BaseException | None = None
    more = True
    while more or checks.running or reports:
        if more and pull is None and checks.room > 0:
            most = max(FEWEST_STARTS, min(checks.room, MOST_STARTS))
            pull = asyncio.create_task(in_daemon_thread(partial(pull_turn, candidates, pulled, most)))
            pull.add_done_callback(lambda _: wake.set())
        if not reports:
            with suppress(TimeoutError):
                async with asyncio.timeout(SLOW_TURN if pull else None):
                    await wake.wait()
        wake.clear()
        if pull is not None and pull.done():
            failure = pull.exception()
            more, pull = failure is None and pull.result(), None
        while pulled:
            checks.begin(pulled.popleft(), done)
        if reports:
            given, reports = reports, []
            yield given
    if failure is not None:
        raise failure


def pull_turn(candidates: Iterator[Candidate], pulled: deque[Candidate], most: int) -> bool:
    """Move so many candidates, each at once when it comes; False at their end."""
    count = 0
    for candidate in islice(candidates, most):
        pulled.append(candidate)
        count += 1
    return count == most
