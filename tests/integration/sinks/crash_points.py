"""Run by test_crash_points: ends a store of files at every step of its work in turn, then lets it go on.

Usage: crash_points.py KIND DIRECTORY. For step n the folder DIRECTORY/n is written by a process that ends
before that step, a call of the system or the end of a transaction, without any cleaning up, and then by one
that gets all rows again, in other groups. Says on stdout how many steps there were.
"""

import asyncio
import os
import sys
import time
from pathlib import Path

import pyarrow

from eagleray.actors.sinks import file_journal, parquet
from eagleray.actors.sinks.base import Schema
from eagleray.actors.sinks.registry import StoreUrl, create_writer
from eagleray.pipelines.tables import Column, Kind, Table, seal

EVENTS = Table(
    "events", 1, (Column("id", Kind.INTEGER), Column("at", Kind.TIME)), key=("id",), partition="at"
)
STATE = Table(
    "state", 1, (Column("host", Kind.TEXT), Column("version", Kind.INTEGER)), key=("host",), newest="version"
)
DAY = 86_400.0
GROUPS = [range(6), range(4, 10)]  # of ids; some come twice, half of them on either of two days
STEPS = ["fsync", "pwrite", "ftruncate", "replace", "unlink", "mkdir"]
ENDED = 9  # by this status


def envelopes(ids: range) -> list:
    rows = [[i, i % 2 * DAY + i] for i in ids]
    return [seal("test", EVENTS, rows, 0), seal("test", STATE, [["host", ids[-1]]], 0)]


async def work(kind: str, folder: Path, groups: list[list]) -> None:
    store = create_writer(StoreUrl(kind, kind, f"{kind}:{folder}"))
    await store.open()
    await store.migrate(Schema("test", (EVENTS, STATE), {}))
    for group in groups:
        await store.write(group)
    for _ in range(2):  # a day at a time becomes one part
        await store.prune(time.time())
    await store.close()


def end_before(step: int) -> None:
    """Let this process end when it is about to take that step."""
    taken = 0

    def take(*_: object) -> None:
        nonlocal taken
        if taken == step:
            os._exit(ENDED)
        taken += 1

    for name in STEPS:
        call = getattr(os, name)
        setattr(os, name, lambda *args, _call=call, **options: (take(), _call(*args, **options))[1])
    connect = file_journal.sqlite3.connect

    def traced(*args: object, **options: object):
        connection = connect(*args, **options)
        connection.set_trace_callback(lambda statement: statement == "COMMIT" and take())
        return connection

    file_journal.sqlite3.connect = traced


def in_child(run) -> int:
    """The status with which a child process ends that does this."""
    if child := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        run()
        os._exit(0)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        os._exit(1)


def main(kind: str, directory: Path) -> None:
    parquet.QUIET = -1.0
    # What a process has written outlives it, in the kernel; the disk is not needed for that.
    file_journal.SETTINGS = file_journal.SETTINGS.replace("synchronous = FULL", "synchronous = OFF")
    os.fsync = lambda _: None
    pyarrow.array([1])  # imports what it needs, for all children
    first = [envelopes(ids) for ids in GROUPS]
    again = [[*first[0], *first[1]], first[1]]
    step, status = 0, ENDED
    while status == ENDED:
        folder = directory / str(step)

        def ending(step: int = step, folder: Path = folder) -> None:
            end_before(step)
            asyncio.run(work(kind, folder, first))

        status = in_child(ending)
        assert status in (0, ENDED)
        assert in_child(lambda folder=folder: asyncio.run(work(kind, folder, again))) == 0
        step += 1
    print(step)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
