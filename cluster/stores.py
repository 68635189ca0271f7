"""A store as commands read it: opened, asked and closed in one thread."""

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

from eagleray.actors.sinks.base import Schema, StoreError, StoreUnavailable, Writer, path_of
from eagleray.actors.sinks.registry import KINDS, StoreUrl, create_writer
from eagleray.actors.sinks.sqlite_reader import SqliteReader
from eagleray.cluster.pool import alive
from eagleray.pipelines.proxies.tables import CHECKS, CYCLES, PROXIES
from eagleray.pipelines.tables import Query, Row


class Readable(Protocol):
    """What answers queries."""

    def read(self, query: Query) -> list[Row]:
        """The rows that answer `query`."""


class Reader:
    """Asks a writer's store; its connection stays with one event loop."""

    def __init__(self, runner: asyncio.Runner, writer: Writer) -> None:
        self._runner, self._writer = runner, writer

    def read(self, query: Query) -> list[Row]:
        """The rows that answer `query`."""
        return self._runner.run(self._writer.read(query))


class Health(NamedTuple):
    """How a store answers: in how long, when a run last wrote there, or why it does not."""

    milliseconds: float
    written_at: float | None  # Unix seconds, to the minute; None where it has no run, or can't be asked
    error: str = ""


def health(store: StoreUrl) -> Health:
    """Ask a store for the latest run, where it can be asked; changes nothing."""
    start = time.perf_counter()
    try:
        require_there(store)
        if not KINDS[store.kind].reads:
            require_writable(path_of(store.url))
            return Health((time.perf_counter() - start) * 1000, None)
        with opened(store) as pool:
            pool.read(alive(1))
            rows = pool.read(Query(CYCLES, order=("-ended_at",), limit=1))
    except (StoreError, ValueError) as error:
        return Health(0.0, None, str(error))
    written_at = rows[0][CYCLES.names.index("ended_at")] if rows else None
    return Health((time.perf_counter() - start) * 1000, written_at)


def is_there(store: StoreUrl) -> bool:
    """Whether a store has its files, if it is one of files.

    Raises:
        StoreUnavailable: nobody can tell.
    """
    if not KINDS[store.kind].files:
        return True
    path = path_of(store.url)
    try:
        return path.exists()
    except OSError as error:
        raise StoreUnavailable(f"{path}: {error.strerror}") from error


def require_there(store: StoreUrl) -> None:
    """Refuse a store of files that is not there: opening it would make it.

    Raises:
        StoreUnavailable: it is not, or nobody can tell.
    """
    if not is_there(store):
        raise StoreUnavailable(
            f"there is nothing at {path_of(store.url)} yet: `eagleray store migrate` makes it"
        )


async def open_to_read(store: StoreUrl, writer: Writer) -> None:
    """Open a store of which only `scan` is wanted; nothing is changed there.

    Raises:
        StoreError: it is not there, or does not answer.
    """
    require_there(store)
    if store.kind != "sqlite":  # to open a SQLite file prepares it for writing; `scan` reads it on its own
        await writer.open()


def require_writable(folder: Path) -> None:
    """Refuse a folder that this user may not write to.

    Raises:
        StoreUnavailable: it is one.
    """
    if not os.access(folder, os.W_OK | os.X_OK):
        raise StoreUnavailable(f"{folder} can't be written: give it to the user who runs Eagleray")


def prepare(store: StoreUrl, schema: Schema) -> str:
    """Make a store's tables or bring them up to date; why it does not answer now, or nothing.

    Raises:
        SchemaMismatch: its tables are not, and can't be made, those of this program.
        ValueError: its URL has what the store does not understand.
    """
    writer = create_writer(store)
    with asyncio.Runner() as runner:
        try:
            runner.run(writer.open())
            runner.run(writer.migrate(schema))
        except StoreUnavailable as error:
            return str(error)
        finally:
            runner.run(writer.close())
    return ""


@contextmanager
def opened(store: StoreUrl) -> Iterator[Readable]:
    """The pool in a store. A SQLite file is opened read-only, also while others write it.

    Raises:
        StoreError: it can't be read.
        ValueError: its URL has what the store does not understand, or it is of a kind that can't be asked.
    """
    if not KINDS[store.kind].reads:
        asked = ", ".join(kind for kind, described in KINDS.items() if described.reads)
        raise ValueError(
            f"a store of kind {store.kind} can't be asked, its files are for other programs; "
            f"give one of these: {asked}"
        )
    if store.kind == "sqlite":
        reader = SqliteReader(path_of(store.url), (PROXIES, CHECKS))
        try:
            yield reader
        finally:
            reader.close()
        return
    writer = create_writer(store)
    with asyncio.Runner() as runner:
        try:
            runner.run(writer.open())
            yield Reader(runner, writer)
        finally:
            runner.run(writer.close())
