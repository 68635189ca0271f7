"""Run by test_kill: puts numbered batches into all stores, says which were answered for, until it is killed.

Usage: putter.py DIRECTORY URL…, then a line `INCARNATION FIRST` on stdin for each life. What takes time, the
imports, is done once: each life is a fork. It says `pid`, then each number answered for; at its end its
parent says `ended`. Batch n is the state and the check of three endpoints, of which n is the lease.
"""

import asyncio
import os
import sys
import time
import traceback
from contextlib import suppress
from importlib import import_module
from itertools import count
from pathlib import Path

from eagleray.actors import follower
from eagleray.actors.sink import Sink
from eagleray.actors.sinks import parquet
from eagleray.actors.sinks.base import Writer
from eagleray.actors.sinks.log.log import Log
from eagleray.actors.sinks.migrations import schema_of
from eagleray.actors.sinks.registry import KINDS, create_writer, parse_store
from eagleray.pipelines.proxies.pipeline import ProxyPipeline
from eagleray.pipelines.proxies.tables import CHECKS, PROXIES
from eagleray.pipelines.tables import encode_batch, seal

SCHEMA = schema_of(ProxyPipeline())
NEIGHBOURS = 3  # endpoints of one batch: they are there together or not at all
HOSTS = 40  # as often comes the next state of the same endpoints
DAYS = 3
DAY = 86_400.0
TODAY = time.time() // DAY * DAY
FOREVER = 4e9  # nothing of Redis expires before
PUTTING_AT_ONCE = 4
SEGMENT_BYTES = 16_384  # small, so that kills meet rolling and deleting too
GROUP_ROWS = 90


def host(n: int) -> int:
    return n % HOSTS + 1


def proxy(n: int, port: int) -> list[object]:
    ip = f"192.0.2.{host(n)}"
    head = [ip, port, "", "", True, "ok", "http,https", "http", "NL", "elite", "", ip, "a-list"]
    return [*head, 0.9, 0.9, 0.7, 9.5, latency(n), 240.0, 0.5, 12, 0, *[FOREVER] * 5, n]


def check(n: int, port: int) -> list[object]:
    ip, at = f"192.0.2.{host(n)}", checked_at(n)
    return [ip, port, "", n, at, "node", "ok", "elite", ip, latency(n), True, "{}", "NL", "a-list", "{}"]


def latency(n: int) -> float:
    """Something of each batch that is to come through, milliseconds."""
    return n % 1000 + 0.5


def checked_at(n: int) -> float:
    """On one of the days that are over, so that kills meet parts of them becoming one file, too."""
    return TODAY - (n % DAYS + 1) * DAY + 60.0


def ports() -> range:
    return range(8080, 8080 + NEIGHBOURS)


def batch(n: int, fence: int) -> bytes:
    rows = [[make(n, port) for port in ports()] for make in (proxy, check)]
    return encode_batch(
        [seal("proxies", table, part, fence) for table, part in zip((PROXIES, CHECKS), rows, strict=True)]
    )


def stores(urls: list[str]) -> list[Writer]:
    """The writers of all stores, hasty ones: each group is small, none lingers."""
    writers = [create_writer(parse_store(url, Path())) for url in urls]
    for writer in writers:
        writer.group_rows, writer.linger = GROUP_ROWS, 0.0
    return writers


def hasten() -> None:
    """Let failures be tried again, and days of files become one, at once."""
    follower.RETRY_FIRST, follower.RETRY_MOST, follower.PRUNE_EVERY = 0.01, 0.2, 0.05
    parquet.QUIET = -1.0


async def put_on(directory: Path, urls: list[str], incarnation: int, first: int) -> None:
    sink = Sink(Log.open(directory / "log", segment_bytes=SEGMENT_BYTES), stores(urls), SCHEMA)
    await sink.fence(incarnation)
    numbers = count(first)

    async def put() -> None:
        while True:
            n = next(numbers)
            await sink.put(batch(n, incarnation))
            os.write(1, b"%d\n" % n)

    await asyncio.gather(*(put() for _ in range(PUTTING_AT_ONCE)))


def live(directory: Path, urls: list[str], line: str) -> None:
    """One life, in a child."""
    pid = os.fork()
    if pid == 0:
        os.write(1, b"pid %d\n" % os.getpid())
        try:
            asyncio.run(put_on(directory, urls, *map(int, line.split())))
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    _, status = os.waitpid(pid, 0)
    os.write(1, b"ended %d\n" % os.waitstatus_to_exitcode(status))


def main(directory: Path, urls: list[str]) -> None:
    for module in (
        "pandas",
        "pyarrow.pandas_compat",
        *(kind.writer.partition(":")[0] for kind in KINDS.values()),
    ):
        with suppress(ImportError):  # pandas is imported by the drivers, where it is there
            import_module(module)
    hasten()
    for line in sys.stdin:
        live(directory, urls, line)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
