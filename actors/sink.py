"""The sink: takes batches into the durable log, and lets one follower per store write them."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from eagleray.actors.follower import Follower, StoreStats
from eagleray.actors.sinks.base import Schema, Writer, replace_file
from eagleray.actors.sinks.log.log import Log
from eagleray.pipelines.tables import Envelope, Key, Query, decode_batch

APPENDS_IN_FLIGHT = 32  # one group commit holds at most so many batches; further callers wait their turn
MAX_FENCE = 2**63 - 1  # incarnations are nanoseconds since 1970
SCAN_LIMIT = 20_000  # rows of one answer: some MB

_encode_rows = msgspec.msgpack.Encoder().encode


class StaleFence(Exception):
    """Raised when a batch comes from work that an older incarnation leased: its leases are void."""

    def __init__(self, fence: int, current: int) -> None:
        super().__init__(fence, current)  # what pickle passes on
        self.fence = fence
        self.current = current

    def __str__(self) -> str:
        return f"batch of incarnation {self.fence}, the sink knows {self.current}"


class SinkStats(msgspec.Struct, frozen=True):
    """What the sink did since its start."""

    batches: int
    rows: int
    refused_stale: int
    log_bytes: int
    log_blocked: str  # why the log takes nothing now (a full disk), or empty
    damaged: int  # stretches of the log that were skipped
    dropped: int  # records that left the log by age or size before every store had them
    logged: int  # rows that the log was ever given, over all lives
    stores: dict[str, StoreStats]


def read_fence(file: Path) -> int:
    """The newest incarnation that a file tells of; 0 where there is none.

    Raises:
        ValueError: it is damaged: any number in its place might let in what was refused before.
    """
    try:
        fence = int(file.read_text())
        if not 0 <= fence <= MAX_FENCE:
            raise ValueError(fence)
        return fence
    except FileNotFoundError:
        return 0
    except ValueError as error:
        raise ValueError(
            f"{file} is damaged, it should hold a number: make sure that no checker of an older run is left, "
            "then delete it; the next run makes it anew"
        ) from error


class Sink:
    """Appends batches to the durable log and lets one follower per store write them.

    `put` answers once the batch is durable by the log's policy; stores may lag, nothing waits for them.
    The first writer's store is the one that `scan` and `read` ask. The first call starts the followers.
    """

    def __init__(self, log: Log, writers: Sequence[Writer], schema: Schema) -> None:
        """Take over an open log.

        Raises:
            ValueError: its fence is damaged.
        """
        self._log = log
        self._tables = {table.name: table for table in schema.tables}
        self._followers = [Follower(log, writer, schema, self._forget_written) for writer in writers]
        self._store = writers[0]
        self._fence_file = log.directory / "fence"
        self._fence = read_fence(self._fence_file)
        self._fencing = asyncio.Lock()
        self._starting = asyncio.Lock()
        self._idle = list(self._followers)
        self._in_flight = asyncio.Semaphore(APPENDS_IN_FLIGHT)
        self._batches = self._rows = self._refused_stale = 0

    async def start(self) -> None:
        """Open the stores, all at once, and begin to follow. A store that is down now is tried again later.

        Raises:
            SchemaMismatch: a store has tables of another version.
        """
        async with self._starting:
            starts = [follower.start() for follower in self._idle]
            errors = await asyncio.gather(*starts, return_exceptions=True)
            self._idle = [f for f, error in zip(self._idle, errors, strict=True) if error]
            for error in filter(None, errors):
                raise error

    async def put(self, batch: bytes) -> None:
        """Take a batch (see `encode_batch`); it is durable when this returns.

        Raises:
            StaleFence: an envelope's fence is older than the registered one.
            AppendFailed: the log was closed meanwhile; the batch may be put again.
            ValueError: `batch` is no batch, is too large, or names an unknown table.
        """
        envelopes = self._opened(batch)
        rows = sum(envelope.n for envelope in envelopes)
        await self.start()
        async with self._in_flight:
            self._refuse_stale(envelopes)  # no await between this and the append: see `fence`
            if rows:
                await self._log.append(batch, rows)
        self._batches += 1
        self._rows += rows
        for follower in self._followers:
            follower.wake()

    async def fence(self, incarnation: int) -> None:
        """Refuse older incarnations from now on, over restarts too; then bring the first store up to date.

        When this returns, `scan` reads everything that older incarnations got answered for.

        Raises:
            StaleFence: this incarnation or a newer one is registered.
        """
        await self.start()
        async with self._fencing:
            if incarnation <= self._fence:
                raise StaleFence(incarnation, self._fence)
            await asyncio.to_thread(replace_file, self._fence_file, f"{incarnation}\n")
            self._fence = incarnation
        await self._log.settled()
        await self._followers[0].caught_up(self._log.end)

    async def scan(self, table: str, after: Key | None, limit: int) -> tuple[bytes, Key | None]:
        """A page of a table in key order: msgpack of `list[Row]`, and `after` for the next page or None.

        Raises:
            ValueError: no such table.
            StoreError: the store does not answer.
        """
        if table not in self._tables:
            raise ValueError(f"no table {table}")
        await self.start()
        limit = max(1, min(limit, SCAN_LIMIT))
        rows = await self._store.scan(self._tables[table], after, limit)
        behind = self._tables[table].key_of(rows[-1]) if len(rows) == limit else None
        return _encode_rows(rows), behind

    async def read(self, query: Query) -> bytes:
        """The rows that answer `query`: msgpack of `list[Row]`.

        Raises:
            StoreError: the store does not answer.
        """
        await self.start()
        return _encode_rows(await self._store.read(query))

    async def flush(self, or_fails: bool = False) -> None:
        """Wait until every store has what is in the log now, or fails, and then that waits in the log."""
        await self.start()
        await self._log.settled()
        await asyncio.gather(*(follower.caught_up(self._log.end, or_fails) for follower in self._followers))

    async def stats(self) -> SinkStats:
        """Counters since the start, and how far each store lags."""
        now = time.time()
        return SinkStats(
            batches=self._batches,
            rows=self._rows,
            refused_stale=self._refused_stale,
            log_bytes=self._log.size,
            log_blocked=self._log.blocked,
            damaged=len(self._log.damaged),
            dropped=self._log.dropped,
            logged=self._log.next_number,
            stores={follower.name: follower.stats(now) for follower in self._followers},
        )

    async def close(self) -> None:
        """Stop following and close the stores and the log. What a store lacks waits in the log."""
        for follower in self._followers:
            await follower.close()
        await self._log.close()

    def _opened(self, batch: bytes) -> list[Envelope]:
        try:
            envelopes = decode_batch(batch)
        except msgspec.MsgspecError as error:
            raise ValueError("not a batch of envelopes") from error
        for envelope in envelopes:
            table = self._tables.get(envelope.table)
            if table is None or envelope.version > table.version:
                raise ValueError(f"no table {envelope.table} in version {envelope.version}")
        return envelopes

    def _refuse_stale(self, envelopes: Sequence[Envelope]) -> None:
        oldest = min((envelope.fence for envelope in envelopes), default=self._fence)
        if oldest < self._fence:
            self._refused_stale += 1
            raise StaleFence(oldest, self._fence)

    def _forget_written(self) -> None:
        self._log.forget(min(follower.position for follower in self._followers))
