"""PostgreSQL end to end (put -> log -> store) beside a bare program with the same rows and tables.

`python -m tests.bench.stores_postgresql [PROXIES]`, 100 000 unless told: state and check of each. The bare
program copies 20 000 rows a transaction into temporary tables and moves them by INSERT … ON CONFLICT, without
a log, without sorting out what a group has twice, without looking into other days. The server syncs to disk.
"""

import asyncio
import random
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import asyncpg

from eagleray.actors.sinks.postgresql import PostgresqlWriter
from eagleray.actors.sinks.postgresql_statements import BOUND, TYPED, stage, staged
from eagleray.pipelines.tables import Kind, Table, encode_batch, seal
from tests.bench.sink import SCHEMA, TABLES, Rows, batches, through_sink
from tests.servers.postgresql import started

SINGLE_ROWS = 2_000
SINGLE = {Kind.ADDRESS: "nullif({}::text, '')::inet", Kind.JSON: "{}::text::json"}
GROUP_BATCHES = 5  # of 2 000 rows of either table
DURABLE = ("fsync=on", "full_page_writes=on", "shared_buffers=512MB", "max_wal_size=4GB")


def recent(rounds: Sequence[Sequence[tuple[Rows, Rows]]]) -> None:
    """Let the checks be of now, so that they stand in a day's partition."""
    now = time.time()
    for parts in rounds:
        for _, checks in parts:
            for row in checks:
                row[4] = now


def conflict(table: Table) -> str:
    """What becomes of a row that is there."""
    if table.newest is None:
        return "ON CONFLICT DO NOTHING"
    changes = ", ".join(f"{name} = excluded.{name}" for name in table.names if name not in table.key)
    newer = f"excluded.{table.newest} > {table.name}.{table.newest}"
    return f"ON CONFLICT ({', '.join(table.key)}) DO UPDATE SET {changes} WHERE {newer}"


def insert(table: Table, source: str) -> str:
    """The statement that a bare program uses."""
    return f"INSERT INTO {table.name} ({', '.join(table.names)}) {source} {conflict(table)}"


async def bare(connection: Any, parts: Sequence[tuple[Rows, Rows]]) -> None:
    """COPY and ON CONFLICT."""
    for at in range(0, len(parts), GROUP_BATCHES):
        async with connection.transaction():
            for place, table in enumerate(TABLES):
                rows = [row for part in parts[at : at + GROUP_BATCHES] for row in part[place]]
                await connection.execute(stage(table))
                await connection.copy_records_to_table(staged(table), records=rows, columns=table.names)
                typed = ", ".join(TYPED.get(c.kind, "{}").format(c.name) for c in table.columns)
                await connection.execute(insert(table, f"SELECT {typed} FROM {staged(table)}"))


async def by_row(connection: Any, parts: Sequence[tuple[Rows, Rows]]) -> int:
    """One INSERT a row; how many."""
    count = 0
    for place, table in enumerate(TABLES):
        values = [SINGLE.get(c.kind, BOUND[c.kind]).format(f"${i}") for i, c in enumerate(table.columns, 1)]
        statement = await connection.prepare(insert(table, f"VALUES ({', '.join(values)})"))
        for row in parts[0][place][: SINGLE_ROWS // 2]:
            await statement.fetch(*row)
            count += 1
    return count


async def timed(what: Any) -> float:
    start = time.perf_counter()
    await what
    return time.perf_counter() - start


async def measure(
    url: Callable[[], str], directory: Path, rounds: Sequence[Sequence[tuple[Rows, Rows]]]
) -> None:
    rows = 2 * sum(len(part[0]) for part in rounds[0])
    payloads = [
        [
            encode_batch([seal("proxies", t, each, 0) for t, each in zip(TABLES, part, strict=True)])
            for part in parts
        ]
        for parts in rounds
    ]
    writer = PostgresqlWriter.from_url("postgresql", url())
    whole = await through_sink(writer, directory / "log", payloads)

    plain_url = url()
    maker = PostgresqlWriter.from_url("postgresql", plain_url)
    await maker.open()
    await maker.migrate(SCHEMA)
    await maker.write([seal("proxies", TABLES[1], rounds[0][0][1][:1], 0)])  # makes the day's partition
    await maker.close()
    connection = await asyncpg.connect(plain_url)
    plain = [await timed(bare(connection, parts)) for parts in rounds]
    await connection.close()

    single_url = url()
    maker = PostgresqlWriter.from_url("postgresql", single_url)
    await maker.open()
    await maker.migrate(SCHEMA)
    await maker.close()
    connection = await asyncpg.connect(single_url)
    start = time.perf_counter()
    single = await by_row(connection, rounds[0]) / (time.perf_counter() - start)
    await connection.close()

    for title, mine, other in zip(("new", "again"), whole, plain, strict=True):
        rate, bare_rate = rows / mine, rows / other
        print(
            f"{title}: put to PostgreSQL {rate:,.0f} rows/s, bare COPY {bare_rate:,.0f} rows/s: "
            f"{rate / bare_rate:.2f} x; row by row {single:,.0f} rows/s: {rate / single:.0f} x"
        )


def main(proxies: int = 100_000) -> None:
    """Print the figures."""
    chance = random.Random(1)
    ips = [f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in chance.sample(range(1 << 22), proxies)]
    rounds = [list(batches(ips, first)) for first in (0, proxies)]
    recent(rounds)
    with started(*DURABLE) as server, TemporaryDirectory() as name:
        made = []

        def url() -> str:
            made.append(f"bench_{len(made)}")
            server.sql(f"CREATE DATABASE {made[-1]}")
            return server.url(made[-1])

        asyncio.run(measure(url, Path(name), rounds))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
