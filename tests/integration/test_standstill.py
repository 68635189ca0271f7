"""A process that stood still is no proxy's fault: what others had closed meanwhile is asked again."""

import asyncio
import json
import os
import signal
import time

import eagleray as library
from eagleray.actors.net import engine
from eagleray.actors.net.direct import Direct
from eagleray.actors.net.engine import STANDSTILL, Engine
from eagleray.pipelines.addresses import Allowed
from eagleray.pipelines.proxies.outcome import Outcome
from tests.hostile import IMPATIENCE, SLOW

STOOD_STILL = STANDSTILL + 0.5  # seconds; meanwhile every impatient server has hung up
RULES = library.CheckRules(connect_timeout=2.0, timeout=3.0, confirm_after=0.05)
PROXIES = 20
assert SLOW + IMPATIENCE < STOOD_STILL


def addresses(hostile):
    port = hostile.ready.ports["impatient"]
    return [f"socks5://127.9.0.{at}:{port}" for at in range(1, PROXIES + 1)]


async def test_an_event_loop_that_stood_still(hostile):
    asyncio.get_running_loop().call_later(SLOW / 2, time.sleep, STOOD_STILL)  # before they say anything
    reports = [
        report
        async for report in library.check(
            addresses(hostile), judge=hostile.ready.judge, allow=[hostile.ready.allow], rules=RULES
        )
    ]
    assert [report.outcome for report in reports] == [Outcome.OK] * PROXIES
    assert max(report.protocols[p].total_ms for report in reports for p in report.working) < STOOD_STILL * 1e3


def test_check_while_it_is_stopped(eagleray, hostile, tmp_path):
    """SIGSTOP, as a suspended laptop or a stalled machine looks to it."""
    (tmp_path / "list.txt").write_text("\n".join(addresses(hostile)))
    judge, before = f"--judge={hostile.ready.judge}", hostile.tallies()["impatient"].connections
    words = ["check", "list.txt", judge, f"--allow={hostile.ready.allow}", "--all", "--format=ndjson"]
    with eagleray.running(*words, "--timeout=3", start_new_session=True) as process:
        while hostile.tallies()["impatient"].connections == before:
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGSTOP)
        time.sleep(STOOD_STILL)
        os.killpg(process.pid, signal.SIGCONT)
        output, complaints = process.communicate(timeout=60)
    reports = [json.loads(line) for line in output.splitlines()]
    assert [report["outcome"] for report in reports] == ["ok"] * PROXIES, complaints
    assert "Traceback" not in complaints


async def test_standing_still_again_and_again_is_said(hostile, monkeypatch):
    """It ends, and blames nobody."""
    monkeypatch.setattr(engine, "STANDSTILL", -1.0)  # every turn comes after a standstill
    nobody = ["127.9.0.1:1"]
    checking = library.check(nobody, judge=hostile.ready.judge, allow=[hostile.ready.allow], rules=RULES)
    [report] = [report async for report in checking]
    assert report.outcome is Outcome.SUSPENDED
    assert "stood still" in next(iter(report.protocols.values())).detail


def stand_still_and_ask(stream):
    """Once the connection is made."""
    asyncio.get_running_loop().call_soon(time.sleep, STOOD_STILL)
    return stream.receive(b"x")


async def test_the_limit_on_connections_does_not_give_way_to_it(hostile):
    """What waited for the process says nothing of its load."""
    host, port = "127.0.0.1", hostile.ready.ports["silent"]
    moving = Engine(Allowed(["127.0.0.0/8"]), 1000)
    try:
        request = await Direct(host, port, 20.0, STOOD_STILL, stand_still_and_ask).run(moving)
        assert request.outcome is Outcome.SUSPENDED
        assert (moving.limit, moving.concurrency.reason) == (1000, "")
    finally:
        moving.close()
