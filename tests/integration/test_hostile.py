"""The real engine against hostile servers: each ends with its outcome, within bounds, and disturbs nobody."""

import asyncio
import gc
from collections import defaultdict
from pathlib import Path

import pytest

import eagleray
from eagleray.pipelines.proxies.model import Candidate, CheckReport
from eagleray.pipelines.proxies.outcome import Outcome

RULES = eagleray.CheckRules(
    connect_timeout=2.0, timeout=2.5, silence=0.5, confirm_after=0.05, per_host=1000, per_network=1000
)
CROWD = 20  # good proxies strewn among the servers
CONNECTIONS = 8  # four protocols, a confirmation, and what else a full check may ask for
REQUESTS = 4096  # bytes that all attempts of a check send
# Bytes that a server gets rid of on one connection: the longest head and body that are read, and what kernels
# hold on both sides (Linux: 128 KiB to receive, and what the server has set to send).
ANSWER = (16 + 64 + 128 + 64) * 1024


class Checked:
    """One check of all servers, good proxies strewn among them."""

    def __init__(self, hostile) -> None:
        self.reports: dict[str, list[CheckReport]] = defaultdict(list)
        before = hostile.tallies()  # other tests use the same servers
        asyncio.run(self._check(hostile))
        self.tallies = {name: tally - before[name] for name, tally in hostile.tallies().items()}

    async def _check(self, hostile) -> None:
        good = hostile.candidate("good")
        candidates: list[Candidate] = []
        for at, name in enumerate(hostile.behaviours):
            candidates += [hostile.candidate(name), good] if at < CROWD else [hostile.candidate(name)]
        gc.collect()  # what earlier tests have left would go meanwhile
        self.before = descriptors()
        async for report in eagleray.check(
            candidates, judge=hostile.ready.judge, allow=[hostile.ready.allow], rules=RULES
        ):
            self.reports[hostile.name_of(report.endpoint)].append(report)
        gc.collect()
        self.after = descriptors()


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture(scope="module")
def checked(hostile):
    return Checked(hostile)


def test_outcome(checked, behaviour):
    report = checked.reports[behaviour.name][0]
    asked_first = report.protocols[behaviour.protocol]
    assert (asked_first.outcome, report.alive) == (behaviour.outcome, behaviour.alive), asked_first.detail


def test_bounds(checked, behaviour):
    tally, checks = checked.tallies[behaviour.name], len(checked.reports[behaviour.name])
    assert 1 <= tally.connections <= CONNECTIONS * checks
    assert tally.received <= REQUESTS * checks
    assert tally.most_sent <= ANSWER


def test_a_good_proxy_among_them_is_found_each_time(checked):
    outcomes = [report.outcome for report in checked.reports["good"]]
    assert outcomes == [Outcome.OK] * (CROWD + 1)


def test_no_descriptor_is_left(checked):
    assert checked.after == checked.before


async def test_a_crowded_host_delays_nobody_else(hostile, monkeypatch):
    """Silent servers would fill all places; at one address they get one, and wait for each other."""
    monkeypatch.setattr("eagleray.actors.net.admission.is_global", lambda host: True)  # loopback has no limit
    candidates = [hostile.candidate("silent")] * 2 + [hostile.candidate("good", "127.9.0.1")]
    types = frozenset({eagleray.Protocol.HTTP})
    rules = eagleray.CheckRules(types=types, timeout=2.5, silence=0.2, confirm_after=0.01, per_host=1)
    alive = [
        report.alive
        async for report in eagleray.check(
            candidates, judge=hostile.ready.judge, allow=[hostile.ready.allow], rules=rules, concurrency=2
        )
    ]
    assert alive == [True, False, False]
