"""When segments go although a store has not taken them."""

import os
import time

import pytest

from eagleray.actors.sinks.log.frames import HEADER, START
from eagleray.actors.sinks.log.log import Log

RECORDS = 10
FRAME = HEADER.size + 8


async def fill(log: Log, first: int, behind: int) -> None:
    for i in range(first, behind):
        await log.append(b"%08d" % i, RECORDS)


def numbers(log: Log) -> list[int]:
    return [frame.number for frame in log.read(START)]


async def test_the_oldest_segments_go_beyond_so_many_bytes(tmp_path, caplog):
    log = Log.open(tmp_path, segment_bytes=1, max_bytes=3 * FRAME)
    await fill(log, 0, 3)
    assert (log.size, log.dropped) == (3 * FRAME, 0)
    await fill(log, 3, 6)
    # The bound is looked at before a write: one group may be above it.
    assert numbers(log) == [20, 30, 40, 50]
    assert (log.size, log.dropped) == (4 * FRAME, 20)
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
    assert "dropped 10 records that a store has not taken: the log exceeds max_bytes" in caplog.text
    await log.close()


async def test_the_oldest_segments_go_after_so_many_seconds(tmp_path, caplog):
    log = Log.open(tmp_path, segment_bytes=1, max_age=3600.0)
    await fill(log, 0, 3)
    for path in sorted(tmp_path.glob("*.log"))[:2]:
        os.utime(path, (0, time.time() - 3601))
    await fill(log, 3, 4)
    assert numbers(log) == [20, 30]
    assert log.dropped == 2 * RECORDS
    assert "older than max_age (3600 s)" in caplog.text
    await log.close()


async def test_the_last_segment_never_goes(tmp_path):
    log = Log.open(tmp_path, max_bytes=1, max_age=1.0)
    await fill(log, 0, 2)
    for path in tmp_path.glob("*.log"):
        os.utime(path, (0, 0))
    await fill(log, 2, 3)
    assert numbers(log) == [0, 10, 20]
    assert log.dropped == 0
    await log.close()


async def test_who_was_left_behind_goes_on_with_the_oldest_that_is_there(tmp_path):
    log = Log.open(tmp_path, segment_bytes=1, max_bytes=FRAME)
    await fill(log, 0, 1)
    (frame,) = log.read(START)
    await fill(log, 1, 5)
    ahead = next(log.read(frame.next))
    assert ahead.number - frame.next_number == log.dropped - RECORDS == 20
    await log.close()


async def test_a_reader_is_not_disturbed_by_what_goes_meanwhile(tmp_path):
    log = Log.open(tmp_path, segment_bytes=1)
    await fill(log, 0, 5)
    reading = log.read(START)
    assert next(reading).number == 0
    log.forget(log.end)
    assert [frame.number for frame in reading] == [40]
    await log.close()


@pytest.mark.parametrize("gone", [0, 1], ids=["oldest", "another one"])
async def test_a_segment_that_somebody_deleted_holds_up_nothing(tmp_path, gone):
    log = Log.open(tmp_path, segment_bytes=1, max_bytes=2 * FRAME, max_age=3600.0)
    await fill(log, 0, 2)
    sorted(tmp_path.glob("*.log"))[gone].unlink()
    await fill(log, 2, 4)
    assert numbers(log)[-2:] == [20, 30]
    await log.close()
