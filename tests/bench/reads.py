"""What `list`, `get` and `explain` take to read a large SQLite pool, and whole commands beside it.

`python -m tests.bench.reads [CHECKS]`, 1 000 000 unless told, and a tenth as many proxies: one in ten of them
has lived, and has all the checks, the first one a hundredth of them; one in twenty lives. Each read opens the
pool anew, as a command does. The CPU time is what other programs lengthen least.
"""

import asyncio
import random
import resource
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Any

from eagleray.actors.sinks.migrations import schema_of
from eagleray.actors.sinks.registry import parse_store
from eagleray.actors.sinks.sqlite import SqliteWriter
from eagleray.actors.sinks.sqlite_statements import select
from eagleray.cluster.cli.explain import accounts, identity
from eagleray.cluster.paths import database
from eagleray.cluster.pool import alive
from eagleray.cluster.stores import health, opened
from eagleray.pipelines.proxies.model import Anonymity, Protocol
from eagleray.pipelines.proxies.pipeline import ProxyPipeline
from eagleray.pipelines.proxies.tables import CHECKS, PROXIES
from eagleray.pipelines.tables import Envelope, Query, Row, seal

SCHEMA = schema_of(ProxyPipeline())
BATCH = 20_000
TIMES = 200
DAY = 86_400
COUNTRIES = ("NL", "DE", "US", "CN", "BR", "ID", "RU", "IN", "VN", "FR")
REPORT = '{"http":{"outcome":"ok","connect_ms":41.2,"first_byte_ms":180.5,"total_ms":181.0}}'
RECENT = (
    "SELECT hour, outcome, checks, latency_sum / latencies FROM checks_hourly WHERE hour >= ? ORDER BY hour"
)
COUNTED = (
    "SELECT CAST(checked_at / 3600 AS INT) * 3600 AS hour, outcome, count(*), avg(latency) FROM checks"
    " WHERE checked_at >= ? GROUP BY 1, 2 ORDER BY 1"
)


def proxy(ip: str, number: int, now: float, chance: random.Random) -> Row:
    """A row of `PROXIES`: every tenth has lived, every twentieth lives."""
    lives, lived = number % 20 == 0, number % 10 == 0
    spoken = chance.choice(("http", "http,https", "socks4", "socks5", "socks4,socks5")) if lived else ""
    country, level = chance.choice(COUNTRIES), chance.choice(list(Anonymity)) if lived else ""
    latency, score = (chance.lognormvariate(6.5, 0.8), chance.random()) if lived else (None, 0.0)
    outcome = "ok" if lives else "refused"
    head = [ip, 8080, "", "", lives, outcome, spoken, "http", country, level, "", ip, "a-list"]
    measured = [0.92, 0.9, 0.71, 9.5, latency, latency, score, 12, 0]
    return [
        *head,
        *measured,
        now - DAY,
        now if lived else None,
        now if lived else None,
        now,
        now + 600,
        number,
    ]


def check(ip: str, number: int, at: float, chance: random.Random) -> Row:
    """A row of `CHECKS`."""
    outcome = chance.choice(("ok", "ok", "ok", "timeout", "closed"))
    head = [ip, 8080, "", number, at, "checker-1", outcome, "elite", ip, chance.lognormvariate(6.5, 0.8)]
    return [*head, True, REPORT, "NL", "a-list", "{}"]


def history(ips: list[str], checks: int, now: float, chance: random.Random) -> Iterator[Envelope]:
    """All rows, the checks of thirty days in the order of time."""
    for at in range(0, len(ips), BATCH):
        part = enumerate(ips[at : at + BATCH], at)
        yield seal("proxies", PROXIES, [proxy(ip, number, now, chance) for number, ip in part], 0)
    lived = ips[::10]
    for at in range(0, checks, BATCH):
        numbers = range(at, min(at + BATCH, checks))
        rows = [
            check(
                lived[0] if n % 100 == 0 else chance.choice(lived),
                n,
                now - 30 * DAY * (1 - n / checks),
                chance,
            )
            for n in numbers
        ]
        yield seal("proxies", CHECKS, rows, 0)


async def fill(path: Path, envelopes: Iterator[Envelope]) -> None:
    """Write the pool as a run does."""
    store = SqliteWriter(path)
    await store.open()
    await store.migrate(SCHEMA)
    for envelope in envelopes:
        await store.write([envelope])
    await store.close()


