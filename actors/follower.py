"""One store following the log: its cursor, its retries, its figures."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

import msgspec

from eagleray.actors.sinks.base import Cursor, RowsRejected, SchemaMismatch, StoreError, Writer
from eagleray.actors.sinks.frames import Position
from eagleray.actors.sinks.log import Log
from eagleray.pipelines.tables import Envelope, Table, decode_batch

logger = logging.getLogger(__name__)

GROUP_BATCHES = 20  # of one transaction; either bound ends a group
GROUP_ROWS = 20_000
RETRY_FIRST = 1.0  # seconds; doubles up to RETRY_MOST
RETRY_MOST = 30.0
PRUNE_EVERY = 60.0  # seconds between looks for rows past their time to live


class StoreStats(msgspec.Struct, frozen=True):
    """How one store fares since the start."""

    rows: int
    rejected: int  # batches that the store will never take
    lag_batches: int
    lag_seconds: float  # age of the oldest batch that the store lacks
    failing: str  # why it does not write now, or empty


class Group(NamedTuple):
    """Batches that go into one transaction."""

    batches: list[list[Envelope]]
    next: Position
    next_number: int


class Follower:
    """Reads the log from a cursor and writes to one store, as fast as that store takes it."""

    def __init__(
        self, log: Log, writer: Writer, tables: Sequence[Table], on_advance: Callable[[], None]
    ) -> None:
        self.name = writer.name
        self._log = log
        self._writer = writer
        self._tables = tables
        self._on_advance = on_advance
        self._cursor = Cursor(log.directory / f"{writer.name}.cursor")
        # A torn tail may have been cut off below the cursor; what is appended there is new.
        self.position = min(self._cursor.load(), log.end)
        first = next(log.read(self.position), None)
        self._number = first.number if first else log.next_number
        self._oldest = first.appended_at if first else 0.0
        self._opened = False
        self._rows = self._rejected = 0
        self._failing = ""
        self._prune_at = 0.0
        self._woken = asyncio.Event()
        self._advanced = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Open the store and begin to follow; a store that is down is tried again later.

        Raises:
            SchemaMismatch: the store has tables of another version.
        """
        try:
            await self._open()
        except SchemaMismatch:
            raise
        except Exception as error:
            self._report(error)
        self.wake()
        self._task = asyncio.create_task(self._follow())

    def wake(self) -> None:
        """Say that there may be more in the log."""
        if not self._oldest and self.position < self._log.end:
            self._oldest = time.time()  # until the frame itself is read and tells
        self._woken.set()

    async def caught_up(self, position: Position) -> None:
        """Wait until the store has everything before `position`."""
        self.wake()
        async with self._advanced:
            await self._advanced.wait_for(lambda: self.position >= position)

    def stats(self, now: float) -> StoreStats:
        """The figures at `now` (Unix seconds)."""
        behind = self.position < self._log.end
        return StoreStats(
            rows=self._rows,
            rejected=self._rejected,
            lag_batches=self._log.next_number - self._number if behind else 0,
            lag_seconds=max(0.0, now - self._oldest) if behind else 0.0,
            failing=self._failing,
        )

    async def close(self) -> None:
        """Stop following and close the store; a transaction that runs is finished."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self._writer.close()

    async def _follow(self) -> None:
        delay = RETRY_FIRST
        while True:
            await self._woken.wait()
            self._woken.clear()
            while self.position < self._log.end:
                try:
                    await self._advance()
                except Exception as error:  # whatever a store does, its rows wait in the log
                    self._report(error)
                    await asyncio.sleep(delay)
                    delay = min(2 * delay, RETRY_MOST)
                else:
                    self._report(None)
                    delay = RETRY_FIRST

    async def _open(self) -> None:
        if not self._opened:
            await self._writer.open()
            await self._writer.migrate(self._tables)
            self._opened = True

    async def _advance(self) -> None:
        """Write the next group and move the cursor behind it."""
        await self._open()
        group = await asyncio.to_thread(self._next_group)
        await self._write(group.batches)
        await asyncio.to_thread(self._cursor.save, group.next)
        async with self._advanced:
            self.position, self._number = group.next, group.next_number
            self._oldest = time.time() if self.position < self._log.end else 0.0
            self._advanced.notify_all()
        self._on_advance()
        await self._prune()

    def _next_group(self) -> Group:
        """The batches behind the cursor, up to the bounds of a group."""
        batches: list[list[Envelope]] = []
        end, number, rows = self._log.end, self._number, 0
        for frame in self._log.read(self.position):
            if not batches:
                self._oldest = frame.appended_at
            batches.append(decode_batch(frame.payload))  # the sink took nothing else
            rows += sum(envelope.n for envelope in batches[-1])
            number = frame.number + 1
            if len(batches) >= GROUP_BATCHES or rows >= GROUP_ROWS:
                return Group(batches, frame.next, number)
            end = max(end, frame.next)
        return Group(batches, end, number)

    async def _write(self, batches: Sequence[Sequence[Envelope]]) -> None:
        """Write batches in one transaction; where the store rejects it, leave out the one at fault."""
        envelopes = [envelope for batch in batches for envelope in batch]
        try:
            await self._writer.write(envelopes)
        except RowsRejected as error:
            if len(batches) > 1:
                for batch in batches:
                    await self._write([batch])
                return
            self._rejected += 1
            logger.error("store %s never takes this batch, it is left out: %s", self.name, error)
        else:
            self._rows += sum(envelope.n for envelope in envelopes)

    async def _prune(self) -> None:
        now = time.time()
        if now >= self._prune_at:
            deleted = await self._writer.prune(now)
            self._prune_at = now if deleted else now + PRUNE_EVERY  # more may be due at once

    def _report(self, error: Exception | None) -> None:
        """Keep why the store fails, and log each change of state once."""
        if error is not None:
            self._opened = False  # a connection may be what is broken
        failing = describe(error) if error else ""
        if failing and not self._failing:
            logger.warning("store %s fails, its rows wait in the log: %s", self.name, failing)
        elif self._failing and not failing:
            logger.info("store %s writes again", self.name)
        self._failing = failing


def describe(error: Exception) -> str:
    """An error in words. Only our own messages are known to hold no row."""
    return str(error) if isinstance(error, (StoreError, OSError)) else type(error).__name__
