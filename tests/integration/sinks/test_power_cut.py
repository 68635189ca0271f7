"""Faults and power cuts in random order: what was answered for is there, once, and in order."""

import asyncio
import errno
from itertools import pairwise
from random import Random

import pytest

from eagleray.actors.sinks.log import log as log_module
from eagleray.actors.sinks.log.frames import START
from eagleray.actors.sinks.log.log import Fsync, Log
from tests.faulty_disk import LosingDisk

ROUNDS = 40
ERRORS = {"pwrite": errno.ENOSPC, "fdatasync": errno.EIO, "ftruncate": errno.EIO, "fsync": errno.EIO}


async def put_on(
    log: Log, disk: LosingDisk, chance: Random, first: int
) -> tuple[list[int], list[asyncio.Task]]:
    """Append numbered payloads while calls fail now and then: those answered for, and those that wait."""
    answered: list[int] = []

    async def put(number: int) -> None:
        await log.append(b"%d " % number + chance.randbytes(chance.randrange(200)), 1)
        answered.append(number)

    waiting = set()
    for number in range(first, first + chance.randrange(30)):
        if chance.random() < 0.1:
            call = chance.choice(list(ERRORS))
            disk.fail(call, ERRORS[call], chance.randrange(300))
        elif chance.random() < 0.3:
            disk.heal()
        waiting.add(asyncio.create_task(put(number)))
        _, waiting = await asyncio.wait(waiting, timeout=0.002) if chance.random() < 0.7 else ((), waiting)
    return answered, list(waiting)


@pytest.mark.parametrize("fsync", [Fsync.ALWAYS, Fsync.INTERVAL])
@pytest.mark.parametrize("seed", range(3))
async def test_what_was_answered_survives_faults_and_power_cuts(tmp_path, monkeypatch, seed, fsync):
    monkeypatch.setattr(log_module, "RETRY_FIRST", 0.001)
    monkeypatch.setattr(log_module, "RETRY_MOST", 0.002)
    chance = Random(seed)
    directory = tmp_path / "0"
    disk = LosingDisk(monkeypatch, chance, directory)
    answered: list[int] = []
    for turn in range(ROUNDS):
        log = Log.open(directory, fsync, segment_bytes=2000, interval=0.001)
        more, waiting = await put_on(log, disk, chance, turn * 100)
        answered += more
        directory = tmp_path / str(turn + 1)
        disk.cut_power(directory)
        await log.close()
        await asyncio.gather(*waiting, return_exceptions=True)
        disk.heal()
    log = Log.open(directory)
    frames = list(log.read(START))
    await log.close()
    found = [int(frame.payload.split()[0]) for frame in frames]
    assert len(answered) > ROUNDS
    assert set(answered) <= set(found)
    assert found == sorted(set(found))
    assert all(one.next_number <= two.number for one, two in pairwise(frames))
    assert disk.failed.keys() >= {"pwrite", "fdatasync"}
