"""All rows of a store or of the log, for backups, and for stores that are switched on later."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

from eagleray.actors.sinks.base import Schema, Writer
from eagleray.actors.sinks.dead_letters import DeadLetters
from eagleray.actors.sinks.log.frames import Damage
from eagleray.actors.sinks.log.reader import read_log
from eagleray.pipelines.tables import Envelope, decode_batch, seal

PAGE = 5_000  # rows taken out at a time: about 2 MB

Count = Callable[[int], None]  # told how many rows have been copied so far


async def envelopes(writer: Writer, schema: Schema) -> AsyncIterator[Envelope]:
    """Every row that a store has. What is written meanwhile is there as it was or as it is."""
    for table in schema.tables:
        after = None
        while rows := await writer.scan(table, after, PAGE):
            yield seal(schema.pipeline, table, rows, 0)
            after = table.key_of(rows[-1])


async def copy(source: Writer, target: Writer, schema: Schema, dead: DeadLetters, count: Count) -> int:
    """Write every row of one open store to another; how many it were.

    Raises:
        StoreError: one of them does not answer.
    """
    total = 0
    async for envelope in envelopes(source, schema):
        await dead.sort_out(target, [envelope])
        total += envelope.n
        count(total)
    return total


async def replay(log: Path, target: Writer, dead: DeadLetters, count: Count) -> int:
    """Write what a log holds to an open store, also while the log is in use; how many rows it were.

    Raises:
        LogMissing: there is no log.
        StoreError: the store does not answer.
    """
    total = 0
    group: list[Envelope] = []
    rows = 0
    for item in read_log(log):
        if isinstance(item, Damage):
            continue  # `eagleray log verify` says what is damaged
        group += decode_batch(item.payload)
        rows += item.records
        if rows >= target.group_rows:
            await dead.sort_out(target, group)
            total, group, rows = total + rows, [], 0
            count(total)
    await dead.sort_out(target, group)
    return total + rows
