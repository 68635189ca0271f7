"""Redis or Valkey: the sink end to end beside a bare program with one pipeline a batch, and row by row.

`python -m tests.bench.stores_redis [valkey|redis] [PROXIES]`, 100 000 unless told. Every program ends with
the same hashes, expiries, sets and ranking; the bare ones keep no entries by which members leave again.
"Again" writes newer states of the same proxies.
"""

import asyncio
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from redis import Redis

from eagleray.actors.sinks.redis import RedisWriter
from eagleray.pipelines.proxies.tables import FRESH, PROXIES
from eagleray.pipelines.tables import encode_batch, seal
from tests.bench.sink import batches, through_sink
from tests.servers.redis import RedisServer, started

ROW_BY_ROW = 2_000  # proxies: it is slow
LAST_OK = PROXIES.names.index("last_ok")

Rows = list[list[object]]


def commands(client, row: list[object]) -> None:
    """What a program does that knows this one table."""
    fields = dict(zip(PROXIES.names, row, strict=True))
    member = f"{fields['ip']}:{fields['port']}"
    client.hset(f"proxy:{member}", mapping={name: str(value) for name, value in fields.items()})
    client.expireat(f"proxy:{member}", int(fields["last_ok"] + FRESH))
    for protocol in fields["protocols"].split(","):
        client.sadd(f"proxies:{protocol}", member)
    client.sadd(f"proxies:country:{fields['country']}", member)
    client.sadd(f"proxies:anonymity:{fields['anonymity']}", member)
    client.zadd("proxies:score", {member: fields["score"]})


def bare(server: RedisServer, rounds: Sequence[Sequence[Rows]]) -> list[float]:
    """Seconds of each round, one pipeline a batch."""
    seconds = []
    with server.client() as client:
        client.flushall()
        for parts in rounds:
            start = time.perf_counter()
            for rows in parts:
                pipeline = client.pipeline(transaction=False)
                for row in rows:
                    commands(pipeline, row)
                pipeline.execute()
            seconds.append(time.perf_counter() - start)
    return seconds


def row_by_row(server: RedisServer, rows: Rows) -> float:
    """Seconds with an answer awaited for each command."""
    with server.client() as client:
        client.flushall()
        start = time.perf_counter()
        for row in rows:
            commands(client, row)
        return time.perf_counter() - start


def slowest_script(client: Redis) -> float:
    """Milliseconds of the slowest script that the server remembers."""
    return max((each["duration"] for each in client.slowlog_get(10_000)), default=0) / 1000


def fresh(rows: Rows) -> Rows:
    """The rows as if they had worked just now."""
    now = time.time()
    return [[*row[:LAST_OK], now, *row[LAST_OK + 1 :]] for row in rows]


def main(kind: str = "valkey", proxies: int = 100_000) -> None:
    """Print the figures."""
    chance = random.Random(1)
    ips = [f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in chance.sample(range(1 << 22), proxies)]
    rounds = [[fresh(rows) for rows, _ in batches(ips, first)] for first in (0, proxies)]
    payloads = [[encode_batch([seal("proxies", PROXIES, rows, 0)]) for rows in parts] for parts in rounds]
    with TemporaryDirectory() as name, started(kind, "--slowlog-log-slower-than", "1000") as server:
        single = ROW_BY_ROW / row_by_row(server, rounds[0][0][:ROW_BY_ROW])
        plain = bare(server, rounds)
        with server.client() as client:
            client.flushall()
            client.slowlog_reset()
            writer = RedisWriter.from_url("redis", f"redis://{server.address}/0")
            whole = asyncio.run(through_sink(writer, Path(name) / "log", payloads))
            slowest = slowest_script(client)
            kept = client.zcard("proxies:score")
    assert kept == proxies
    for title, bare_seconds, sink_seconds in zip(("new", "again"), plain, whole, strict=True):
        rate, bare_rate = proxies / sink_seconds, proxies / bare_seconds
        print(
            f"{kind}, {title}: put to store {rate:,.0f} rows/s, bare pipeline {bare_rate:,.0f} rows/s: "
            f"{rate / bare_rate:.2f} x; row by row {single:,.0f} rows/s: {rate / single:.1f} x"
        )
    print(f"{kind}: the slowest script took {slowest:.1f} ms")


if __name__ == "__main__":
    main(*sys.argv[1:2], *map(int, sys.argv[2:3]))
