"""A machine that is short of something: fewer connections at a time, the same verdicts, and a word on it."""

import json
import os
import resource

import pytest

from eagleray.cluster.proving_ground import read_truth, started

DESCRIPTORS = 70  # far below the 200 connections that would be made at once


def run_short():
    """Few descriptors, and one core: there is one process for each, which would share the connections."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])


@pytest.mark.parametrize(
    ("concurrency", "said"),
    [
        ("1000", "fewer connections at a time for a while: no file descriptor left"),
        ("auto", "no more than 53 connections at a time: raise the hard limit"),
    ],
)
def test_few_descriptors_change_no_verdict(eagleray, concurrency, said):
    with started(endpoints=200, seed=5) as ground:
        truth = read_truth(ground.truth)
        words = ["check", ground.everything, f"--judge={ground.judge}", "--allow=127.0.0.0/8", "--all"]
        result = eagleray(
            *words,
            f"--concurrency={concurrency}",
            "--format=ndjson",
            preexec_fn=run_short,
        )
    reports = [json.loads(line) for line in result.stdout.splitlines()]
    assert {each["endpoint"] for each in reports if each["alive"]} == {t.address for t in truth if t.alive}
    assert "local_resource" not in {each["outcome"] for each in reports}
    assert said in result.stderr
