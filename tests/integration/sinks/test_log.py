import asyncio
import logging
import os
from pathlib import Path

import pytest

from eagleray.actors.sinks.log import damage
from eagleray.actors.sinks.log.frames import HEADER, MAX_PAYLOAD, MAX_RECORDS, START, Position
from eagleray.actors.sinks.log.log import AppendFailed, Fsync, Log, LogLocked
from eagleray.actors.sinks.log.reader import verify
from tests.faulty_disk import FaultyDisk

PAYLOADS = [b"first", b"", b"\xf5EL2 inside", b"fourth" * 100]
RECORDS = 3  # of each payload


@pytest.fixture
def disk(monkeypatch):
    return FaultyDisk(monkeypatch)


def payloads(log: Log, position: Position = START) -> list[bytes]:
    return [frame.payload for frame in log.read(position)]


def segments(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.log"))


async def write(directory: Path, *contents: bytes, **options) -> list[Position]:
    """Append one after another, close, and give the position before each frame and behind the last."""
    log = Log.open(directory, **options)
    ends = [log.end]
    for content in contents:
        await log.append(content, RECORDS)
        ends.append(log.end)
    await log.close()
    return ends


def flip(path: Path, offset: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        flipped = file.read(1)[0] ^ 0x10
        file.seek(offset)
        file.write(bytes([flipped]))


@pytest.mark.parametrize("fsync", list(Fsync))
async def test_what_was_appended_is_read_by_the_next_process(tmp_path, fsync):
    ends = await write(tmp_path, *PAYLOADS, fsync=fsync)
    log = Log.open(tmp_path)
    frames = list(log.read(START))
    assert [frame.payload for frame in frames] == PAYLOADS
    assert [frame.records for frame in frames] == [RECORDS] * 4
    assert [frame.number for frame in frames] == [0, 3, 6, 9]
    assert [frame.next for frame in frames] == ends[1:]
    assert (log.next_number, log.size) == (12, ends[-1].offset)
    assert payloads(log, ends[2]) == PAYLOADS[2:]
    assert payloads(log, log.end) == []
    await log.close()


async def test_appends_that_wait_share_one_write_and_one_fsync(tmp_path, disk):
    log = Log.open(tmp_path)
    contents = [b"%d" % i for i in range(200)]
    await asyncio.gather(*(log.append(content, 1) for content in contents))
    assert payloads(log) == contents
    assert disk.made["fdatasync"] <= 2
    await log.close()


@pytest.mark.parametrize(("fsync", "synced"), [(Fsync.ALWAYS, 1), (Fsync.INTERVAL, 1), (Fsync.OS, 0)])
async def test_fsync_policy(tmp_path, disk, fsync, synced):
    await write(tmp_path, b"payload", fsync=fsync)
    assert disk.made["fdatasync"] == synced


async def test_what_was_found_at_the_start_is_made_durable(tmp_path, disk):
    await write(tmp_path, b"payload", fsync=Fsync.OS)
    await Log.open(tmp_path).close()
    assert disk.made["fdatasync"] == 1


@pytest.fixture
def clock(monkeypatch):
    """Sets the loop's clock; it does not move on by itself."""

    def show(seconds: float) -> None:
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: seconds)

    return show


@pytest.fixture
def pauses(monkeypatch):
    """How long the log waited for its interval, as soon as it does."""
    begun: asyncio.Queue[float] = asyncio.Queue()
    pause = Log._pause

    async def noted(log: Log, seconds: float) -> None:
        begun.put_nowait(seconds)
        await pause(log, seconds)

    monkeypatch.setattr(Log, "_pause", noted)
    return begun


@pytest.mark.parametrize("now", [0.0, -5.0, 3.0, 1e6], ids=str)
async def test_an_interval_has_one_fsync(tmp_path, disk, clock, pauses, now):
    log = Log.open(tmp_path, Fsync.INTERVAL, interval=1000.0)
    clock(now)
    await log.append(b"the first waits for nobody", 1)
    assert await pauses.get() <= 0
    clock(now + 100)
    appends = [asyncio.create_task(log.append(b"%d" % i, 1)) for i in range(5)]
    assert await pauses.get() == 900
    assert (disk.made["fdatasync"], len(payloads(log))) == (1, 1)
    assert not any(append.done() for append in appends)
    await log.close()  # does not wait for the interval's end, and loses nothing
    await asyncio.gather(*appends)
    assert disk.made["fdatasync"] == 2
    log = Log.open(tmp_path)
    assert payloads(log)[1:] == [b"0", b"1", b"2", b"3", b"4"]
    await log.close()


async def test_intervals_follow_each_other(tmp_path, disk):
    log = Log.open(tmp_path, Fsync.INTERVAL, interval=0.01)
    for i in range(3):
        await log.append(b"%d" % i, 1)
    assert disk.made["fdatasync"] == 3
    await log.close()


async def test_a_cancelled_append_does_not_disturb_the_others(tmp_path):
    log = Log.open(tmp_path)
    tasks = [asyncio.create_task(log.append(b"%d" % i, 1)) for i in range(3)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert results[0] is results[2] is None
    assert isinstance(results[1], asyncio.CancelledError)
    assert {b"0", b"2"} <= set(payloads(log)) <= {b"0", b"1", b"2"}
    await log.close()


@pytest.mark.parametrize(
    "tail",
    [b"\xf5", b"\xf5EL2" + b"\x07" * 12, b"\0" * 4096],
    ids=["one byte", "half a header", "zeros"],
)
async def test_a_torn_tail_is_cut_and_said(tmp_path, caplog, tail):
    ends = await write(tmp_path, *PAYLOADS)
    with segments(tmp_path)[0].open("ab") as file:
        file.write(tail)
    with caplog.at_level(logging.WARNING):
        log = Log.open(tmp_path)
    assert f"cut a torn tail of {len(tail)} bytes" in caplog.text
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    (kept,) = (tmp_path / "damaged").iterdir()
    assert (kept.name, kept.read_bytes()) == (f"0-{ends[-1].offset}.torn", tail)
    assert kept.stat().st_mode & 0o777 == 0o600
    assert log.end == ends[-1]
    assert segments(tmp_path)[0].stat().st_size == log.size == ends[-1].offset
    await log.append(b"after", 1)
    assert payloads(log) == [*PAYLOADS, b"after"]
    assert not log.damaged
    await log.close()


@pytest.mark.parametrize("tail", [b"\xf5EL2" * 50, os.urandom(300) + b"?"], ids=["markers", "noise"])
async def test_a_tail_that_no_write_leaves_is_damage(tmp_path, caplog, tail):
    ends = await write(tmp_path, *PAYLOADS)
    with segments(tmp_path)[0].open("ab") as file:
        file.write(tail)
    log = Log.open(tmp_path)
    assert (log.end, log.damaged) == (ends[-1], {ends[-1]})
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert (tmp_path / "damaged" / f"0-{ends[-1].offset}.bin").read_bytes() == tail
    await log.close()


@pytest.mark.parametrize("missing", [1, 100, 600, 600 + HEADER.size - 1])
async def test_half_a_frame_is_cut(tmp_path, missing):
    await write(tmp_path, *PAYLOADS)
    path = segments(tmp_path)[0]
    os.truncate(path, path.stat().st_size - missing)
    log = Log.open(tmp_path)
    assert log.next_number == 3 * RECORDS
    await log.append(b"after", 1)
    assert payloads(log) == [*PAYLOADS[:3], b"after"]
    await log.close()


@pytest.mark.parametrize("byte", [0, 4, 8, 11, 12, 16, 24, HEADER.size], ids=lambda byte: f"byte {byte}")
async def test_a_flipped_bit_costs_its_frame_only_and_is_set_aside(tmp_path, caplog, byte):
    ends = await write(tmp_path, *PAYLOADS)
    segment = segments(tmp_path)[0]
    flip(segment, ends[2].offset + byte)
    log = Log.open(tmp_path)
    assert payloads(log) == payloads(log) == [*PAYLOADS[:2], PAYLOADS[3]]
    assert log.damaged == {ends[2]}
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    (kept,) = (tmp_path / "damaged").iterdir()
    assert (kept.name, kept.stat().st_mode & 0o777) == (f"0-{ends[2].offset}.bin", 0o600)
    assert kept.read_bytes() == segment.read_bytes()[ends[2].offset : ends[3].offset]
    numbers = [(frame.number, frame.next_number) for frame in log.read(START)]
    assert numbers[2][0] - numbers[1][1] == RECORDS  # a follower sees how many it lost
    await log.close()


@pytest.mark.parametrize("byte", [0, 4, 8, 10, 11, 12, 16, 24, HEADER.size], ids=lambda byte: f"byte {byte}")
async def test_a_damaged_last_frame_may_have_been_answered_for_and_is_kept(tmp_path, caplog, byte):
    ends = await write(tmp_path, *PAYLOADS)
    flip(segments(tmp_path)[0], ends[3].offset + byte)
    assert [flaw.bytes for flaw in verify(tmp_path).flaws] == [HEADER.size + 600]
    log = Log.open(tmp_path)
    assert (log.end, log.damaged) == (ends[3], {ends[3]})
    assert "set aside in" in caplog.text
    assert (tmp_path / "damaged" / f"0-{ends[3].offset}.bin").stat().st_size == HEADER.size + 600
    await log.append(b"after", 1)
    assert payloads(log) == [*PAYLOADS[:3], b"after"]
    await log.close()


async def test_torn_tails_make_room_for_damage(tmp_path, monkeypatch):
    ends = await write(tmp_path, *PAYLOADS)
    monkeypatch.setattr(damage, "KEPT_BYTES", HEADER.size + 600)
    with segments(tmp_path)[0].open("ab") as file:
        file.write(b"\xf5")
    await Log.open(tmp_path).close()
    assert [path.suffix for path in (tmp_path / "damaged").iterdir()] == [".torn"]
    flip(segments(tmp_path)[0], ends[3].offset + HEADER.size)
    await Log.open(tmp_path).close()
    assert [path.suffix for path in (tmp_path / "damaged").iterdir()] == [".bin"]


async def test_damage_that_cannot_be_set_aside_is_still_counted(tmp_path, monkeypatch, caplog):
    ends = await write(tmp_path, *PAYLOADS)
    flip(segments(tmp_path)[0], ends[0].offset)
    monkeypatch.setattr(damage, "KEPT_BYTES", 10)
    log = Log.open(tmp_path)
    assert payloads(log) == PAYLOADS[1:]
    assert len(log.damaged) == 1
    assert "not set aside" in caplog.text
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
    assert [path.stem.lstrip("0") for path in segments(tmp_path)] == ["", "9", "18", "27"]
    log = Log.open(tmp_path)
    assert payloads(log) == contents
    seventh = list(log.read(START))[6].next
    log.forget(seventh)
    assert payloads(log) == contents[6:]
    log.forget(log.end)
    assert payloads(log) == contents[9:]
    assert (log.next_number, log.dropped, log.size) == (10 * RECORDS, 0, HEADER.size + 3)
    await log.close()


async def test_numbers_go_on_behind_an_empty_last_segment(tmp_path):
    await write(tmp_path, b"one", b"two")
    (tmp_path / f"{6:020d}.log").touch()  # a crash between rolling and writing
    (tmp_path / f"{0:020d}.log").unlink()
    await write(tmp_path, b"three")
    log = Log.open(tmp_path)
    assert [(frame.number, frame.payload) for frame in log.read(START)] == [(6, b"three")]
    await log.close()


async def test_other_files_in_the_directory_are_left_alone(tmp_path):
    for name in ("notes.log", "0.log", "segment.new"):
        (tmp_path / name).write_bytes(b"not the log's")
    await write(tmp_path, b"one")
    log = Log.open(tmp_path)
    assert payloads(log) == [b"one"]
    assert (tmp_path / "notes.log").read_bytes() == b"not the log's"
    await log.close()


async def test_files_are_for_their_owner_only(tmp_path):
    await write(tmp_path / "log", b"one")
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o700
    assert segments(tmp_path / "log")[0].stat().st_mode & 0o777 == 0o600


async def test_the_second_opener_gets_a_clear_error(tmp_path):
    log = Log.open(tmp_path)
    with pytest.raises(LogLocked, match=r"another process has the log in .* open"):
        Log.open(tmp_path)
    await log.close()
    await Log.open(tmp_path).close()


@pytest.mark.parametrize(
    ("payload", "records", "message"),
    [
        (bytes(MAX_PAYLOAD + 1), 1, "exceeds the log's limit"),
        (b"x", 0, "has 1 to"),
        (b"x", -1, "has 1 to"),
        (b"x", MAX_RECORDS + 1, "has 1 to"),
    ],
    ids=["too large", "no records", "negative", "too many records"],
)
async def test_what_is_no_payload_is_refused(tmp_path, payload, records, message):
    log = Log.open(tmp_path)
    with pytest.raises(ValueError, match=message):
        await log.append(payload, records)
    assert payloads(log) == []
    await log.close()


async def test_a_closed_log_takes_nothing(tmp_path):
    log = Log.open(tmp_path)
    await log.close()
    with pytest.raises(AppendFailed, match="is closed"):
        await log.append(b"x", 1)
