import random
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from eagleray.actors.sink import Sink
from eagleray.actors.sinks.log import Log
from eagleray.actors.sinks.sqlite import SqliteWriter
from tests.integration.sinks.putter import SCHEMA

PUTTER = Path(__file__).with_name("putter.py")
ROUNDS = 15


def put_and_kill(directory: Path, first: int, answers: int, delay: float) -> list[int]:
    """Start the putter, SIGKILL it `delay` seconds after so many answers, and give every answer it got."""
    command = [sys.executable, PUTTER, str(directory), str(first)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as putter:
        assert putter.stdout is not None
        lines = [putter.stdout.readline() for _ in range(answers)]
        time.sleep(delay)  # the point of the kill is random by design
        putter.kill()
        lines += putter.stdout.readlines()
    assert putter.returncode == -9
    return [int(line) for line in lines]


@pytest.mark.timeout(120)
async def test_nothing_answered_is_lost_and_nothing_is_doubled_by_kills(tmp_path):
    chance = random.Random(7)
    answered: list[int] = []
    for turn in range(ROUNDS):
        answers, delay = chance.choice([0, 1, 5, 40]), chance.uniform(0, 0.1)
        answered += put_and_kill(tmp_path, turn * 100_000, answers, delay)

    sink = Sink(Log.open(tmp_path / "log"), [SqliteWriter(tmp_path / "store.sqlite")], SCHEMA)
    await sink.start()
    await sink.flush()
    stats = await sink.stats()
    await sink.close()

    store = sqlite3.connect(tmp_path / "store.sqlite")
    rows = store.execute("SELECT id, note FROM checks").fetchall()
    (state,) = store.execute("SELECT version FROM state").fetchall()
    store.close()
    stored = {id_ for id_, _ in rows}
    assert len(answered) > ROUNDS
    assert {n * 3 + i for n in answered for i in range(3)} <= stored  # nothing is lost
    assert len(rows) == len(stored)  # nothing is doubled
    assert all(note == f"row {id_}" for id_, note in rows)
    assert all(
        {id_ // 3 * 3 + i for i in range(3)} <= stored for id_ in stored
    )  # a batch is whole or not there
    assert state[0] >= max(answered)
    assert stats.damaged == 0
    assert stats.stores["sqlite"].rejected == 0
