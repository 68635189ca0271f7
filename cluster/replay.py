"""Fills a store that was switched on later."""

from pathlib import Path
from typing import NamedTuple

from eagleray.actors.sinks.base import Schema, Writer
from eagleray.actors.sinks.copying import Count, copy, replay
from eagleray.actors.sinks.dead_letters import DeadLetters
from eagleray.actors.sinks.migrations import schema_of
from eagleray.actors.sinks.registry import StoreUrl, create_writer
from eagleray.cluster.stores import require_there
from eagleray.pipelines.proxies.pipeline import ProxyPipeline


class Replayed(NamedTuple):
    """Rows that were written, those included that the store had already."""

    copied: int  # from another store
    replayed: int  # from the log
    rejected: int  # that the store never takes: see dead-letters in the log's directory


async def replay_into(target: StoreUrl, source: StoreUrl | None, log: Path, count: Count) -> Replayed:
    """Write all rows of `source`, then all that a log holds, to a store.

    Raises:
        LogMissing: there is no log.
        StoreError: a store does not answer, or its tables are not this program's.
        ValueError: a URL has what the store does not understand.
    """
    schema = schema_of(ProxyPipeline())
    dead = DeadLetters(log, target.name, schema.tables)
    writer = create_writer(target)
    try:
        await writer.open()
        await writer.migrate(schema)
        copied = await copy_from(source, writer, schema, dead, count) if source else 0
        replayed = await replay(log, writer, dead, lambda rows: count(copied + rows))
    finally:
        await writer.close()
    return Replayed(copied, replayed, dead.rejected)


async def copy_from(store: StoreUrl, target: Writer, schema: Schema, dead: DeadLetters, count: Count) -> int:
    """Write all rows of a store to another one, which is open; how many it were."""
    require_there(store)
    source = create_writer(store)
    try:
        await source.open()
        return await copy(source, target, schema, dead, count)
    finally:
        await source.close()
