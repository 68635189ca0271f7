"""A log as it stands on disk, read without its lock: any process may look while another one appends."""

import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from eagleray.actors.sinks.base import Cursor
from eagleray.actors.sinks.log.damage import damaged_dir
from eagleray.actors.sinks.log.frames import START, Damage, Frame, Position
from eagleray.actors.sinks.log.segments import list_segments, read_segments, require_format, segment_path


class LogMissing(Exception):
    """Raised when a directory holds no log."""


class SegmentView(msgspec.Struct, frozen=True, rename={"since": "from", "until": "to"}):
    """A segment file; times are Unix seconds, and null where no frame tells."""

    file: str
    first: int  # number of its first record
    records: int
    bytes: int
    since: float | None
    until: float | None


class CursorView(msgspec.Struct, frozen=True):
    """How far one store has come."""

    name: str
    segment: int
    offset: int
    lag_records: int
    lag_seconds: float  # age of the oldest record that the store lacks


class LogView(msgspec.Struct, frozen=True):
    """What a log directory holds."""

    directory: str
    segments: list[SegmentView]
    records: int
    bytes: int
    tail: int  # bytes behind the last whole frame: being written, or cut off at the next start
    damaged: int  # stretches that were set aside
    damaged_bytes: int
    cursors: list[CursorView]


class Flaw(msgspec.Struct):
    """A place where frames are damaged, or missing where there are no bytes."""

    segment: int
    offset: int
    bytes: int
    records: int | None = None  # lost here; null where nothing behind tells


class Verdict(msgspec.Struct):
    """What reading every frame found."""

    directory: str
    segments: int
    frames: int = 0
    records: int = 0
    tail: int = 0
    flaws: list[Flaw] = []


def read_log(directory: Path, position: Position = START) -> Iterator[Frame | Damage]:
    """Yield what stands in a log from `position` up to the last frame as it is now.

    A last `Damage` that is `torn` is a frame that is being written.

    Raises:
        LogMissing: there is no log.
    """
    return read_segments(directory, found_segments(directory), position)


def found_segments(directory: Path) -> list[int]:
    """The segments of a log; a log to which nothing was appended has none.

    Raises:
        LogMissing: there is no log.
        OtherFormat: another version of this program has written it.
    """
    segments = list_segments(directory)
    if not segments and not (directory / "lock").exists():
        raise LogMissing(f"there is no log in {directory}")
    require_format(directory)
    return segments


def verify(directory: Path) -> Verdict:
    """Read every frame and check its CRC, and that no record number is missing.

    Raises:
        LogMissing: there is no log.
    """
    segments = found_segments(directory)
    verdict = Verdict(str(directory), len(segments))
    number = segments[0] if segments else 0
    flaw: Flaw | None = None  # directly before the item
    for item in read_segments(directory, segments, START):
        start = item.start
        begins = item.number if isinstance(item, Frame) else max(number, start.segment)
        if begins > number:
            if flaw is None and list_segments(directory)[:1] != [start.segment]:
                flaw = Flaw(*start, bytes=0)
                verdict.flaws.append(flaw)
            if flaw is not None:  # else all before has gone meanwhile, as it should
                flaw.records = begins - number
            number = begins
        if isinstance(item, Frame):
            verdict.frames, verdict.records = verdict.frames + 1, verdict.records + item.records
            number, flaw = item.next_number, None
        elif item.torn and start.segment == segments[-1]:
            verdict.tail = item.size
        else:
            flaw = Flaw(*start, bytes=item.size)
            verdict.flaws.append(flaw)
    return verdict


def inspect(directory: Path) -> LogView:
    """What a log holds and how far its stores are, from the first frame of each segment and all of the last.

    Raises:
        LogMissing: there is no log.
    """
    segments = found_segments(directory)
    end, tail, until = segments[-1] if segments else 0, 0, None
    for item in read_segments(directory, segments[-1:], START):
        if isinstance(item, Frame):
            end, until = item.next_number, item.appended_at
        elif item.torn:
            tail = item.size
    views = segment_views(directory, segments, end, until)
    kept = [size_of(path) for path in damaged_dir(directory).glob("*.bin")]
    return LogView(
        directory=str(directory),
        segments=views,
        records=sum(view.records for view in views),
        bytes=sum(view.bytes for view in views),
        tail=tail,
        damaged=len(kept),
        damaged_bytes=sum(kept),
        cursors=[cursor_view(directory, path, end) for path in sorted(directory.glob("*.cursor"))],
    )


def segment_views(directory: Path, segments: list[int], end: int, until: float | None) -> list[SegmentView]:
    """Each segment; `end` and `until` are the last one's."""
    firsts = [first_frame(directory, [segment]) for segment in segments]
    times = [first.appended_at if first else None for first in firsts]
    return [
        SegmentView(
            file=segment_path(directory, segment).name,
            first=segment,
            records=following - segment,
            bytes=size_of(segment_path(directory, segment)),
            since=since,
            until=to,
        )
        for segment, following, since, to in zip(
            segments, [*segments, end][1:], times, [*times, until][1:], strict=True
        )
    ]


def size_of(path: Path) -> int:
    """Bytes of a file; 0 where it is gone."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def cursor_view(directory: Path, path: Path, end: int) -> CursorView:
    """A store's cursor file, and what lies between it and the record number `end`."""
    position, _ = Cursor(path).load()
    lacks = first_frame(directory, list_segments(directory), position)
    return CursorView(
        name=path.stem,
        segment=position.segment,
        offset=position.offset,
        lag_records=end - lacks.number if lacks else 0,
        lag_seconds=max(0.0, time.time() - lacks.appended_at) if lacks else 0.0,
    )


def first_frame(directory: Path, segments: list[int], position: Position = START) -> Frame | None:
    """The first frame from `position` on."""
    frames = read_segments(directory, segments, position)
    return next((item for item in frames if isinstance(item, Frame)), None)
