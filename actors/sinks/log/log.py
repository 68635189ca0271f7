"""The durable log: payloads in append-only segment files, answered for once they are on disk.

The log never looks inside a payload; it is told how many records one holds. Format and guarantees stand in
docs/DURABILITY.md.
"""

import asyncio
import fcntl
import logging
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from enum import StrEnum
from math import inf
from pathlib import Path

from eagleray.actors.sinks.log.appender import Appender
from eagleray.actors.sinks.log.damage import DamagedBytes
from eagleray.actors.sinks.log.frames import MAX_PAYLOAD, MAX_RECORDS, Frame, Position
from eagleray.actors.sinks.log.segments import Segments, require_format

logger = logging.getLogger(__name__)

SEGMENT_BYTES = 64 << 20  # scanned at start in under 0.2 s, and large enough that rolling costs nothing
INTERVAL = 0.05  # seconds
MAX_BYTES = 20 << 30
MAX_AGE = 7 * 86_400.0  # seconds
RETRY_FIRST = 0.1  # seconds until a write that failed is tried again; doubles up to RETRY_MOST
RETRY_MOST = 5.0


class Fsync(StrEnum):
    """When an append counts as durable."""

    ALWAYS = "always"  # after an fsync, which begins at once
    INTERVAL = "interval"  # after an fsync, of which there is at most one each interval
    OS = "os"  # once the operating system has it


class LogError(Exception):
    """The log did not do what it was asked."""


class LogLocked(LogError):
    """Raised when another process has the log open."""


class AppendFailed(LogError):
    """Raised when the log was closed before a payload was durable; it may be appended again."""


class Append:
    """A payload that waits to become durable."""

    def __init__(self, payload: bytes, records: int) -> None:
        self.payload = payload
        self.records = records
        self.answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()


def take_lock(directory: Path) -> int:
    """The lock of a log's directory, as a descriptor: closing it gives it back.

    Raises:
        LogLocked: another process has it.
        OSError: the directory cannot be written.
    """
    lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise LogLocked(f"another process has the log in {directory} open") from error
    return lock


