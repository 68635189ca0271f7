"""The sink end to end (put -> log -> SQLite) beside bare `executemany` of the same rows.

`python -m tests.bench.sink [PROXIES]`, 200 000 unless told: state and check of each, in batches of 2 000
rows of either table. "Again" puts newer states of the proxies that are there.
"""

import asyncio
import random
import sqlite3
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from eagleray.actors.sink import Sink
from eagleray.actors.sinks.base import Writer
from eagleray.actors.sinks.log.log import Log
from eagleray.actors.sinks.migrations import schema_of
from eagleray.actors.sinks.sqlite import SETTINGS, SqliteWriter
from eagleray.actors.sinks.sqlite_statements import upsert
from eagleray.pipelines.proxies.pipeline import ProxyPipeline
from eagleray.pipelines.proxies.tables import CHECKS, PROXIES
from eagleray.pipelines.tables import encode_batch, seal

SCHEMA = schema_of(ProxyPipeline())
TABLES = (PROXIES, CHECKS)
BATCH = 2_000
SINGLE_ROWS = 1_000  # of each table, a transaction each
PUTTING_AT_ONCE = 8
REPORT = '{"http":{"outcome":"ok","connect_ms":41.2,"first_byte_ms":180.5,"total_ms":181.0}}'

Rows = list[list[object]]


def proxy(ip: str, number: int) -> list[object]:
    """A row of `PROXIES`, of which `number` is the lease."""
    seen = 1.7e9 + number
    head = [ip, 8080, "", "", True, "ok", "http,https", "http", "NL", "elite", "", ip, "a-list"]
    measured = [0.92, 0.9, 0.71, 9.5, 181.0, 240.0, 0.55]
    return [*head, *measured, 12, 0, seen, seen, seen, seen, seen + 600, number]


def check(ip: str, number: int) -> list[object]:
    """A row of `CHECKS`, young enough to be kept."""
    return [ip, 8080, "", number, 4e9, "node-1", "ok", "elite", ip, 180.5, True, REPORT, "NL", "a-list", "{}"]


def batches(ips: Sequence[str], first: int) -> Iterator[tuple[Rows, Rows]]:
    """Rows of both tables by the batch."""
    for at in range(0, len(ips), BATCH):
        part = list(enumerate(ips[at : at + BATCH], first + at))
        yield [proxy(ip, number) for number, ip in part], [check(ip, number) for number, ip in part]


def bare(path: Path, rounds: Sequence[Sequence[tuple[Rows, Rows]]]) -> list[float]:
    """Seconds of each round with the sink's own statements and settings, in one transaction a round."""
    connection = sqlite3.connect(path)
    connection.executescript(SETTINGS)
    for script in SCHEMA.scripts["sqlite"]:
        connection.executescript(script.sql)
    seconds = []
    for parts in rounds:
        start = time.perf_counter()
        with connection:
            for part in parts:
                for table, rows in zip(TABLES, part, strict=True):
                    connection.executemany(upsert(table), rows)
        seconds.append(time.perf_counter() - start)
    connection.close()
    return seconds


def row_by_row(path: Path, parts: Sequence[tuple[Rows, Rows]]) -> float:
    """Rows a second with a transaction for each."""
    connection = sqlite3.connect(path)
    connection.executescript(SETTINGS)
    for script in SCHEMA.scripts["sqlite"]:
        connection.executescript(script.sql)
    start = time.perf_counter()
    for number in range(SINGLE_ROWS):
        for table, rows in zip(TABLES, parts[0], strict=True):
            with connection:
                connection.execute(upsert(table), rows[number])
    seconds = time.perf_counter() - start
    connection.close()
    return 2 * SINGLE_ROWS / seconds


async def through_sink(writer: Writer, log: Path, rounds: Sequence[Sequence[bytes]]) -> list[float]:
    """Seconds of each round from the first put to the last row in a store; fsync `always`."""
    sink = Sink(Log.open(log), [writer], SCHEMA)
    await sink.start()
    seconds = []
    for payloads in rounds:
        start = time.perf_counter()
        await in_turn(sink.put, payloads)
        await sink.flush()
        seconds.append(time.perf_counter() - start)
    await sink.close()
    return seconds


async def in_turn(put, payloads: Sequence[bytes]) -> None:
    """Put everything, so many at a time."""
    rest = iter(payloads)

    async def put_on() -> None:
        for payload in rest:
            await put(payload)

    await asyncio.gather(*(put_on() for _ in range(PUTTING_AT_ONCE)))


def main(proxies: int = 200_000) -> None:
    """Print the figures."""
    chance = random.Random(1)
    ips = [f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in chance.sample(range(1 << 22), proxies)]
    rounds = [list(batches(ips, first)) for first in (0, proxies)]
    payloads = [
        [
            encode_batch([seal("proxies", t, rows, 0) for t, rows in zip(TABLES, part, strict=True)])
            for part in parts
        ]
        for parts in rounds
    ]
    with TemporaryDirectory() as name:
        directory = Path(name)
        single = row_by_row(directory / "single.sqlite", rounds[0])
        plain = bare(directory / "bare.sqlite", rounds)
        whole = asyncio.run(
            through_sink(SqliteWriter(directory / "sink.sqlite"), directory / "log", payloads)
        )
        for title, bare_seconds, sink_seconds in zip(("new", "again"), plain, whole, strict=True):
            rate, bare_rate = 2 * proxies / sink_seconds, 2 * proxies / bare_seconds
            print(
                f"{title}: put to SQLite {rate:,.0f} rows/s, bare executemany {bare_rate:,.0f} rows/s: "
                f"{rate / bare_rate:.2f} x; row by row {single:,.0f} rows/s: {rate / single:.0f} x"
            )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
