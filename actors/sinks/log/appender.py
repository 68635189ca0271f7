"""The writing end of a log: frames behind the last one, in a segment that nothing has gone wrong with."""

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from eagleray.actors.sinks.files import create_file, write_at
from eagleray.actors.sinks.log.damage import DamagedBytes
from eagleray.actors.sinks.log.frames import START, Damage, Frame, Position, encode
from eagleray.actors.sinks.log.segments import Segments, read_segment, segment_path


class Appender:
    """Writes to the last segment of a log, and begins the next one. Blocking, for one thread at a time."""

    def __init__(
        self, directory: Path, segments: Segments, damaged: DamagedBytes, sync: bool, segment_bytes: int
    ) -> None:
        self.end = START
        self.next_number = 0
        self._directory = directory
        self._segments = segments
        self._sync = sync
        self._segment_bytes = segment_bytes
        # None after a failure, and where there is no segment yet: the next write begins one.
        self._file = self._recover(damaged) if segments.numbers else None

    def write(self, payloads: Iterable[tuple[bytes, int]]) -> None:
        """Write a group of payloads, each with its number of records, all or none; sync it, if so wanted.

        Raises:
            OSError: the disk is full or broken; nothing is in the log, and the group may be written again.
        """
        now = time.time()
        self._segments.enforce(now)
        if self._file is None or self.end.offset >= self._segment_bytes:
            self._file = self._roll()
        number, frames = self.next_number, []
        for payload, records in payloads:
            frames.append(encode(payload, records, number, now))
            number += records
        data = b"".join(frames)
        segment, offset = self.end
        try:
            write_at(self._file, data, offset)
            if self._sync:
                os.fdatasync(self._file)
        except Exception:
            self._abandon(self._file)
            raise
        self.next_number, self.end = number, Position(segment, offset + len(data))
        self._segments.grew(*self.end)

    def close(self) -> None:
        """Give up the file."""
        if self._file is not None:
            os.close(self._file)

    def _recover(self, damaged: DamagedBytes) -> int:
        """Find the end of the last segment, cut off what stands behind, and make the rest durable."""
        segment = self._segments.numbers[-1]
        path = segment_path(self._directory, segment)
        self.end, self.next_number = Position(segment, 0), segment
        tail: Damage | None = None
        with path.open("rb") as reading:
            for item in read_segment(reading, segment, 0, path.stat().st_size, None):
                if isinstance(item, Frame):
                    self.end, self.next_number, tail = item.next, item.next_number, None
                    continue
                tail = item
                if not tail.torn:
                    damaged.set_aside(tail)
        if tail and tail.torn:
            damaged.set_tail_aside(tail)
        file = os.open(path, os.O_RDWR)
        try:
            if tail:
                os.ftruncate(file, tail.start.offset)
            if self._sync:
                os.fdatasync(file)
        except OSError:
            os.close(file)
            raise
        self._segments.grew(*self.end)
        return file

    def _roll(self) -> int:
        """Begin a new segment and give its file; what had its name holds nothing that was answered for."""
        file = create_file(segment_path(self._directory, self.next_number))
        if self._file is not None:
            with suppress(OSError):  # whatever it says, everything there is durable
                os.close(self._file)
        self._segments.grew(self.next_number, 0)
        self.end = Position(self.next_number, 0)
        return file

    def _abandon(self, file: int) -> None:
        """Write nothing more to this segment: after a failed fsync the kernel may have dropped its pages."""
        self._file = None
        with suppress(OSError):  # what stays behind the end, no reader looks at
            os.ftruncate(file, self.end.offset)
        with suppress(OSError):
            os.close(file)
