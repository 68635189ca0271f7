"""All rows of a store or of the log, for backups, and for stores that are switched on later."""

from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

from eagleray.actors.sinks.base import Schema, Writer
from eagleray.actors.sinks.dead_letters import DeadLetters
from eagleray.actors.sinks.log.frames import Damage
from eagleray.actors.sinks.log.reader import read_log
from eagleray.pipelines.tables import Envelope, decode_batch, seal, unexpired

PAGE = 5_000  # rows taken out at a time: about 2 MB

Count = Callable[[int], None]  # told how many rows have been copied so far


class Intake:
    """Gives an open store rows that it may have had before, but none past their time at `now` (Unix seconds).

    Those the store would count in its sums once more, and then delete. Rows that it never takes are set aside
    by the log.
    """

    def __init__(self, writer: Writer, schema: Schema, log: Path, now: float, count: Count) -> None:
        self.writer = writer
        self.rows = 0  # written, or set aside
        self.expired = 0  # left out
        self._tables = {table.name: table for table in schema.tables}
        self._dead = DeadLetters(log, writer.name, schema.tables)
        self._now = now
        self._count = count

    @property
    def rejected(self) -> int:
        """Rows that were set aside."""
        return self._dead.rejected

    async def take(self, envelopes: Sequence[Envelope]) -> None:
        """Write rows in one transaction.

        Raises:
            StoreError: the store does not answer.
        """
        kept = [self._unexpired(envelope) for envelope in envelopes]
        await self._dead.sort_out(self.writer, kept)
        rows = sum(envelope.n for envelope in kept)
        self.rows += rows
        self.expired += sum(envelope.n for envelope in envelopes) - rows
        self._count(self.rows)

    def _unexpired(self, envelope: Envelope) -> Envelope:
        try:
            return unexpired(envelope, self._tables[envelope.table], self._now)
        except (KeyError, ValueError):  # the store says what is wrong with it
            return envelope


async def envelopes(writer: Writer, schema: Schema) -> AsyncIterator[Envelope]:
    """Every row that a store has. What is written meanwhile is there as it was or as it is."""
    for table in schema.tables:
        after = None
        while rows := await writer.scan(table, after, PAGE):
            yield seal(schema.pipeline, table, rows, 0)
            after = table.key_of(rows[-1])


async def copy(source: Writer, schema: Schema, target: Intake) -> None:
    """Write every row of one open store to another.

    Raises:
        StoreError: one of them does not answer.
    """
    async for envelope in envelopes(source, schema):
        await target.take([envelope])


async def replay(log: Path, target: Intake) -> None:
    """Write what a log holds to an open store, also while the log is in use.

    Raises:
        LogMissing: there is no log.
        StoreError: the store does not answer.
    """
    group: list[Envelope] = []
    rows = 0
    for item in read_log(log):
        if isinstance(item, Damage):
            continue  # `eagleray log verify` says what is damaged
        group += decode_batch(item.payload)
        rows += item.records
        if rows >= target.writer.group_rows:
            await target.take(group)
            group, rows = [], 0
    await target.take(group)
