"""Each fault of the file system and its defined end: the table in docs/DURABILITY.md."""

import asyncio
import errno
import logging
import os
import resource
from contextlib import contextmanager
from pathlib import Path

import pytest

from eagleray.actors.sinks.log import log as log_module
from eagleray.actors.sinks.log.frames import HEADER, MARKER, START, Position
from eagleray.actors.sinks.log.log import AppendFailed, Fsync, Log
from eagleray.actors.sinks.log.reader import verify
from tests.faulty_disk import FaultyDisk


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch):
    monkeypatch.setattr(log_module, "RETRY_FIRST", 0.002)
    monkeypatch.setattr(log_module, "RETRY_MOST", 0.01)


@pytest.fixture
def disk(monkeypatch):
    return FaultyDisk(monkeypatch)


@contextmanager
def files_end_at(size: int):
    """Make every write beyond `size` fail, as a full disk does, in this process only."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def until(condition) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 (what it waits for has no event)
            await asyncio.sleep(0.001)


def payloads(log: Log, position: Position = START) -> list[bytes]:
    return [frame.payload for frame in log.read(position)]


def sizes(directory: Path) -> list[int]:
    return [path.stat().st_size for path in sorted(directory.glob("*.log"))]


async def reopened(directory: Path) -> list[bytes]:
    """What the next process finds, which must be sound."""
    assert verify(directory).flaws == []
    log = Log.open(directory)
    found = payloads(log)
    assert not log.damaged
    numbers = [frame.number for frame in log.read(START)]
    assert numbers == sorted(set(numbers))
    await log.close()
    return found


async def test_short_writes_are_continued(tmp_path, disk):
    disk.take_in_parts(7)
    log = Log.open(tmp_path)
    await asyncio.gather(log.append(b"one" * 10, 1), log.append(b"two" * 10, 1))
    assert disk.made["pwrite"] > 10
    await log.close()
    assert await reopened(tmp_path) == [b"one" * 10, b"two" * 10]


# Where each fault is put; opening and fsync of the directory belong to a new segment.
FAULTS = {
    "write ENOSPC": ("pwrite", errno.ENOSPC),
    "write EDQUOT": ("pwrite", errno.EDQUOT),
    "write EIO": ("pwrite", errno.EIO),
    "write EROFS": ("pwrite", errno.EROFS),
    "fsync EIO": ("fdatasync", errno.EIO),
    "fsync ENOSPC": ("fdatasync", errno.ENOSPC),
    "create ENOSPC": ("open", errno.ENOSPC),
    "rename EROFS": ("replace", errno.EROFS),
    "fsync of the directory EIO": ("fsync", errno.EIO),
}


@pytest.mark.parametrize(("call", "error"), FAULTS.values(), ids=FAULTS)
async def test_a_fault_blocks_intake_until_it_is_gone(tmp_path, disk, caplog, call, error):
    log = Log.open(tmp_path, segment_bytes=1)  # each group begins a segment
    await log.append(b"before", 1)
    disk.fail(call, error)
    with caplog.at_level(logging.INFO):
        appends = [asyncio.create_task(log.append(b"%d" % i, 2)) for i in range(3)]
        await until(lambda: disk.failed[call] >= 3)  # tried again, and again
        assert log.blocked == f"cannot append to the log in {tmp_path}: {os.strerror(error)}"
        assert not any(append.done() for append in appends)
        assert payloads(log) == [b"before"]
        assert (log.next_number, log.size) == (1, HEADER.size + 6)
        disk.heal()
        await asyncio.gather(*appends)
    assert log.blocked == ""
    assert payloads(log) == [b"before", b"0", b"1", b"2"]
    assert [frame.number for frame in log.read(START)] == [0, 1, 3, 5]
    levels = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert levels == [
        (
            "ERROR",
            f"log {tmp_path}: cannot append, intake waits until the disk takes more: {os.strerror(error)}",
        ),
        ("WARNING", f"log {tmp_path}: appends again"),
    ]
    await log.close()
    assert await reopened(tmp_path) == [b"before", b"0", b"1", b"2"]


@pytest.mark.parametrize(("call", "error"), FAULTS.values(), ids=FAULTS)
async def test_closing_a_blocked_log_fails_those_who_wait(tmp_path, disk, call, error):
    log = Log.open(tmp_path, segment_bytes=1)
    await log.append(b"answered", 1)
    disk.fail(call, error)
    appends = [asyncio.create_task(log.append(b"%d" % i, 1)) for i in range(3)]
    await until(lambda: log.blocked)
    await log.close()
    results = await asyncio.gather(*appends, return_exceptions=True)
    assert [(type(result), str(result)) for result in results] == [(AppendFailed, log.blocked)] * 3
    disk.heal()
    assert await reopened(tmp_path) == [b"answered"]


async def test_a_part_that_was_written_is_cut_off_again(tmp_path, disk):
    log = Log.open(tmp_path)
    await log.append(b"before", 1)
    disk.fail("pwrite", errno.ENOSPC, room=50)
    append = asyncio.create_task(log.append(b"x" * 60, 1))
    await until(lambda: log.blocked)
    assert set(sizes(tmp_path)) <= {HEADER.size + 6, 0}
    disk.heal()
    await append
    await log.close()
    assert await reopened(tmp_path) == [b"before", b"x" * 60]


async def test_after_a_failed_fsync_the_group_is_written_into_a_new_segment(tmp_path, disk):
    log = Log.open(tmp_path)
    await log.append(b"before", 1)
    disk.fail("fdatasync", errno.EIO)
    append = asyncio.create_task(log.append(b"again", 1))
    await until(lambda: disk.failed["fdatasync"] >= 1)
    disk.heal()
    await append
    assert [path.stem for path in sorted(tmp_path.glob("*.log"))] == [f"{0:020d}", f"{1:020d}"]
    assert sizes(tmp_path) == [HEADER.size + 6, HEADER.size + 5]
    await log.close()
    assert await reopened(tmp_path) == [b"before", b"again"]


@pytest.mark.parametrize(
    "written", [10, HEADER.size + 5, HEADER.size + 20, 1000], ids=["a part", "a frame", "more", "all"]
)
async def test_a_tail_that_cannot_be_cut_off_is_read_by_nobody(tmp_path, disk, written):
    """What stays is a part of a frame, a frame and a part, or all of the group that is written again."""
    log = Log.open(tmp_path)
    await log.append(b"before", 1)
    behind = log.end
    disk.fail("ftruncate", errno.EIO)
    disk.fail("pwrite" if written < 1000 else "fdatasync", errno.EIO, room=written)
    appends = [asyncio.create_task(log.append(content, 1)) for content in (b"again", b"more", b"and more")]
    await until(lambda: log.blocked)
    disk.heal("pwrite", "fdatasync")
    await asyncio.gather(*appends)
    assert sizes(tmp_path)[0] > behind.offset  # the tail is there
    for position in (START, behind):
        assert payloads(log, position)[-3:] == [b"again", b"more", b"and more"]
    await log.close()
    assert await reopened(tmp_path) == [b"before", b"again", b"more", b"and more"]
    log = Log.open(tmp_path)
    assert payloads(log, behind) == [b"again", b"more", b"and more"]  # where a cursor may stand
    assert not log.damaged
    await log.close()


async def test_the_first_group_of_a_segment_may_fail_and_tails_may_stay(tmp_path, disk):
    log = Log.open(tmp_path)
    disk.fail("ftruncate", errno.EIO)
    disk.fail("fdatasync", errno.EIO)
    appends = [asyncio.create_task(log.append(b"%d" % i, 1)) for i in range(2)]
    await until(lambda: disk.failed["fdatasync"] >= 2)
    appends.pop(0).cancel()  # so that the group which succeeds is another one
    disk.heal("fdatasync")
    await asyncio.gather(*appends)
    await log.close()
    assert await reopened(tmp_path) in ([b"1"], [b"0", b"1"])


async def test_a_crash_while_blocked_loses_nothing_that_was_answered(tmp_path, disk):
    log = Log.open(tmp_path)
    await log.append(b"answered", 1)
    disk.fail("ftruncate", errno.EIO)
    disk.fail("fdatasync", errno.EIO)
    append = asyncio.create_task(log.append(b"not answered", 1))
    await until(lambda: log.blocked)
    copy = tmp_path / "as the crash left it"
    copy.mkdir()
    for path in tmp_path.glob("*.log"):
        (copy / path.name).write_bytes(path.read_bytes())
    await log.close()
    await asyncio.gather(append, return_exceptions=True)
    disk.heal()
    assert (await reopened(copy))[0] == b"answered"


async def test_who_gives_up_waiting_takes_no_memory(tmp_path, disk):
    log = Log.open(tmp_path)
    disk.fail("pwrite", errno.ENOSPC)
    for i in range(100):
        append = asyncio.create_task(log.append(b"%d" % i, 1))
        await until(lambda: log.blocked)
        append.cancel()
        await asyncio.gather(append, return_exceptions=True)
    assert len(log._waiting) + len(log._writing) <= 2
    disk.heal()
    await log.append(b"after", 1)
    assert b"after" in payloads(log)
    await log.close()


async def test_a_segment_that_cannot_be_deleted_is_tried_again(tmp_path, disk, caplog):
    log = Log.open(tmp_path, segment_bytes=1)
    for i in range(3):
        await log.append(b"%d" % i, 1)
    disk.fail("unlink", errno.EIO)
    for _ in range(2):
        log.forget(log.end)
    assert payloads(log) == [b"0", b"1", b"2"]
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    disk.heal()
    log.forget(log.end)
    assert payloads(log) == [b"2"]
    await log.close()


async def test_a_file_that_may_not_grow_is_a_full_disk(tmp_path):
    log = Log.open(tmp_path)
    await log.append(b"before", 1)
    with files_end_at(1000):
        append = asyncio.create_task(log.append(b"x" * 5000, 1))
        await until(lambda: log.blocked)
        assert log.blocked.endswith("File too large")
    await append
    assert payloads(log) == [b"before", b"x" * 5000]
    await log.close()


async def test_with_interval_a_failed_fsync_answers_nobody(tmp_path, disk):
    log = Log.open(tmp_path, Fsync.INTERVAL, interval=0.002)
    disk.fail("fdatasync", errno.EIO)
    append = asyncio.create_task(log.append(b"payload", 1))
    await until(lambda: disk.failed["fdatasync"] >= 2)
    assert not append.done()
    disk.heal()
    await append
    await log.close()
    assert await reopened(tmp_path) == [b"payload"]


async def test_a_start_on_a_disk_that_takes_nothing_says_why(tmp_path, disk):
    log = Log.open(tmp_path)
    await log.append(b"answered", 1)
    await log.close()
    with next(tmp_path.glob("*.log")).open("ab") as file:
        file.write(MARKER)
    disk.fail("ftruncate", errno.EROFS)
    with pytest.raises(OSError, match="Read-only file system"):
        Log.open(tmp_path)
    disk.heal()
    assert await reopened(tmp_path) == [b"answered"]


async def test_an_error_of_another_kind_leaves_nobody_waiting_for_ever(tmp_path, monkeypatch):
    log = Log.open(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("eagleray.actors.sinks.log.appender.encode", lambda *_: 1 / 0)
        append = asyncio.create_task(log.append(b"payload", 1))
        await until(lambda: log.blocked)
        assert log.blocked.endswith("ZeroDivisionError")
    await append
    assert payloads(log) == [b"payload"]
    await log.close()
