"""What the stores of files have in common: each row once, whatever is delivered again, whenever it ends.

A write is a transaction of the journal (see `file_journal`). The current rows stand in the journal and are
written from there as whole files: with every write while that is quick, else now and then. See `file_history`
for the rest.
"""

import asyncio
import logging
import os
import sqlite3
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any, BinaryIO, ClassVar, Self, TypeVar

import msgspec

from eagleray.actors.sinks.base import (
    RowsRejected,
    Schema,
    SchemaMismatch,
    StoreError,
    StoreUnavailable,
    path_of,
)
from eagleray.actors.sinks.file_journal import Current, Journal
from eagleray.actors.sinks.files import sync_directory
from eagleray.pipelines.tables import Envelope, Key, Kind, Query, Row, Table, open_rows

logger = logging.getLogger(__name__)

T = TypeVar("T")

QUICK = 0.1  # seconds: a whole file that takes no longer is written with every write
SHARE = 0.1  # of the time, at most, is spent on one that takes longer

Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
Time = Annotated[float, msgspec.Meta(ge=-62_135_596_800.0, lt=253_402_300_799.0)]  # the years 1 to 9999
WIRE: dict[Kind, Any] = {
    Kind.TEXT: str,
    Kind.LIST: str,
    Kind.INTEGER: Int64,
    Kind.REAL: float,
    Kind.BOOLEAN: bool,
    Kind.ADDRESS: str,
    Kind.TIME: Time,
    Kind.JSON: str,
}


