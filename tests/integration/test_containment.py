"""An error of our own, wherever it is raised, ends one check at most; all others end as they would have."""

import asyncio
import logging
import time
from collections import Counter
from itertools import count

import pytest

import eagleray
from eagleray.actors import checks, faults, judges, trial
from eagleray.actors.net import admission, connection, engine
from eagleray.pipelines.concurrency import Concurrency
from eagleray.pipelines.proxies.check_plan import CheckPlan
from eagleray.pipelines.proxies.model import Candidate
from eagleray.pipelines.proxies.outcome import Outcome
from eagleray.pipelines.proxies.patience import Patience

GOOD, SLOW = 20, 3  # servers of a check
RULES = eagleray.CheckRules(connect_timeout=2.0, timeout=1.0, silence=0.2, confirm_after=0.05)
SECRET = "s3cret"
LIMIT = 30.0  # seconds; nothing of ours waits for so long


class OurOwnError(Exception):
    """What no code expects. Its text may hold a secret."""


def raising_once(monkeypatch, owner, name, after=3):
    """Have a function raise at its call number `after`, and be itself at all others."""
    original, calls = getattr(owner, name), count(1)

    def raising(*args, **kwargs):
        if next(calls) == after:
            raise OurOwnError(SECRET)
        return original(*args, **kwargs)

    monkeypatch.setattr(owner, name, raising)


async def outcomes_of(hostile, **options):
    """Of so many good and so many silent servers; a check that does not end fails the test."""
    candidates: list[Candidate] = [hostile.candidate("good", f"127.8.0.{at}") for at in range(1, GOOD + 1)]
    candidates += [hostile.candidate("silent", f"127.8.1.{at}") for at in range(1, SLOW + 1)]
    ready, counts = hostile.ready, Counter()
    async with asyncio.timeout(LIMIT):
        async for report in eagleray.check(
            candidates, judge=ready.judge, allow=[ready.allow], **{"rules": RULES, **options}
        ):
            counts[report.outcome] += 1
    return counts


@pytest.fixture(autouse=True)
def counted():
    faults.counts.clear()
    return faults.counts


ENDS_ONE_CHECK = {
    "the exchange is made": (trial.Trial, "converse"),
    "the exchange reads": (trial, "probe"),
    "a connection is opened": (engine, "dial"),
    "a handshake is over": (engine.Engine, "_on_handshake"),
    "a connection is made": (connection.Connection, "establish"),
    "bytes come": (engine.Engine, "_receive"),
    "bytes go": (engine.Engine, "_send"),
    "a time is over": (engine.Engine, "_on_deadline"),
    "an attempt is reported": (trial.Trial, "report"),
    "the plan hears of an end": (CheckPlan, "ended"),
    "the plan hears of silence": (CheckPlan, "slow"),
    "a connection is admitted": (admission.Admission, "run"),
    "a place is left": (checks, "settled"),
    "patience learns": (Patience, "served"),
    "a judge is chosen": (judges.JudgePool, "other"),
    "a check begins": (checks, "first_attempt"),
}


@pytest.mark.parametrize(("owner", "name"), ENDS_ONE_CHECK.values(), ids=ENDS_ONE_CHECK)
async def test_one_check_pays(hostile, monkeypatch, counted, caplog, owner, name):
    raising_once(monkeypatch, owner, name)
    counts = await outcomes_of(hostile)
    assert counts[Outcome.INTERNAL_ERROR] == 1
    assert counts.total() == GOOD + SLOW
    assert counts[Outcome.OK] + counts[Outcome.TIMEOUT] == GOOD + SLOW - 1
    assert counted.total() == 1
    [logged] = [record for record in caplog.records if record.name == faults.__name__]
    assert "OurOwnError in raising" in logged.getMessage()
    assert "test_containment.py" in logged.getMessage()
    assert SECRET not in caplog.text


ENDS_NONE = {
    "a tick": (engine.Engine, "_tick"),
    "the lag is felt": (Concurrency, "felt"),
    "a look for checks that don't get on": (checks.Checks, "_look"),
}


@pytest.mark.parametrize(("owner", "name"), ENDS_NONE.values(), ids=ENDS_NONE)
async def test_no_check_pays(hostile, monkeypatch, counted, owner, name):
    raising_once(monkeypatch, owner, name, after=1)
    counts = await outcomes_of(hostile)
    assert counts == {Outcome.OK: GOOD, Outcome.TIMEOUT: SLOW}
    assert counted.total() == 1


async def test_a_judge_is_asked_on(hostile, monkeypatch, counted):
    """Its watch does not end: it is set aside, and used again."""
    monkeypatch.setattr(judges, "SPACING", 0.01)
    raising_once(monkeypatch, judges.Judge, "confirms", after=1)
    counts = await outcomes_of(hostile)
    assert counts == {Outcome.OK: GOOD, Outcome.TIMEOUT: SLOW}
    assert counted.total() == 1


def losing(monkeypatch, owner, name, is_lost):
    """Have a function do nothing where `is_lost` says so."""
    original = getattr(owner, name)
    monkeypatch.setattr(owner, name, lambda *args: None if is_lost(*args) else original(*args))


CALLS = count()
LOST = {
    "an end": (trial.Trial, "ended", lambda trial: trial.host == "127.8.1.1"),
    "each deadline": (engine.Engine, "_on_deadline", lambda _, trial, fd: trial.host == "127.8.1.1"),
    "a place in the line": (engine.Engine, "run", lambda _, trial: trial.host == "127.8.0.1"),
    "a judge's word": (judges.JudgePool, "vouch", lambda *args: next(CALLS) == 0),
    "a judge": (judges.JudgePool, "wait", lambda *args: next(CALLS) == 0),
}


@pytest.mark.parametrize(("owner", "name", "is_lost"), LOST.values(), ids=LOST)
async def test_what_is_lost_ends_anyhow(hostile, monkeypatch, counted, owner, name, is_lost):
    """A check of which nothing more will be heard does not keep a run from ending."""
    losing(monkeypatch, owner, name, is_lost)
    monkeypatch.setattr(f"{__name__}.CALLS", count())
    monkeypatch.setattr(checks, "LONGEST_WAIT", 3.0)
    counts = await outcomes_of(hostile)
    assert counts[Outcome.INTERNAL_ERROR] == 1
    assert counts.total() == GOOD + SLOW
    assert dict(counted) == {"NoEnd": 1}


def test_each_kind_is_logged_once_and_kinds_are_bounded(caplog, counted, monkeypatch):
    monkeypatch.setattr(faults, "MAX_KINDS", 2)
    caplog.set_level(logging.ERROR)
    for error in [KeyError(), KeyError(), ValueError(), TypeError(), OSError()]:
        faults.contain(error)
    assert dict(counted) == {"KeyError": 2, "ValueError": 1, "other": 2}
    assert len(caplog.records) == 3


async def test_a_late_event_loop_gives_nobody_up(hostile, counted):
    """What waits for its time is not lost because the loop has not had a turn since."""
    asyncio.get_running_loop().call_later(0.8, time.sleep, 2.5)  # too short for a standstill
    # The second requests are due within it, later than a look.
    rules = eagleray.CheckRules(connect_timeout=2.0, timeout=5.0, silence=4.0, confirm_after=1.2)
    counts = await outcomes_of(hostile, rules=rules)
    assert counts == {Outcome.OK: GOOD, Outcome.TIMEOUT: SLOW}
    assert dict(counted) == {}
