"""Run by test_file_kills: puts numbered batches, says on stdout which ones were answered, until it is killed.

Usage: file_putter.py DIRECTORY FIRST. Batch n holds the events n * 3 .. n * 3 + 2 on three days, and a state
as of n. The days are over, so that kills meet parts becoming one, too.
"""

import asyncio
import os
import sys
from itertools import count
from pathlib import Path

from eagleray.actors import follower
from eagleray.actors.sink import Sink
from eagleray.actors.sinks import parquet
from eagleray.actors.sinks.base import Schema
from eagleray.actors.sinks.log.log import Log
from eagleray.actors.sinks.ndjson import NdjsonWriter
from eagleray.actors.sinks.parquet import ParquetWriter
from eagleray.pipelines.tables import Column, Kind, Table, encode_batch, seal

EVENTS = Table(
    "events", 1, (Column("id", Kind.INTEGER), Column("at", Kind.TIME)), key=("id",), partition="at"
)
STATE = Table(
    "state", 1, (Column("host", Kind.TEXT), Column("version", Kind.INTEGER)), key=("host",), newest="version"
)
DAY = 86_400.0
PUTTING_AT_ONCE = 4


def batch(n: int) -> bytes:
    events = [[n * 3 + i, i * DAY + 0.5] for i in range(3)]
    return encode_batch([seal("test", EVENTS, events, 0), seal("test", STATE, [["host", n]], 0)])


def stores(directory: Path) -> list:
    writers = [NdjsonWriter(directory / "lake", "ndjson"), ParquetWriter(directory / "lake", "parquet")]
    for writer in writers:
        writer.group_rows, writer.linger = 20, 0.0
    return writers


async def main(directory: Path, first: int) -> None:
    parquet.QUIET = -1.0
    follower.PRUNE_EVERY = 0.0
    sink = Sink(Log.open(directory / "log"), stores(directory), Schema("test", (EVENTS, STATE), {}))
    await sink.start()
    numbers = count(first)

    async def put_on() -> None:
        while True:
            n = next(numbers)
            await sink.put(batch(n))
            os.write(1, b"%d\n" % n)

    await asyncio.gather(*(put_on() for _ in range(PUTTING_AT_ONCE)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
