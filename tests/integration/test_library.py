"""`import eagleray` as a library."""

import subprocess
import sys

import pytest

import eagleray
from eagleray.cluster.proving_ground import read_truth, running


async def test_check_finds_what_is_alive():
    async with running(endpoints=60, seed=3) as ground:
        truth = read_truth(ground.truth)
        rules = eagleray.CheckRules(connect_timeout=1.5, timeout=3.0)
        reports = [
            report
            async for report in eagleray.check(
                [each.address for each in truth], judge=ground.judge, allow=ground.allow, rules=rules
            )
        ]
    assert {str(r.endpoint) for r in reports if r.alive} == {each.address for each in truth if each.alive}
    assert len(reports) == len(truth)


async def test_text_that_is_no_endpoint_is_an_error_without_its_secret():
    async with running(endpoints=20, seed=3) as ground:
        with pytest.raises(ValueError, match="not an endpoint") as raised:
            async for _ in eagleray.check(["user:secret@example"], judge=ground.judge, allow=ground.allow):
                pass
    assert "secret" not in str(raised.value)


async def test_no_judge_is_an_error():
    with pytest.raises(eagleray.JudgeError, match=r"127\.0\.0\.1"):
        async for _ in eagleray.check(["127.0.0.1:1"], judge="http://127.0.0.1:1/", allow=["127.0.0.0/8"]):
            pass


def test_every_exported_name_is_there():
    for name in eagleray.__all__:
        assert getattr(eagleray, name).__name__ == name


def test_import_costs_nothing():
    code = "import sys, eagleray; print(len([m for m in sys.modules if m.startswith('eagleray.')]))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"0\n"