def measure(title: str, call: Callable[[], Any]) -> None:
    """Print the percentiles of a call, and its CPU time."""
    seconds, cpu = [], []
    for _ in range(TIMES):
        start, used = time.perf_counter(), time.thread_time()
        call()
        seconds.append(time.perf_counter() - start)
        cpu.append(time.thread_time() - used)
    cuts = quantiles(seconds, n=100)
    figures = f"p50 {1000 * cuts[49]:7.2f}   p99 {1000 * cuts[98]:7.2f}   CPU {1000 * median(cpu):7.2f} ms"
    print(f"{title:<52} {figures}", flush=True)


def measure_reads(path: Path, ips: list[str], now: float, chance: random.Random) -> None:
    """The queries as the commands make them."""
    store = parse_store(f"sqlite:{path}", Path())

    def read(query: Query) -> Callable[[], list[Row]]:
        def run() -> list[Row]:
            with opened(store) as pool:
                return pool.read(query)

        return run

    def explain(which: Callable[[], str]) -> Callable[[], None]:
        def run() -> None:
            with opened(store) as pool:
                assert next(accounts(pool, identity(f"{which()}:8080")))["attempts"]

        return run

    queries = {
        "list: all that lives": alive(1_000_000),
        "list --limit 100": alive(100),
        "list --protocol socks5 --country NL --limit 100": alive(100, [Protocol.SOCKS5], ["NL"]),
        "get": alive(1),
        "get --protocol https --country FR --anonymity elite": alive(
            1, [Protocol.HTTPS], ["FR"], [Anonymity.ELITE]
        ),
        "get --country XX (none there)": alive(1, (), ["XX"]),
        "get --max-latency 100": alive(1, max_latency=100.0),
    }
    for title, query in queries.items():
        measure(title, read(query))
    measure("explain, some hundred attempts", explain(lambda: chance.choice(ips[10::10])))
    measure("explain, ten thousand attempts", explain(lambda: ips[0]))
    measure("store check: the newest", lambda: health(store))
    connection = sqlite3.connect(path)
    measure("a day by the hour, from the sums", lambda: connection.execute(RECENT, (now - DAY,)).fetchall())
    measure("thirty days by the hour, from the sums", lambda: connection.execute(RECENT, (0,)).fetchall())
    measure("a day by the hour, counted", lambda: connection.execute(COUNTED, (now - DAY,)).fetchall())
    for title, query in queries.items():
        statement, values = select(query)
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
        print(f"plan of {title}: {'; '.join(plan)}")
    connection.close()


def measure_commands(data: Path, ip: str) -> None:
    """Whole commands, and what of it is the interpreter's start and the imports."""
    imports = "import typer._adapters; from eagleray.cluster.cli.main import build; build(['pool'])"
    parts = {
        "python: an empty program": ["-c", "pass"],
        "… and what the commands import": ["-c", imports],
    }
    for words in (["get"], ["list", "--limit", "100"], ["explain", f"{ip}:8080"]):
        program = "from eagleray.cluster.cli.main import main; main()"
        parts[f"eagleray {words[0]}"] = ["-c", program, *words, "--data", str(data)]
    for title, arguments in parts.items():
        seconds, cpu = [], []
        for _ in range(15):
            start, used = time.perf_counter(), children_cpu()
            subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
            seconds.append(time.perf_counter() - start)
            cpu.append(children_cpu() - used)
        print(f"{title:<52} p50 {1000 * median(seconds):7.0f}   CPU {1000 * median(cpu):7.0f} ms", flush=True)


def children_cpu() -> float:
    """CPU seconds of all child processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main(checks: int = 1_000_000) -> None:
    """Print the figures."""
    chance, now = random.Random(1), float(int(time.time()))
    ips = [f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in chance.sample(range(1 << 22), checks // 10)]
    with TemporaryDirectory() as name:
        path = database(Path(name))
        start = time.perf_counter()
        asyncio.run(fill(path, history(ips, checks, now, chance)))
        size = path.stat().st_size / 1e6
        print(f"{checks + len(ips):,} rows written in {time.perf_counter() - start:.0f} s, {size:,.0f} MB")
        measure_reads(path, ips, now, chance)
        measure_commands(Path(name), ips[10])


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
