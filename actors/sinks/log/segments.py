"""The segment files of a log: their names, what stands in them, and when they go.

A segment is named after the number of its first record (`00000000000000000000.log`). It ends where the next
one begins: once its records reach the next one's number, what stands behind them was never answered for. A
write or an fsync failed, and the payloads were written anew into the next segment. No reader looks at it.
"""

import logging
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from eagleray.actors.sinks.log.frames import MARKER, WINDOW, Damage, Frame, Position, scan

logger = logging.getLogger(__name__)

DIGITS = 20  # of the largest u64
FAMILY = 3  # bytes that the markers of all formats begin with


class OtherFormat(Exception):
    """Raised when another version of this program has written the log."""


def segment_path(directory: Path, segment: int) -> Path:
    """The file of a segment."""
    return directory / f"{segment:0{DIGITS}d}.log"


def list_segments(directory: Path) -> list[int]:
    """The segments that are there, oldest first."""
    return sorted(int(path.stem) for path in directory.glob("[0-9]" * DIGITS + ".log"))


def require_format(directory: Path) -> None:
    """Refuse a log whose frames are of another format: they would pass for damage, and be set aside.

    Raises:
        OtherFormat: a segment begins with a marker like ours, and has none of ours.
        OSError: it can't be read.
    """
    for segment in list_segments(directory):
        with segment_path(directory, segment).open("rb") as file:
            head = file.read(WINDOW)
        if head[:FAMILY] == MARKER[:FAMILY] and len(head) > len(MARKER) and MARKER not in head:
            raise OtherFormat(
                f"the log in {directory} has format {shown(head)}, this program knows {shown(MARKER)}: "
                "use the Eagleray that wrote it, or another data directory"
            )


def shown(marker: bytes) -> str:
    """A format's name."""
    return marker[1 : len(MARKER)].decode("latin-1")


def read_segments(
    directory: Path, segments: Sequence[int], position: Position, end: Position | None = None
) -> Iterator[Frame | Damage]:
    """Yield what stands in these segments from `position` up to `end`, or to what is on disk.

    Where the segment of `position` is gone, reading starts with the oldest one after it; one that goes
    meanwhile is left out.
    """
    for segment, following in zip(segments, [*segments, None][1:], strict=True):
        if segment < position.segment:
            continue
        try:
            file = segment_path(directory, segment).open("rb")
        except FileNotFoundError:
            continue
        last = end is not None and segment == end.segment
        offset = position.offset if segment == position.segment else 0
        with file:
            # The size as it is now: what a writer adds meanwhile is not there in full.
            stop = end.offset if last and end else os.fstat(file.fileno()).st_size
            yield from read_segment(file, segment, offset, stop, following)
        if last:
            return


def read_segment(
    file: BinaryIO, segment: int, offset: int, stop: int, following: int | None
) -> Iterator[Frame | Damage]:
    """Yield what stands in a segment, up to where the one that is named `following` begins."""
    if following is None:
        yield from scan(file, segment, offset, stop)
        return
    number = None if offset else segment  # of what comes next
    for item in scan(file, segment, offset, stop):
        if isinstance(item, Frame):
            number = item.number
        elif number is None:
            number = reached_at(file, segment, offset)
        if number >= following:
            return
        yield item
        if isinstance(item, Frame):
            number = item.next_number


def reached_at(file: BinaryIO, segment: int, offset: int) -> int:
    """The number that the record behind the frames before `offset` has."""
    frames = [item for item in scan(file, segment, 0, offset) if isinstance(item, Frame)]
    return frames[-1].next_number if frames else segment


class Segments:
    """The segments of an open log, and the bounds on them. Any thread may ask and `forget`."""

    def __init__(self, directory: Path, max_bytes: int, max_age: float) -> None:
        self.dropped = 0  # records that went before every store had taken them
        self._directory = directory
        self._max_bytes = max_bytes
        self._max_age = max_age
        self._sizes = {
            segment: segment_path(directory, segment).stat().st_size for segment in list_segments(directory)
        }
        self._changing = threading.Lock()
        self._deletable = True

    @property
    def numbers(self) -> list[int]:
        """The segments, oldest first."""
        return list(self._sizes)

    @property
    def size(self) -> int:
        """Bytes of all segments."""
        return sum(list(self._sizes.values()))

    def grew(self, segment: int, size: int) -> None:
        """Take note of a segment's size; a new one is the last."""
        with self._changing:
            self._sizes[segment] = size

    def read(self, position: Position, end: Position) -> Iterator[Frame | Damage]:
        """Yield what stands between two positions."""
        return read_segments(self._directory, self.numbers, position, end)

    def forget(self, position: Position) -> None:
        """Delete the segments that lie wholly before `position`."""
        with self._changing:
            while len(self._sizes) > 1 and self._oldest() < position.segment and self._delete():
                pass

    def enforce(self, now: float) -> None:
        """Delete the oldest segments while there are too many bytes, or they are too old; never the last."""
        with self._changing:
            while len(self._sizes) > 1 and (bound := self._exceeded(now)):
                segment, following, *_ = self._sizes
                if not self._delete():
                    return
                self.dropped += following - segment
                logger.error(
                    "log %s: dropped %d records that a store has not taken: %s",
                    self._directory,
                    following - segment,
                    bound,
                )

    def _oldest(self) -> int:
        return next(iter(self._sizes))

    def _exceeded(self, now: float) -> str:
        if self.size > self._max_bytes:
            return f"the log exceeds max_bytes ({self._max_bytes})"
        try:
            written_at = segment_path(self._directory, self._oldest()).stat().st_mtime
        except OSError:  # what cannot even be looked at holds up no append
            return ""
        return (
            f"they are older than max_age ({self._max_age:g} s)" if now - written_at > self._max_age else ""
        )

    def _delete(self) -> bool:
        segment = self._oldest()
        try:
            segment_path(self._directory, segment).unlink(missing_ok=True)
        except OSError as error:
            if self._deletable:  # said once, tried again with every advance of a store and every append
                logger.warning(
                    "log %s: cannot delete segment %d: %s", self._directory, segment, error.strerror
                )
            self._deletable = False
            return False
        self._deletable = True
        del self._sizes[segment]
        return True
