"""Run by test_outages: states for SQLite and for a PostgreSQL that nobody has started.

Prints the bytes that were put, by how many of them the process has grown since a fifth of them, and the rows
that wait in the log. The states are those of the same proxies, so that SQLite's own cache does not grow.
"""

import asyncio
import resource
import tempfile
from pathlib import Path

from eagleray.actors.sink import Sink
from eagleray.actors.sinks.log.log import Log
from eagleray.actors.sinks.registry import create_writer, parse_store
from eagleray.pipelines.proxies.tables import PROXIES
from eagleray.pipelines.tables import encode_batch, seal
from tests.bench.sink import SCHEMA, proxy
from tests.servers.redis import free_port

BATCH = 2_000
BATCHES = 150
PAGE = resource.getpagesize()


def states(number: int) -> bytes:
    rows = [proxy(f"192.0.{i >> 8}.{i & 255}", number) for i in range(BATCH)]
    return encode_batch([seal("proxies", PROXIES, rows, 0)])


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


async def main(directory: Path) -> None:
    urls = ("sqlite", f"postgresql://127.0.0.1:{free_port()}/pool")
    sink = Sink(
        Log.open(directory / "log"), [create_writer(parse_store(url, directory)) for url in urls], SCHEMA
    )
    put = early = 0
    for number in range(BATCHES):
        if number == BATCHES // 5:
            await sink.flush(or_fails=True)
            early = resident()
        data = states(number)
        put += len(data)
        await sink.put(data)
    await sink.flush(or_fails=True)
    grown = resident() - early
    print(put, grown, (await sink.stats()).stores["postgresql"].lag_rows)
    await sink.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        asyncio.run(main(Path(name)))
