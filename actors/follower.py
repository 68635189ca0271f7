"""One store following the log: its cursor, its retries, its figures."""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from hashlib import blake2b
from math import inf
from typing import NamedTuple

import msgspec

from eagleray.actors.sinks.base import Cursor, Schema, SchemaMismatch, StoreError, Writer
from eagleray.actors.sinks.dead_letters import DeadLetters
from eagleray.actors.sinks.log.frames import Position
from eagleray.actors.sinks.log.log import Log
from eagleray.pipelines.tables import Envelope, decode_batch

logger = logging.getLogger(__name__)

RETRY_FIRST = 1.0  # seconds; doubles up to RETRY_MOST
RETRY_MOST = 30.0
PRUNE_EVERY = 10.0  # seconds between looks for rows past their time to live

NOT_FROM_THE_START = (
    "store %s is new, and the first %d rows have left the log: "
    "`eagleray log replay` copies them from another store"
)
GONE = "store %s: %d rows were gone from the log before it could take them: see `eagleray log verify`"


class StoreStats(msgspec.Struct, frozen=True):
    """How one store fares; what is counted since the sink's start begins at 0 with each of its lives."""

    rows: int  # since the sink's start: given to it, those that it had already included
    passed: int  # rows of the log before its cursor, over all lives: given, rejected or missed
    rejected: int  # since the sink's start: rows that it will never take, they are among the dead letters
    missed: int  # since the sink's start: rows that were gone from the log before it could take them
    lag_rows: int
    lag_seconds: float  # age of the oldest row that the store lacks
    failing: str  # why it does not write now, or empty
    unkept: int = 0  # of the rejected, those that the full file of dead letters had no room for


class Group(NamedTuple):
    """Envelopes that go into one transaction."""

    envelopes: list[Envelope]
    missed: int  # rows that are gone from the log
    next: Position
    next_number: int


