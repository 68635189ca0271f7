"""Fills a store that was switched on later."""

import time
from pathlib import Path
from typing import NamedTuple

from eagleray.actors.sinks.base import Schema
from eagleray.actors.sinks.copying import Count, Intake, copy, replay
from eagleray.actors.sinks.log.reader import found_segments
from eagleray.actors.sinks.migrations import schema_of
from eagleray.actors.sinks.registry import StoreUrl, create_writer
from eagleray.cluster.stores import open_to_read
from eagleray.pipelines.proxies.pipeline import ProxyPipeline


class Replayed(NamedTuple):
    """Rows that were written, those included that the store had already."""

    copied: int  # from another store
    replayed: int  # from the log
    rejected: int  # that the store never takes: see dead-letters in the log's directory
    expired: int  # past their time, and not written


async def replay_into(target: StoreUrl, source: StoreUrl | None, log: Path, count: Count) -> Replayed:
    """Write all rows of `source`, then all that a log holds, to a store.

    Raises:
        LogMissing: there is no log.
        StoreError: a store does not answer, or its tables are not this program's.
        ValueError: a URL has what the store does not understand.
    """
    found_segments(log)  # before anything is written
    schema = schema_of(ProxyPipeline())
    writer = create_writer(target)
    try:
        await writer.open()
        await writer.migrate(schema)
        intake = Intake(writer, schema, log, time.time(), count)
        if source:
            await copy_from(source, schema, intake)
        copied = intake.rows
        await replay(log, intake)
    finally:
        await writer.close()
    return Replayed(copied, intake.rows - copied, intake.rejected, intake.expired)


async def copy_from(store: StoreUrl, schema: Schema, target: Intake) -> None:
    """Write all rows of a store to another one, which is open."""
    source = create_writer(store)
    try:
        await open_to_read(store, source)
        await copy(source, schema, target)
    finally:
        await source.close()
