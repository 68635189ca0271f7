"""Run by test_kill: puts numbered batches and says on stdout which ones were answered, until it is killed.

Usage: putter.py DIRECTORY FIRST. Batch n holds the check rows n * 3 .. n * 3 + 2, and a state as of n.
"""

import asyncio
import os
import sys
from itertools import count
from pathlib import Path

from eagleray.actors.sink import Sink
from eagleray.actors.sinks.base import Schema, Script
from eagleray.actors.sinks.log import Log
from eagleray.actors.sinks.sqlite import SqliteWriter
from eagleray.pipelines.tables import Column, Kind, Table, encode_batch, seal

CHECKS = Table("checks", 1, (Column("id", Kind.INTEGER), Column("note", Kind.TEXT)), key=("id",))
STATE = Table(
    "state", 1, (Column("host", Kind.TEXT), Column("version", Kind.INTEGER)), key=("host",), newest="version"
)
SCRIPT = """
CREATE TABLE checks (id INT NOT NULL PRIMARY KEY, note TEXT NOT NULL) STRICT;
CREATE TABLE state (host TEXT NOT NULL PRIMARY KEY, version INT NOT NULL) STRICT;
"""
SCHEMA = Schema("test", (CHECKS, STATE), {"sqlite": (Script(1, "0001_tables.sql", SCRIPT),)})
PUTTING_AT_ONCE = 4
SEGMENT_BYTES = 4096  # small, so that kills meet rolling and deleting too


def batch(n: int) -> bytes:
    checks = [[n * 3 + i, f"row {n * 3 + i}"] for i in range(3)]
    return encode_batch([seal("test", CHECKS, checks, 0), seal("test", STATE, [["host", n]], 0)])


async def main(directory: Path, first: int) -> None:
    log = Log.open(directory / "log", segment_bytes=SEGMENT_BYTES)
    sink = Sink(log, [SqliteWriter(directory / "store.sqlite")], SCHEMA)
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