class Follower:
    """Reads the log from a cursor and writes to one store, as fast as that store takes it."""

    def __init__(self, log: Log, writer: Writer, schema: Schema, on_advance: Callable[[], None]) -> None:
        self.name = writer.name
        self._log = log
        self._writer = writer
        self._schema = schema
        self._on_advance = on_advance
        place = blake2b(writer.identity.encode(), digest_size=4).hexdigest()
        self._cursor = Cursor(log.directory / f"{writer.name}-{place}.cursor")
        self._dead = DeadLetters(log.directory, writer.name, schema.tables)
        # A torn tail may have been cut off below the cursor; what is appended there is new.
        position, number = self._cursor.load()
        self.position = min(position, log.end)
        first = next(log.read(self.position), None)
        self._oldest = first.appended_at if first else 0.0  # 0 until it is known
        begin = first.number if first else log.next_number
        self._number = begin if number is None else min(number, begin)
        if number is None and begin:
            logger.warning(NOT_FROM_THE_START, self.name, begin)
        self._opened = False
        self._rows = self._missed = 0
        self._failing = ""
        self._prune_at = -inf
        self._waiting = 0  # callers of `caught_up`
        self._woken = asyncio.Event()
        self._advanced = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Open the store and begin to follow; a store that is down is tried again later.

        Raises:
            SchemaMismatch: the store has tables that this program does not know.
        """
        try:
            await self._open()
        except SchemaMismatch:
            raise
        except Exception as error:
            await self._report(error)
        self.wake()
        self._task = asyncio.create_task(self._follow())

    def wake(self) -> None:
        """Say that there may be more in the log."""
        if not self._oldest and self.position < self._log.end:
            self._oldest = time.time()  # until the frame itself is read and tells
        self._woken.set()

    async def caught_up(self, position: Position, or_fails: bool = False) -> None:
        """Wait until the store has everything before `position`, or it fails; nothing lingers meanwhile."""
        self._waiting += 1
        self.wake()
        try:
            async with self._advanced:
                await self._advanced.wait_for(
                    lambda: self.position >= position or (or_fails and bool(self._failing))
                )
        finally:
            self._waiting -= 1

    def stats(self, now: float) -> StoreStats:
        """The figures at `now` (Unix seconds)."""
        behind = self.position < self._log.end
        return StoreStats(
            rows=self._rows,
            passed=self._number,
            rejected=self._dead.rejected,
            missed=self._missed,
            lag_rows=self._log.next_number - self._number if behind else 0,
            lag_seconds=max(0.0, now - self._oldest) if behind and self._oldest else 0.0,
            failing=self._failing,
            unkept=self._dead.unkept,
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
            await self._roused(PRUNE_EVERY)
            try:
                await self._open()
                while self.position < self._log.end:
                    await self._gathered()
                    await self._advance()
                    delay = RETRY_FIRST
                await self._prune()
                await self._report(None)
            except Exception as error:  # whatever a store does, its rows wait in the log
                await self._report(error)
                await asyncio.sleep(delay)
                delay = min(2 * delay, RETRY_MOST)
                self._woken.set()

    async def _open(self) -> None:
        if not self._opened:
            await self._writer.open()
            await self._writer.migrate(self._schema)
            self._opened = True

    async def _gathered(self) -> None:
        """Wait until there is a group, or its oldest row has lingered, or somebody waits for the store."""
        while not self._waiting and self._log.next_number - self._number < self._writer.group_rows:
            left = self._oldest + self._writer.linger - time.time()
            if left <= 0:
                return
            await self._roused(left)

    async def _roused(self, seconds: float) -> None:
        """Wait until somebody wakes it, at most so long. `wait_for` may swallow a cancellation in 3.11."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        self._woken.clear()

    async def _advance(self) -> None:
        """Write the next group and move the cursor behind it."""
        group = await asyncio.to_thread(self._next_group)
        if group.missed:
            self._missed += group.missed
            logger.error(GONE, self.name, group.missed)
        await self._dead.sort_out(self._writer, group.envelopes)
        self._rows += sum(envelope.n for envelope in group.envelopes)
        await asyncio.to_thread(self._cursor.save, group.next, group.next_number)
        await self._report(None)  # before it is said how far it is: who waits for that asks for both
        async with self._advanced:
            self.position, self._number = group.next, group.next_number
            self._oldest = time.time() if self.position < self._log.end else 0.0
            self._advanced.notify_all()
        self._on_advance()
        await self._prune()

    def _next_group(self) -> Group:
        """What stands behind the cursor, up to the size of a group."""
        envelopes: list[Envelope] = []
        end, number, missed = self._log.end, self._number, 0
        for frame in self._log.read(self.position):
            if not envelopes:
                self._oldest = frame.appended_at
            envelopes += decode_batch(frame.payload)  # the sink took nothing else
            missed += frame.number - number
            number = frame.next_number
            if number - missed - self._number >= self._writer.group_rows:
                return Group(envelopes, missed, frame.next, number)
            end = max(end, frame.next)
        return Group(envelopes, missed, end, number)

    async def _prune(self) -> None:
        now = time.time()
        if now >= self._prune_at:
            deleted = await self._writer.prune(now)
            self._prune_at = now if deleted else now + PRUNE_EVERY  # more may be due at once

    async def _report(self, error: Exception | None) -> None:
        """Keep why the store fails, and log each change of state once."""
        if error is not None:
            self._opened = False  # a connection may be what is broken
        failing = describe(error) if error else ""
        if failing and not self._failing:
            logger.warning("store %s fails, its rows wait in the log: %s", self.name, failing)
        elif self._failing and not failing:
            logger.info("store %s writes again", self.name)
        self._failing = failing
        async with self._advanced:
            self._advanced.notify_all()


def describe(error: Exception) -> str:
    """An error in words. Only our own messages are known to hold no row."""
    if isinstance(error, OSError):  # a writer raises none: it is the log, a cursor, the dead letters
        where = f" at {error.filename}" if error.filename else ""
        return f"not the store, but the data directory fails{where}: {error.strerror or error}"
    return str(error) if isinstance(error, StoreError) else type(error).__name__
