"""A machine that is short of something: fewer connections at a time, the same verdicts, and a word on it."""

import json
import resource
from functools import partial

from eagleray.cluster.proving_ground import read_truth, started

DESCRIPTORS = 70  # far below the 200 connections that would be made at once


def test_few_descriptors_change_no_verdict(eagleray):
    limits = (DESCRIPTORS, DESCRIPTORS)
    with started(endpoints=200, seed=5) as ground:
        truth = read_truth(ground.truth)
        words = ["check", ground.everything, f"--judge={ground.judge}", "--allow=127.0.0.0/8", "--all"]
        result = eagleray(
            *words,
            "--concurrency=1000",
            "--format=ndjson",
            preexec_fn=partial(resource.setrlimit, resource.RLIMIT_NOFILE, limits),
        )
    reports = [json.loads(line) for line in result.stdout.splitlines()]
    assert {each["endpoint"] for each in reports if each["alive"]} == {t.address for t in truth if t.alive}
    assert "local_resource" not in {each["outcome"] for each in reports}
    assert "fewer connections at a time for a while: no file descriptor left" in result.stderr
