"""The log alone, for each fsync policy: eight putters with batches of 2 000 records.

`python -m tests.bench.log [RECORDS]`, 1 000 000 unless told: as many states as checks of proxies.
"""

import asyncio
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from eagleray.actors.sinks.log.frames import START
from eagleray.actors.sinks.log.log import Fsync, Log
from eagleray.pipelines.proxies.tables import CHECKS, PROXIES
from eagleray.pipelines.tables import encode_batch, seal
from tests.bench.sink import BATCH, check, in_turn, proxy


def payload(first: int) -> bytes:
    """A batch: half of its records are states, half are checks."""
    numbers = range(first, first + BATCH // 2)
    rows = [[make(f"10.0.{n >> 8 & 255}.{n & 255}", n) for n in numbers] for make in (proxy, check)]
    return encode_batch(
        [seal("proxies", table, part, 0) for table, part in zip((PROXIES, CHECKS), rows, strict=True)]
    )


async def append_all(directory: Path, payloads: Sequence[bytes], fsync: Fsync) -> tuple[float, float]:
    """Seconds until every payload is answered for, and to read them all again."""
    log = Log.open(directory, fsync)
    start = time.perf_counter()
    await in_turn(lambda payload: log.append(payload, BATCH), payloads)
    appended = time.perf_counter()
    assert sum(frame.records for frame in log.read(START)) == BATCH * len(payloads)
    read = time.perf_counter()
    await log.close()
    return appended - start, read - appended


def main(records: int = 1_000_000) -> None:
    """Print the figures."""
    payloads = [payload(first) for first in range(0, records // 2, BATCH // 2)]
    size = sum(map(len, payloads)) / 1e6
    with TemporaryDirectory() as name:
        for fsync in Fsync:
            appending, reading = asyncio.run(append_all(Path(name) / fsync, payloads, fsync))
            print(
                f"fsync {fsync}: {records / appending:,.0f} records/s, {size / appending:,.0f} MB/s; "
                f"read again {records / reading:,.0f} records/s"
            )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