class FileWriter(ABC):
    """A folder of files, written in one thread. It can't be asked: other programs read the files."""

    kind: ClassVar[str]
    group_rows = 20_000
    linger = 5.0
    mode = 0o600  # of files: rows may hold the passwords of proxies
    folder_mode = 0o700

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self.identity = str(folder)
        self._folder = folder
        self._tables: dict[str, Table] = {}  # those wanted
        self._types: dict[str, Any] = {}  # of a list of rows, by table
        self._known: set[str] = set()  # all tables
        self._journal: Journal | None = None
        self._stale: set[str] = set()  # tables whose whole file lacks something
        self._next_export: dict[str, float] = {}  # by table; time.monotonic
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=self.kind)

    @classmethod
    def from_url(cls, name: str, url: str) -> Self:
        """A writer of `<kind>:///absolute/folder`, or `<kind>:relative/folder`."""
        return cls(path_of(url), name)

    async def open(self) -> None:
        """Open or create the folder, and bring its files to where the last finished write left them."""
        await self._run(self._open)

    async def migrate(self, schema: Schema) -> None:
        """Know the tables; files need no other preparation."""
        await self._run(lambda: self._migrate(schema))

    async def write(self, envelopes: Sequence[Envelope]) -> None:
        """Store the rows of all envelopes, all or none."""
        await self._run(lambda: self._write(envelopes))

    async def read(self, query: Query) -> list[Row]:
        """Refuse: see `StoreKind.reads`."""
        raise StoreUnavailable(f"a store of kind {self.kind} can't be asked")

    async def scan(self, table: Table, after: Key | None, limit: int) -> list[Row]:
        """Refuse: see `StoreKind.reads`."""
        raise StoreUnavailable(f"a store of kind {self.kind} can't be asked")

    async def prune(self, now: float) -> int:
        """Remove what is past its time to live, a day at most; bring whole files up to date."""
        return await self._run(lambda: self._prune(now))

    async def close(self) -> None:
        """Bring whole files up to date and give up the folder."""
        if self._journal is not None:
            await self._run(self._close)
        self._thread.shutdown()

    @abstractmethod
    def wanted(self, schema: Schema) -> Iterable[Table]:
        """The tables of which anything is kept."""

    @abstractmethod
    def export(self, table: Table, rows: Iterable[Row]) -> None:
        """Write the current rows of a table as a whole."""

    @abstractmethod
    def tidy(self, now: float) -> int:
        """Remove what is past its time and do what is not urgent, a bounded part of it; rows that went."""

    def take(self, envelopes: Sequence[Envelope]) -> None:
        """Store rows. What happens in a transaction that fails is undone by `recover`."""
        for table, rows in self.opened(envelopes):
            self.put(table, rows)

    def current(self, table: Table, row: Row) -> Current:
        """What the journal is to remember of a row."""
        return Current(row, 0.0, True)

    def settle(self) -> None:
        """Do what follows from a transaction that has ended."""
        if paths := self.journal.garbage():
            for path in paths:
                (self._folder / path).unlink(missing_ok=True)
            self.journal.garbage_gone()

    def recover(self) -> None:
        """Bring the files to where the journal says that they are."""
        self.settle()

    @property
    def journal(self) -> Journal:
        """The open journal.

        Raises:
            StoreUnavailable: there is none.
        """
        if self._journal is None:
            raise StoreUnavailable(f"{self._folder} is not open")
        return self._journal

    def opened(self, envelopes: Sequence[Envelope]) -> Iterator[tuple[Table, list[Row]]]:
        """The rows of the tables that are wanted, every value of its column's type and within its bounds.

        Raises:
            RowsRejected: they are no rows of a table.
        """
        for envelope in envelopes:
            if envelope.table not in self._known:
                raise RowsRejected(f"no table {envelope.table}")
            if table := self._tables.get(envelope.table):
                yield table, typed_rows(envelope, table, self._types[table.name])

    def put(self, table: Table, rows: Iterable[Row]) -> None:
        """Let these be current rows."""
        if self.journal.put(table, (self.current(table, row) for row in rows)):
            self._stale.add(table.name)

    def made(self, folder: Path) -> None:
        """Make a folder durably, where it is missing."""
        if not folder.exists():
            self.made(folder.parent)
            folder.mkdir(mode=self.folder_mode)
            sync_directory(folder.parent)

    @contextmanager
    def written(self, path: Path) -> Iterator[BinaryIO]:
        """A new file in the making: on the disk when the block ends, and in place by `put_in_place`."""
        handle = os.open(hidden(path), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, self.mode)
        with open(handle, "wb") as file:  # noqa: PTH123 (a mode for the file)
            yield file
            file.flush()
            os.fsync(handle)
        sync_directory(path.parent)

    async def _run(self, call: Callable[[], T]) -> T:
        def run() -> T:
            try:
                return call()
            except sqlite3.Error as error:  # its messages name no values
                busy = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY
                hint = " (is another run writing there?)" if busy else ""
                raise StoreUnavailable(f"{self._folder}: {error}{hint}") from error
            except OSError as error:
                raise StoreUnavailable(f"{self._folder}: {error.strerror or error}") from error

        return await asyncio.get_running_loop().run_in_executor(self._thread, run)

    def _open(self) -> None:
        if self._journal is not None:
            self._journal.close()
            self._journal = None
        self.made(self._folder)
        self._journal = Journal(self._folder / f".eagleray-{self.kind}.sqlite")
        sync_directory(self._folder)
        self.recover()

    def _migrate(self, schema: Schema) -> None:
        tables = {table.name: table for table in self.wanted(schema)}
        for table in tables.values():
            if table.partition and table.newest:
                raise SchemaMismatch(f"table {table.name}: files of history can't replace rows")
        self.journal.prepare(tables.values())
        self._known = {table.name for table in schema.tables}
        self._tables, self._types = tables, {name: row_type(table) for name, table in tables.items()}
        self._stale = {name for name, table in tables.items() if not table.partition}
        self._export()

    def _write(self, envelopes: Sequence[Envelope]) -> None:
        try:
            with self.journal.transaction():
                self.take(envelopes)
        except Exception:
            with suppress(OSError, sqlite3.Error, StoreError):  # `open` does it, then
                self.recover()
            raise
        self.settle()
        self._export()

    def _prune(self, now: float) -> int:
        removed = self.tidy(now)
        self.settle()
        self._export()
        return removed

    def _export(self, anyhow: bool = False) -> None:
        """Write whole files that are stale, as often as they may be."""
        for name in sorted(self._stale):
            begin = time.monotonic()
            if anyhow or begin >= self._next_export.get(name, begin):
                self.export(self._tables[name], self.journal.current(self._tables[name]))
                end = time.monotonic()
                self._next_export[name] = end + ((end - begin) / SHARE if end - begin > QUICK else 0.0)
                self._stale.discard(name)

    def _close(self) -> None:
        try:
            self._export(anyhow=True)
        except (OSError, sqlite3.Error) as error:
            logger.warning("store %s: its files are not up to date: %s", self.name, error)
        self.journal.close()
        self._journal = None


def hidden(path: Path) -> Path:
    """Where a file is made: who looks for its ending does not see it."""
    return path.with_name(f".{path.name}.new")


def put_in_place(paths: Sequence[Path]) -> None:
    """Let readers see new files, each at once, one right after the other."""
    for path in paths:
        hidden(path).replace(path)
    for folder in {path.parent for path in paths}:
        sync_directory(folder)


def typed_rows(envelope: Envelope, table: Table, row_types: Any) -> list[Row]:
    """The rows of an envelope.

    Raises:
        RowsRejected: they are none, or a value is not of its type; neither message holds values.
    """
    try:
        rows: list[Row] = msgspec.convert(open_rows(envelope, table), row_types)
    except ValueError as error:
        raise RowsRejected(f"rows of {table.name}: {error}") from error
    return rows


def row_type(table: Table) -> Any:
    """The type of a list of rows."""
    types = (WIRE[column.kind] | None if column.nullable else WIRE[column.kind] for column in table.columns)
    return list[tuple[tuple(types)]]  # type: ignore[misc]
