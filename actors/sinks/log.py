"""The durable log: payloads in append-only segment files, answered for once they are on disk.

A segment is named after the number of its first frame (`00000000000000000000.log`) and holds frames (see
`frames`) one after another. The log never looks inside a payload.
"""

import asyncio
import fcntl
import logging
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from enum import StrEnum
from pathlib import Path

from eagleray.actors.sinks.frames import MAX_PAYLOAD, Frame, Position, encode, sound_frames

logger = logging.getLogger(__name__)

SEGMENT_BYTES = 64 << 20  # scanned at start in under 0.2 s, and large enough that rolling costs nothing


class Fsync(StrEnum):
    """When an append counts as durable: after an fsync, or once the operating system has it."""

    ALWAYS = "always"
    OS = "os"


class LogError(Exception):
    """The log did not do what it was asked."""


class LogLocked(LogError):
    """Raised when another process has the log open."""


class AppendFailed(LogError):
    """Raised when a payload could not be written: it is not in the log, and may be appended again."""


class Log:
    """An open log directory; one at a time, held by a lock. Appends come from one event loop.

    `read` may run in any thread and sees only what has been answered for.
    """

    def __init__(self, directory: Path, fsync: Fsync, segment_bytes: int, lock: int) -> None:
        self.directory = directory
        self.damaged: set[Position] = set()  # where damaged stretches begin
        self.blocked, self.dropped, self.bytes = "", 0, 0
        self._fsync = fsync
        self._segment_bytes = segment_bytes
        self._lock = lock
        self._segments = sorted(int(path.stem) for path in directory.glob("*.log")) or [0]
        self._file, self._end, self._number = self._recover(self._segments[-1])
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="log")
        self._waiting: list[tuple[bytes, int, asyncio.Future[None]]] = []
        self._writing: list[tuple[bytes, int, asyncio.Future[None]]] = []
        self._commits: asyncio.Task[None] | None = None

    @classmethod
    def open(cls, directory: Path, fsync: Fsync = Fsync.ALWAYS, segment_bytes: int = SEGMENT_BYTES) -> "Log":
        """Open or create the log in `directory`; a torn tail is cut off.

        Raises:
            LogLocked: another process has it open.
            OSError: the directory cannot be written.
        """
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)  # payloads may hold secrets
        lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return cls(directory, fsync, segment_bytes, lock)
        except BlockingIOError as error:
            os.close(lock)
            raise LogLocked(f"another process has the log in {directory} open") from error
        except OSError:
            os.close(lock)
            raise

    @property
    def end(self) -> Position:
        """The position behind the last frame."""
        return self._end

    @property
    def next_number(self) -> int:
        """The number that the next frame will get."""
        return self._number

    async def append(self, payload: bytes, records: int) -> None:
        """Return once `payload` is in the log and durable by the fsync policy.

        All appends that wait are written together, with one fsync. The caller bounds how many wait.

        Raises:
            AppendFailed: the disk is full or broken; later appends are tried anew.
            ValueError: the payload exceeds `MAX_PAYLOAD`.
        """
        if len(payload) > MAX_PAYLOAD:
            raise ValueError(f"a payload of {len(payload)} bytes exceeds the log's limit of {MAX_PAYLOAD}")
        appended = asyncio.get_running_loop().create_future()
        self._waiting.append((payload, records, appended))
        if self._commits is None or self._commits.done():
            self._commits = asyncio.create_task(self._commit())
        await appended

    async def settled(self) -> None:
        """Wait until every append made so far has succeeded or failed."""
        if futures := [future for *_, future in self._writing + self._waiting]:
            await asyncio.wait(futures)

    async def close(self) -> None:
        """Finish the appends in flight and give up the directory."""
        await self.settled()
        self._thread.shutdown()
        os.close(self._file)
        os.close(self._lock)

    def read(self, position: Position) -> Iterator[Frame]:
        """Yield the frames from `position` up to the end as it is now; damaged ones are left out and counted.

        Where the segment of `position` is gone, reading starts with the oldest one after it.
        """
        end = self._end
        for segment in [number for number in list(self._segments) if number >= position.segment]:
            offset = position.offset if segment == position.segment else 0
            stop = end.offset if segment == end.segment else self._path(segment).stat().st_size
            for frame in self._frames(segment, offset, stop):
                yield frame
                offset = frame.next.offset
            if offset < stop:
                self._report_damage(Position(segment, offset), stop - offset)
            if segment == end.segment:
                return

    def forget(self, position: Position) -> None:
        """Delete the segments that lie wholly before `position`."""
        while len(self._segments) > 1 and self._segments[0] < position.segment:
            self._path(self._segments[0]).unlink(missing_ok=True)
            del self._segments[0]

    def _path(self, segment: int) -> Path:
        return self.directory / f"{segment:020d}.log"

    def _recover(self, segment: int) -> tuple[int, Position, int]:
        """Open the last segment behind its last sound frame: the file, that end, and the next number."""
        file = self._open_segment(segment)
        size = os.fstat(file).st_size
        end, number = Position(segment, 0), segment
        for frame in self._frames(segment, 0, size):
            end, number = frame.next, frame.number + frame.records
        if end.offset < size:
            logger.warning(
                "log %s: cut a torn tail of %d bytes off segment %d",
                self.directory,
                size - end.offset,
                segment,
            )
            os.ftruncate(file, end.offset)
        return file, end, number

    def _open_segment(self, segment: int) -> int:
        file = os.open(self._path(segment), os.O_RDWR | os.O_CREAT, 0o600)
        sync_directory(self.directory)  # else a power cut may lose the name of a synced file
        return file

    def _frames(self, segment: int, offset: int, stop: int) -> Iterator[Frame]:
        with self._path(segment).open("rb") as file:
            for start, frame in sound_frames(file, segment, offset, stop):
                if start > offset:
                    self._report_damage(Position(segment, offset), start - offset)
                yield frame
                offset = frame.next.offset

    def _report_damage(self, start: Position, size: int) -> None:
        if start not in self.damaged:  # each follower meets the same damage
            self.damaged.add(start)
            logger.error("log %s: skipped %d damaged bytes at %s", self.directory, size, start)

    async def _commit(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            self._writing, self._waiting = self._waiting, []
            payloads = [(payload, records) for payload, records, _ in self._writing]
            failure = None
            try:
                await loop.run_in_executor(self._thread, self._write, payloads)
            except OSError as error:
                failure = f"cannot append to the log in {self.directory}: {error.strerror}"
                logger.error("%s", failure)
            for *_, appended in self._writing:
                if appended.done():  # its caller was cancelled
                    continue
                if failure:
                    appended.set_exception(AppendFailed(failure))
                else:
                    appended.set_result(None)
            self._writing = []

    def _write(self, payloads: list[tuple[bytes, int]]) -> None:
        """Write a group of frames, all or none, and sync it."""
        now, number = time.time(), self._number
        frames = []
        for payload, records in payloads:
            frames.append(encode(payload, records, number, now))
            number += records
        group = b"".join(frames)
        if self._end.offset >= self._segment_bytes:
            self._roll()
        segment, offset = self._end
        try:
            write_at(self._file, group, offset)
            if self._fsync is Fsync.ALWAYS:
                os.fdatasync(self._file)
        except OSError:
            with suppress(OSError):  # the next group overwrites what stays, the next start cuts it off
                os.ftruncate(self._file, offset)
            raise
        self._number = number
        self._end = Position(segment, offset + len(group))

    def _roll(self) -> None:
        file = self._open_segment(self._number)
        os.close(self._file)
        self._file, self._end = file, Position(self._number, 0)
        self._segments.append(self._number)


def write_at(file: int, data: bytes, offset: int) -> None:
    """Write all of `data` at `offset`; the kernel may take it in parts.

    Raises:
        OSError: the disk is full or broken; a part may be written.
    """
    rest = memoryview(data)
    while rest:
        written = os.pwrite(file, rest, offset)
        rest, offset = rest[written:], offset + written


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
