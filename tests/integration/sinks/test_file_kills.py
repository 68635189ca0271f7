import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from eagleray.actors.sink import Sink
from eagleray.actors.sinks.base import Schema
from eagleray.actors.sinks.log.log import Log
from tests import file_contents
from tests.integration.sinks.file_putter import EVENTS, STATE, stores

HERE = Path(__file__).parent
ROUNDS = 8


@pytest.mark.parametrize("kind", ["ndjson", "parquet"])
def test_every_row_is_there_once_wherever_a_process_ended(kind, tmp_path):
    command = [sys.executable, HERE / "crash_points.py", kind, tmp_path]
    steps = int(subprocess.run(command, capture_output=True, check=True, timeout=100).stdout)
    assert steps > 25
    for step in range(steps):
        events = file_contents.rows(tmp_path / str(step), kind, EVENTS)
        assert [row[0] for row in events] == list(range(10)), step
        assert file_contents.rows(tmp_path / str(step), kind, STATE) == [["host", 9]]
        assert len(file_contents.files(tmp_path / str(step), kind, EVENTS)) == 2, step


def put_and_kill(directory: Path, first: int, answers: int, delay: float) -> list[int]:
    """Start the putter, SIGKILL it `delay` seconds after so many answers, and give every answer it got."""
    command = [sys.executable, HERE / "file_putter.py", directory, str(first)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as putter:
        assert putter.stdout is not None
        lines = [putter.stdout.readline() for _ in range(answers)]
        time.sleep(delay)  # the point of the kill is random by design
        putter.kill()
        lines += putter.stdout.readlines()
    assert putter.returncode == -9
    return [int(line) for line in lines]


async def test_nothing_answered_is_lost_and_nothing_is_doubled_by_kills(tmp_path):
    chance = random.Random(8)
    answered: list[int] = []
    for turn in range(ROUNDS):
        answers, delay = chance.choice([1, 10, 40]), chance.uniform(0, 0.2)
        answered += put_and_kill(tmp_path, turn * 100_000, answers, delay)

    sink = Sink(Log.open(tmp_path / "log"), stores(tmp_path), Schema("test", (EVENTS, STATE), {}))
    await sink.start()
    await sink.flush()
    await sink.close()
    for kind in ("ndjson", "parquet"):
        stored = [row[0] for row in file_contents.rows(tmp_path / "lake", kind, EVENTS)]
        assert len(stored) == len(set(stored))  # nothing is doubled
        assert {n * 3 + i for n in answered for i in range(3)} <= set(stored)  # nothing is lost
        [(_, newest)] = file_contents.rows(tmp_path / "lake", kind, STATE)
        assert newest >= max(answered)
