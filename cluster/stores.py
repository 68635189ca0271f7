"""A store as commands read it: opened, asked and closed in one thread."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from eagleray.actors.sinks.base import Writer, path_of
from eagleray.actors.sinks.registry import StoreUrl, create_writer
from eagleray.actors.sinks.sqlite import SqliteReader
from eagleray.pipelines.proxies.tables import CHECKS, PROXIES
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


@contextmanager
def opened(store: StoreUrl) -> Iterator[Readable]:
    """The pool in a store. A SQLite file is opened read-only, also while others write it.

    Raises:
        StoreError: it can't be read.
        ValueError: its URL has what the store does not understand.
    """
    if store.kind == "sqlite":
        reader = SqliteReader(Path(path_of(store.url)), (PROXIES, CHECKS))
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
