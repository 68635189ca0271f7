"""ClickHouse end to end (put -> log -> store) beside a bare program with the same rows and tables.

`python -m tests.bench.stores_clickhouse [PROXIES]`, 100 000 unless told: state and check of each. The bare
program sends as many rows an insert (Native, by column) without a log, without looking for what is there. The
engine is real, its HTTP interface is the tests'; its files are on disk.
"""

import asyncio
import gc
import random
import sys
import time
from collections.abc import Awaitable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from eagleray.actors.sinks.clickhouse import ClickHouseWriter
from eagleray.actors.sinks.clickhouse_client import connect, parse_address
from eagleray.pipelines.tables import Kind, encode_batch, seal
from tests.bench.sink import BATCH, SCHEMA, TABLES, Rows, batches, through_sink
from tests.servers.clickhouse import ClickHouse, started

SINGLE_ROWS = 200
GROUP_BATCHES = ClickHouseWriter.group_rows // (2 * BATCH)

Round = Sequence[tuple[Rows, Rows]]


def own(parts: Round) -> list[tuple[Rows, Rows]]:
    """The checks as of now, so that the TTL keeps them; each value an object of its own, as from a wire."""
    now = time.time()
    for _, checks in parts:
        for row in checks:
            row[4] = now
    decoded: list[tuple[Rows, Rows]] = msgspec.msgpack.decode(msgspec.msgpack.encode(parts))
    return decoded


def turned(place: int, rows: Rows) -> list[list[Any]]:
    """Rows by column, times in microseconds."""
    columns = [list(column) for column in zip(*rows, strict=True)]
    for time_place in TABLES[place].places(Kind.TIME):
        columns[time_place] = [value and round(value * 1e6) for value in columns[time_place]]
    return columns


class Bare:
    """A program that inserts by the client alone."""

    def __init__(self, url: str) -> None:
        self._client = connect(parse_address(url))
        self._types = [
            [row[1] for row in self._client.query(f"DESCRIBE {table.name}").result_rows] for table in TABLES
        ]

    def insert(self, place: int, rows: Rows) -> None:
        """Insert rows of one of the tables."""
        table = TABLES[place]
        self._client.insert(
            table.name,
            turned(place, rows),
            column_names=table.names,
            column_type_names=self._types[place],
            column_oriented=True,
        )

    def all(self, parts: Round) -> None:
        """One insert for each group and table."""
        for at in range(0, len(parts), GROUP_BATCHES):
            for place in range(len(TABLES)):
                self.insert(place, [row for part in parts[at : at + GROUP_BATCHES] for row in part[place]])

    def by_row(self, parts: Round) -> None:
        """One insert a row."""
        for place in range(len(TABLES)):
            for row in parts[0][place][: SINGLE_ROWS // 2]:
                self.insert(place, [row])


async def made(server: ClickHouse, name: str) -> str:
    """The URL of a database with the tables."""
    server.query(f"CREATE DATABASE {name}")
    writer = ClickHouseWriter.from_url("clickhouse", f"{server.url}/{name}")
    await writer.open()
    await writer.migrate(SCHEMA)
    await writer.close()
    return f"{server.url}/{name}"


async def timed(what: Awaitable[Any]) -> float:
    start = time.perf_counter()
    await what
    return time.perf_counter() - start


async def measure(server: ClickHouse, directory: Path, rounds: Sequence[Round]) -> None:
    """Print the figures."""
    rows = 2 * sum(len(part[0]) for part in rounds[0])
    payloads = [
        [
            encode_batch([seal("proxies", t, each, 0) for t, each in zip(TABLES, part, strict=True)])
            for part in parts
        ]
        for parts in rounds
    ]
    # A server's first inserts take longer, whoever makes them.
    await asyncio.to_thread(Bare(await made(server, "warm")).all, rounds[0][:GROUP_BATCHES])
    writer = ClickHouseWriter.from_url("clickhouse", await made(server, "whole"))
    whole = await through_sink(writer, directory / "log", payloads)
    bare = Bare(await made(server, "plain"))
    plain = [await timed(asyncio.to_thread(bare.all, parts)) for parts in rounds]
    single = SINGLE_ROWS / await timed(
        asyncio.to_thread(Bare(await made(server, "single")).by_row, rounds[0])
    )
    for title, mine, other in zip(("new", "again"), whole, plain, strict=True):
        rate, bare_rate = rows / mine, rows / other
        print(
            f"{title}: put to ClickHouse {rate:,.0f} rows/s, bare inserts {bare_rate:,.0f} rows/s: "
            f"{rate / bare_rate:.2f} x; row by row {single:,.0f} rows/s: {rate / single:.0f} x"
        )


def main(proxies: int = 100_000) -> None:
    """Print the figures."""
    chance = random.Random(1)
    ips = [f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in chance.sample(range(1 << 22), proxies)]
    rounds = [own(list(batches(ips, first))) for first in (0, proxies)]
    gc.freeze()  # millions of our own values, which the sink's collector would go through again and again
    with TemporaryDirectory() as name, started(directory=Path(name)) as server:
        asyncio.run(measure(server, Path(name), rounds))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
