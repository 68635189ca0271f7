import asyncio
import errno
import logging
import os
import resource
from contextlib import contextmanager
from pathlib import Path

import pytest

from eagleray.actors.sinks import log as log_module
from eagleray.actors.sinks.frames import HEADER, MAX_PAYLOAD, START, Position
from eagleray.actors.sinks.log import AppendFailed, Fsync, Log, LogLocked

PAYLOADS = [b"first", b"", b"\xf5EGL inside", b"fourth" * 100]


@contextmanager
def files_end_at(size: int):
    """Make every write beyond `size` fail, as a full disk does, in this process only."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def no_space(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def payloads(log: Log, position: Position = START) -> list[bytes]:
    return [frame.payload for frame in log.read(position)]


def segments(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.log"))


async def write(directory: Path, *contents: bytes, **options) -> list[Position]:
    """Append one after another, close, and give the position before each frame and behind the last."""
    log = Log.open(directory, **options)
    ends = [log.end]
    for content in contents:
        await log.append(content)
        ends.append(log.end)
    await log.close()
    return ends


@pytest.mark.parametrize("fsync", list(Fsync))
async def test_what_was_appended_is_read_by_the_next_process(tmp_path, fsync):
    ends = await write(tmp_path, *PAYLOADS, fsync=fsync)
    log = Log.open(tmp_path)
    frames = list(log.read(START))
    assert [frame.payload for frame in frames] == PAYLOADS
    assert [frame.number for frame in frames] == [0, 1, 2, 3]
    assert [frame.next for frame in frames] == ends[1:]
    assert payloads(log, ends[2]) == PAYLOADS[2:]
    assert payloads(log, log.end) == []
    await log.close()


async def test_appends_that_wait_share_one_write_and_one_fsync(tmp_path, monkeypatch):
    synced = []
    fdatasync = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda file: (synced.append(file), fdatasync(file)))
    log = Log.open(tmp_path)
    contents = [b"%d" % i for i in range(200)]
    await asyncio.gather(*(log.append(content) for content in contents))
    assert payloads(log) == contents
    assert len(synced) <= 2
    await log.close()


@pytest.mark.parametrize(("fsync", "synced"), [(Fsync.ALWAYS, 1), (Fsync.OS, 0)])
async def test_fsync_policy(tmp_path, monkeypatch, fsync, synced):
    calls = []
    monkeypatch.setattr(os, "fdatasync", calls.append)
    await write(tmp_path, b"payload", fsync=fsync)
    assert len(calls) == synced


async def test_a_cancelled_append_does_not_disturb_the_others(tmp_path):
    log = Log.open(tmp_path)
    tasks = [asyncio.create_task(log.append(b"%d" % i)) for i in range(3)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert results[0] is results[2] is None
    assert isinstance(results[1], asyncio.CancelledError)
    assert payloads(log) == [b"0", b"1", b"2"]
    await log.close()


@pytest.mark.parametrize(
    "tail",
    [b"\xf5", b"\xf5EGL" + b"\x07" * 12, b"\0" * 4096, b"\xf5EGL" * 50, os.urandom(300)],
    ids=["one byte", "half a header", "zeros", "markers", "noise"],
)
async def test_a_torn_tail_is_cut_and_said(tmp_path, caplog, tail):
    ends = await write(tmp_path, *PAYLOADS)
    with segments(tmp_path)[0].open("ab") as file:
        file.write(tail)
    with caplog.at_level(logging.WARNING):
        log = Log.open(tmp_path)
    assert f"cut a torn tail of {len(tail)} bytes" in caplog.text
    assert log.end == ends[-1]
    await log.append(b"after")
    assert payloads(log) == [*PAYLOADS, b"after"]
    assert not log.damaged
    await log.close()


@pytest.mark.parametrize("missing", [1, 100, 600, 600 + HEADER.size - 1])
async def test_half_a_frame_is_cut(tmp_path, missing):
    await write(tmp_path, *PAYLOADS)
    path = segments(tmp_path)[0]
    os.truncate(path, path.stat().st_size - missing)
    log = Log.open(tmp_path)
    assert log.next_number == 3
    await log.append(b"after")
    assert payloads(log) == [*PAYLOADS[:3], b"after"]
    await log.close()


@pytest.mark.parametrize("byte", [0, 4, 8, 11, 12, 20, HEADER.size], ids=lambda byte: f"byte {byte}")
async def test_a_flipped_bit_costs_its_frame_only(tmp_path, caplog, byte):
    ends = await write(tmp_path, *PAYLOADS)
    with segments(tmp_path)[0].open("r+b") as file:
        file.seek(ends[2].offset + byte)
        flipped = file.read(1)[0] ^ 0x10
        file.seek(ends[2].offset + byte)
        file.write(bytes([flipped]))
    log = Log.open(tmp_path)
    assert payloads(log) == payloads(log) == [*PAYLOADS[:2], PAYLOADS[3]]
    assert log.damaged == {ends[2]}
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    await log.close()


async def test_a_damaged_end_of_an_older_segment_is_counted(tmp_path):
    ends = await write(tmp_path, b"one", b"two", b"three", segment_bytes=1)
    os.truncate(segments(tmp_path)[1], 10)
    log = Log.open(tmp_path, segment_bytes=1)
    assert payloads(log) == [b"one", b"three"]
    assert log.damaged == {Position(ends[2].segment, 0)}
    await log.close()


async def test_segments_roll_and_those_that_were_passed_are_deleted(tmp_path):
    contents = [b"%03d" % i for i in range(10)]
    await write(tmp_path, *contents, segment_bytes=3 * (HEADER.size + 3))
    assert [path.stem.lstrip("0") for path in segments(tmp_path)] == ["", "3", "6", "9"]
    log = Log.open(tmp_path)
    assert payloads(log) == contents
    seventh = list(log.read(START))[6].next
    log.forget(seventh)
    assert payloads(log) == contents[6:]
    log.forget(log.end)
    assert payloads(log) == contents[9:]
    assert log.next_number == 10
    await log.close()


async def test_numbers_go_on_behind_an_empty_last_segment(tmp_path):
    await write(tmp_path, b"one", b"two")
    (tmp_path / f"{2:020d}.log").touch()  # a crash between rolling and writing
    (tmp_path / f"{0:020d}.log").unlink()
    await write(tmp_path, b"three")
    log = Log.open(tmp_path)
    assert [(frame.number, frame.payload) for frame in log.read(START)] == [(2, b"three")]
    await log.close()


async def test_a_full_disk_fails_the_append_and_later_ones_work(tmp_path):
    log = Log.open(tmp_path)
    await log.append(b"before")
    size = log.end.offset
    with files_end_at(size + 1000):
        with pytest.raises(AppendFailed, match=r"cannot append to the log in .*: File too large"):
            await log.append(b"x" * 5000)
        assert segments(tmp_path)[0].stat().st_size == size
        await log.append(b"small")
    await log.append(b"y" * 5000)
    assert payloads(log) == [b"before", b"small", b"y" * 5000]
    assert [frame.number for frame in log.read(START)] == [0, 1, 2]
    await log.close()


async def test_no_space_fails_every_append_of_the_group(tmp_path, monkeypatch):
    log = Log.open(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(log_module, "write_at", no_space)
        results = await asyncio.gather(*(log.append(b"x") for _ in range(3)), return_exceptions=True)
    assert [str(result) for result in results] == [
        f"cannot append to the log in {tmp_path}: No space left on device"
    ] * 3
    await log.append(b"after")
    assert payloads(log) == [b"after"]
    await log.close()


async def test_a_full_disk_while_rolling(tmp_path, monkeypatch):
    log = Log.open(tmp_path, segment_bytes=1)
    await log.append(b"one")
    with monkeypatch.context() as patch:
        patch.setattr(log_module, "sync_directory", no_space)
        with pytest.raises(AppendFailed):
            await log.append(b"lost")
    await log.append(b"two")
    assert payloads(log) == [b"one", b"two"]
    await log.close()


async def test_the_second_opener_gets_a_clear_error(tmp_path):
    log = Log.open(tmp_path)
    with pytest.raises(LogLocked, match=r"another process has the log in .* open"):
        Log.open(tmp_path)
    await log.close()
    await Log.open(tmp_path).close()


async def test_a_payload_beyond_the_limit_is_refused(tmp_path):
    log = Log.open(tmp_path)
    with pytest.raises(ValueError, match="exceeds the log's limit"):
        await log.append(bytes(MAX_PAYLOAD + 1))
    assert payloads(log) == []
    await log.close()
