"""Reading a log without its lock."""

import os
import time
from pathlib import Path

import msgspec
import pytest

from eagleray.actors.sinks.base import Cursor
from eagleray.actors.sinks.log.frames import HEADER, START, Damage, Frame, Position, encode
from eagleray.actors.sinks.log.log import Log
from eagleray.actors.sinks.log.reader import Flaw, LogMissing, inspect, read_log, verify

FRAME = HEADER.size + 3
TWO_EACH = FRAME + 1  # segment_bytes with which two frames make a segment


@pytest.fixture
async def log(tmp_path):
    """An open log of six frames with ten records each, two to a segment."""
    log = Log.open(tmp_path, segment_bytes=TWO_EACH)
    for i in range(6):
        await log.append(b"%03d" % i, 10)
    yield log
    await log.close()


def segment(directory: Path, index: int) -> Path:
    return sorted(directory.glob("*.log"))[index]


def zero(path: Path, offset: int, size: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(bytes(size))


def flaws(directory: Path) -> list[tuple[int, int, int, int | None]]:
    return [msgspec.structs.astuple(flaw) for flaw in verify(directory).flaws]


async def test_every_frame_is_read_while_the_log_is_in_use(log, tmp_path):
    assert [frame.number for frame in read_log(tmp_path)] == [0, 10, 20, 30, 40, 50]
    third = list(log.read(START))[2].start
    assert [frame.number for frame in read_log(tmp_path, third)] == [20, 30, 40, 50]
    verdict = verify(tmp_path)
    assert (verdict.segments, verdict.frames, verdict.records, verdict.tail) == (3, 6, 60, 0)
    assert verdict.flaws == []


async def test_an_unfinished_frame_at_the_end_is_no_damage(log, tmp_path):
    with segment(tmp_path, 2).open("ab") as file:
        file.write(encode(b"0123456789", 1, 60, 0.0)[:30])
    verdict = verify(tmp_path)
    assert (verdict.frames, verdict.tail, verdict.flaws) == (6, 30, [])
    assert inspect(tmp_path).tail == 30
    *frames, tail = read_log(tmp_path)
    assert all(isinstance(frame, Frame) for frame in frames)
    assert tail == Damage(Position(40, 2 * FRAME), 30, torn=True)


@pytest.mark.parametrize(
    ("index", "offset", "size", "expected"),
    [
        (0, 0, 1, [(0, 0, FRAME, 10)]),
        (0, FRAME + 5, 1, [(0, FRAME, FRAME, 10)]),
        (1, 0, 2 * FRAME, [(20, 0, 2 * FRAME, 20)]),
        (2, FRAME + HEADER.size, 1, [(40, FRAME, FRAME, None)]),
    ],
    ids=["first", "last of a segment", "a whole segment", "last of all"],
)
async def test_each_damaged_place_is_named(log, tmp_path, index, offset, size, expected):
    zero(segment(tmp_path, index), offset, size)
    assert flaws(tmp_path) == expected


async def test_damage_at_both_sides_of_a_boundary_is_told_apart(log, tmp_path):
    zero(segment(tmp_path, 0), FRAME, 1)
    zero(segment(tmp_path, 1), 0, 1)
    assert flaws(tmp_path) == [(0, FRAME, FRAME, 10), (20, 0, FRAME, 10)]


async def test_a_missing_segment_is_named(log, tmp_path):
    segment(tmp_path, 1).unlink()
    assert verify(tmp_path).flaws == [Flaw(40, 0, bytes=0, records=20)]


async def test_an_older_segment_that_is_cut_short_is_damaged(log, tmp_path):
    os.truncate(segment(tmp_path, 0), FRAME + 10)
    assert flaws(tmp_path) == [(0, FRAME, 10, 10)]


async def test_what_goes_while_it_is_verified_is_no_flaw(log, tmp_path, monkeypatch):
    listed = "eagleray.actors.sinks.log.reader.found_segments"
    with monkeypatch.context() as patch:
        patch.setattr(listed, lambda _: [0, 20, 40])
        log.forget(log.end)
        verdict = verify(tmp_path)
    assert (verdict.frames, verdict.flaws) == (2, [])


async def test_inspect(log, tmp_path):
    started = time.time()
    first, third = list(log.read(START))[0:3:2]
    Cursor(tmp_path / "slow.cursor").save(third.start, third.number)
    Cursor(tmp_path / "quick.cursor").save(log.end, log.next_number)
    Cursor(tmp_path / "new.cursor").save(START, 0)
    zero(segment(tmp_path, 0), FRAME, 1)
    list(log.read(START))
    view = inspect(tmp_path)
    assert (view.directory, view.records, view.bytes, view.tail) == (str(tmp_path), 60, 6 * FRAME, 0)
    assert (view.damaged, view.damaged_bytes) == (1, FRAME)
    assert [(each.first, each.records, each.bytes) for each in view.segments] == [
        (0, 20, 2 * FRAME),
        (20, 20, 2 * FRAME),
        (40, 20, 2 * FRAME),
    ]
    assert view.segments[0].since == first.appended_at
    assert view.segments[0].until == view.segments[1].since == third.appended_at
    new, quick, slow = view.cursors
    assert (new.name, new.lag_records) == ("new", 60)
    assert (quick.name, quick.lag_records, quick.lag_seconds) == ("quick", 0, 0)
    assert (slow.name, slow.segment, slow.offset, slow.lag_records) == ("slow", 20, 0, 40)
    assert slow.lag_seconds >= started - third.appended_at


async def test_a_log_to_which_nothing_was_appended(tmp_path):
    log = Log.open(tmp_path)
    assert (verify(tmp_path).segments, inspect(tmp_path).segments, list(read_log(tmp_path))) == (0, [], [])
    await log.close()


@pytest.mark.parametrize("look", [inspect, verify, read_log])
def test_no_log(tmp_path, look):
    with pytest.raises(LogMissing, match="there is no log in"):
        look(tmp_path / "nowhere")