class Log:
    """An open log directory; one at a time, held by a lock. Appends come from one event loop.

    `read` may run in any thread and sees only what has been answered for, or was there at the start. A disk
    that is full or broken holds up appends until it works again: `blocked` says why, and is empty otherwise.
    """

    def __init__(
        self,
        directory: Path,
        lock: int,
        segments: Segments,
        fsync: Fsync,
        interval: float,
        segment_bytes: int,
    ) -> None:
        self.directory = directory
        self.blocked = ""
        self._lock = lock
        self._segments = segments
        self._damaged = DamagedBytes(directory)
        self._appender = Appender(directory, segments, self._damaged, fsync is not Fsync.OS, segment_bytes)
        self._pause_for = interval if fsync is Fsync.INTERVAL else 0.0  # from one group to the next
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="log")
        self._waiting: list[Append] = []
        self._writing: list[Append] = []
        self._commits: asyncio.Task[None] | None = None
        self._committed_at = -inf  # not yet
        self._retry_in = RETRY_FIRST
        self._closing = asyncio.Event()

    @classmethod
    def open(
        cls,
        directory: Path,
        fsync: Fsync = Fsync.ALWAYS,
        segment_bytes: int = SEGMENT_BYTES,
        interval: float = INTERVAL,
        max_bytes: int = MAX_BYTES,
        max_age: float = MAX_AGE,
    ) -> "Log":
        """Open or create the log in `directory`; a torn tail is cut off.

        `interval` is the seconds from one fsync to the next under `Fsync.INTERVAL`. Before each write the
        oldest segments go while all hold more than `max_bytes`, or while `max_age` seconds passed since they
        were written to.

        Raises:
            LogLocked: another process has it open.
            OtherFormat: another version of this program has written it.
            OSError: the directory cannot be written.
        """
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)  # payloads may hold secrets
        require_format(directory)
        lock = take_lock(directory)
        try:
            return cls(
                directory, lock, Segments(directory, max_bytes, max_age), fsync, interval, segment_bytes
            )
        except OSError:
            os.close(lock)
            raise

    @property
    def end(self) -> Position:
        """The position behind the last frame."""
        return self._appender.end

    @property
    def next_number(self) -> int:
        """The number that the next record will get."""
        return self._appender.next_number

    @property
    def size(self) -> int:
        """Bytes of all segments."""
        return self._segments.size

    @property
    def damaged(self) -> set[Position]:
        """Where damaged stretches begin that were met since the start."""
        return self._damaged.places

    @property
    def dropped(self) -> int:
        """Records that `max_bytes` and `max_age` cost since the start: not every store had taken them."""
        return self._segments.dropped

    async def append(self, payload: bytes, records: int) -> None:
        """Return once `payload`, which holds so many records, is in the log and durable by the fsync policy.

        All appends that wait are written together, with one fsync. The caller bounds how many wait.

        Raises:
            AppendFailed: the log was closed meanwhile.
            ValueError: the payload exceeds `MAX_PAYLOAD`, or has no records.
        """
        if len(payload) > MAX_PAYLOAD:
            raise ValueError(f"a payload of {len(payload)} bytes exceeds the log's limit of {MAX_PAYLOAD}")
        if not 0 < records <= MAX_RECORDS:
            raise ValueError(f"a payload has 1 to {MAX_RECORDS} records, not {records}")
        if self._closing.is_set():
            raise AppendFailed(f"the log in {self.directory} is closed")
        append = Append(payload, records)
        self._waiting.append(append)
        if self._commits is None or self._commits.done():
            self._commits = asyncio.create_task(self._commit())
        try:
            await append.answer
        except asyncio.CancelledError:
            if append in self._waiting:  # a payload that nobody waits for takes no memory
                self._waiting.remove(append)
            raise

    async def settled(self) -> None:
        """Wait until every append made so far has succeeded or failed; a blocked log holds this up."""
        if answers := [append.answer for append in self._writing + self._waiting]:
            await asyncio.wait(answers)

    async def close(self) -> None:
        """Finish the appends in flight, or fail them where the disk does, and give up the directory."""
        self._closing.set()
        if self._commits is not None:
            await self._commits
        self._thread.shutdown()
        self._appender.close()
        os.close(self._lock)

    def read(self, position: Position) -> Iterator[Frame]:
        """Yield the frames from `position` up to the end as it is now; damage is left out and set aside.

        Where the segment of `position` is gone, reading starts with the oldest one after it. A frame's number
        above the one before's `next_number` tells how many records are missing.
        """
        for item in self._segments.read(position, self.end):
            if isinstance(item, Frame):
                yield item
            else:
                self._damaged.set_aside(item)

    def forget(self, position: Position) -> None:
        """Delete the segments that lie wholly before `position`."""
        self._segments.forget(position)

    async def _commit(self) -> None:
        """Write all that waits, group after group, until nothing waits."""
        loop = asyncio.get_running_loop()
        while self._waiting:
            if self._pause_for:
                await self._pause(self._committed_at + self._pause_for - loop.time())
            self._committed_at = loop.time()
            self._writing, self._waiting = self._waiting, []
            try:
                group = [(append.payload, append.records) for append in self._writing]
                await loop.run_in_executor(self._thread, self._appender.write, group)
            except Exception as error:  # whatever went wrong, nobody's payload is given up
                self._waiting = [
                    append for append in self._writing + self._waiting if not append.answer.done()
                ]
                self._writing = []
                await self._hold_on(error)
            else:
                answer(self._writing)
                self._writing = []
                self._go_on()

    async def _hold_on(self, error: Exception) -> None:
        """Wait before the next try; a log that is being closed gives up."""
        reason = getattr(error, "strerror", None) or type(error).__name__
        if not self.blocked:
            logger.error(
                "log %s: cannot append, intake waits until the disk takes more: %s", self.directory, reason
            )
        self.blocked = f"cannot append to the log in {self.directory}: {reason}"
        await self._pause(self._retry_in)
        self._retry_in = min(2 * self._retry_in, RETRY_MOST)
        if self._closing.is_set():
            answer(self._waiting, self.blocked)
            self._waiting = []

    def _go_on(self) -> None:
        if self.blocked:
            logger.warning("log %s: appends again", self.directory)
        self.blocked, self._retry_in = "", RETRY_FIRST

    async def _pause(self, seconds: float) -> None:
        """Wait so long, or until the log is being closed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closing.wait()


def answer(appends: Sequence[Append], failure: str = "") -> None:
    """Tell those who still wait."""
    for append in appends:
        if append.answer.done():  # its caller was cancelled
            continue
        if failure:
            append.answer.set_exception(AppendFailed(failure))
        else:
            append.answer.set_result(None)
