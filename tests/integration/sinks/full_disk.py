"""Run by test_full_disk on a small file system: a log that fills it, and goes on when there is room.

Usage: full_disk.py DIRECTORY FSYNC. Says on stdout, as JSON, what happened.
"""

import asyncio
import json
import sys
from itertools import count
from pathlib import Path

from eagleray.actors.sinks.log.frames import START
from eagleray.actors.sinks.log.log import Fsync, Log

PUTTERS = 4
PAYLOAD = 5_000  # bytes
FILLER = 400_000  # bytes that are freed once the disk is full
AFTERWARDS = 20  # appends that have to succeed then


async def main(directory: Path, fsync: Fsync) -> None:
    filler = directory / "filler"
    filler.write_bytes(bytes(FILLER))
    log = Log.open(directory / "log", fsync, segment_bytes=100_000)
    answered: list[int] = []
    numbers = count()
    enough = asyncio.Event()
    wanted = sys.maxsize

    async def put_on() -> None:
        while not enough.is_set():
            number = next(numbers)
            await log.append(b"%d " % number + bytes(PAYLOAD), 1)
            answered.append(number)
            if len(answered) >= wanted:
                enough.set()

    putters = [asyncio.create_task(put_on()) for _ in range(PUTTERS)]
    while not log.blocked:  # noqa: ASYNC110 (what it waits for has no event)
        await asyncio.sleep(0.01)
    blocked, before = log.blocked, len(answered)
    wanted = before + AFTERWARDS
    filler.unlink()
    await asyncio.gather(*putters)
    await log.close()
    log = Log.open(directory / "log")
    found = [int(frame.payload.split()[0]) for frame in log.read(START)]
    report = {"blocked": blocked, "before": before, "answered": answered, "found": found}
    print(json.dumps(report | {"damaged": len(log.damaged), "still blocked": log.blocked}))
    await log.close()


asyncio.run(main(Path(sys.argv[1]), Fsync(sys.argv[2])))
