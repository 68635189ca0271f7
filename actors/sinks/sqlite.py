"""SQLite, the store that needs no setting up. Statements are made from table descriptions."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from eagleray.actors.sinks.base import RowsRejected, SchemaMismatch, StoreError, StoreUnavailable
from eagleray.actors.sinks.sqlite_statements import ddl, page, prune, select, upsert
from eagleray.pipelines.tables import Envelope, Key, Kind, Query, Row, Table, open_rows

T = TypeVar("T")

BUSY_SECONDS = 5.0  # another process may hold the write lock for a checkpoint
CACHE_KIB = 64 << 10  # the tree of a million rows stays in memory while random keys are updated
CHECKPOINT_PAGES = 16_384  # 64 MiB of 4 kB pages: a page that changes often is copied to the database once
PRUNE_ROWS = 10_000  # deleted at a time: about 0.1 s in which the writer writes nothing

# FULL, not NORMAL: NORMAL may lose the last transactions in a power cut, when the cursor has passed them.
SETTINGS = f"""
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA cache_size = -{CACHE_KIB};
PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES};
PRAGMA journal_size_limit = {2 * 4096 * CHECKPOINT_PAGES};
CREATE TABLE IF NOT EXISTS schema_versions (name TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT;
"""


class SqliteReader:
    """A read-only connection, also from another process while the writer writes. Blocking; for one thread."""

    def __init__(self, path: Path, tables: Sequence[Table]) -> None:
        """Open the file.

        Raises:
            StoreUnavailable: there is no such file, or it is no database.
            SchemaMismatch: a table has another version there, or is missing.
        """
        self._path = path
        with translated(path):
            uri = f"{path.absolute().as_uri()}?mode=ro"
            self._connection = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS)
        try:
            self._require_versions(tables)
        except StoreError:
            self.close()
            raise

    def read(self, query: Query) -> list[Row]:
        """The rows that answer `query`."""
        return self._rows(query.table, *select(query))

    def scan(self, table: Table, after: Key | None, limit: int) -> list[Row]:
        """Up to `limit` rows in the order of the key, from behind `after` on."""
        return self._rows(table, *page(table, after, limit))

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _require_versions(self, tables: Sequence[Table]) -> None:
        with translated(self._path):
            stored = stored_versions(self._connection)
        for table in tables:
            require_version(table, stored.get(table.name))

    def _rows(self, table: Table, statement: str, values: Sequence[Any]) -> list[Row]:
        with translated(self._path):
            rows: list[Row] = self._connection.execute(statement, values).fetchall()
        booleans = [i for i, column in enumerate(table.columns) if column.kind is Kind.BOOLEAN]
        return [restored(row, booleans) for row in rows] if booleans else rows


class SqliteWriter:
    """One file; one thread writes, another reads, so that reading never waits for a transaction."""

    name = "sqlite"

    def __init__(self, path: Path) -> None:
        self._path = path
        self._tables: dict[tuple[str, int], tuple[Table, str]] = {}  # by name and version, with the upsert
        self._connection: sqlite3.Connection | None = None
        self._reader: SqliteReader | None = None
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="sqlite-write")
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="sqlite-read")

    async def open(self) -> None:
        """Open or create the file."""
        await self._in(self._writing, self._open)

    async def migrate(self, tables: Sequence[Table]) -> None:
        """Create the tables and indexes that are missing."""
        await self._in(self._writing, lambda: self._migrate(tables))

    async def write(self, envelopes: Sequence[Envelope]) -> None:
        """Store the rows of all envelopes in one transaction."""
        await self._in(self._writing, lambda: self._write(envelopes))

    async def read(self, query: Query) -> list[Row]:
        """The rows that answer `query`."""
        return await self._in(self._reading, lambda: self._read_connection().read(query))

    async def scan(self, table: Table, after: Key | None, limit: int) -> list[Row]:
        """Up to `limit` rows in the order of the key, from behind `after` on."""
        return await self._in(self._reading, lambda: self._read_connection().scan(table, after, limit))

    async def prune(self, now: float) -> int:
        """Delete up to `PRUNE_ROWS` rows of each table past their time to live."""
        return await self._in(self._writing, lambda: self._prune(now))

    async def close(self) -> None:
        """Close both connections."""
        if self._reader is not None:
            await self._in(self._reading, self._reader.close)
        if self._connection is not None:
            await self._in(self._writing, self._connection.close)
        self._connection = self._reader = None
        self._reading.shutdown()
        self._writing.shutdown()

    async def _in(self, thread: ThreadPoolExecutor, call: Callable[[], T]) -> T:
        def run() -> T:
            with translated(self._path):
                return call()

        return await asyncio.get_running_loop().run_in_executor(thread, run)

    def _open(self) -> None:
        if self._connection is None:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._path.touch(mode=0o600)  # rows may hold the passwords of proxies
            connection = sqlite3.connect(self._path, timeout=BUSY_SECONDS)
            try:
                connection.executescript(SETTINGS)
            except sqlite3.Error:
                connection.close()
                raise
            self._connection = connection

    def _migrate(self, tables: Sequence[Table]) -> None:
        connection = self._write_connection()
        stored = stored_versions(connection)
        for table in tables:
            if table.name in stored:
                require_version(table, stored[table.name])
        with connection:
            for statement in (statement for table in tables for statement in ddl(table)):
                connection.execute(statement)
            connection.executemany(
                "INSERT INTO schema_versions VALUES (?, ?) ON CONFLICT DO NOTHING",
                [(table.name, table.version) for table in tables],
            )
        self._tables = {(table.name, table.version): (table, upsert(table)) for table in tables}

    def _write(self, envelopes: Sequence[Envelope]) -> None:
        connection = self._write_connection()
        with connection:
            for envelope in envelopes:
                known = self._tables.get((envelope.table, envelope.version))
                if known is None:
                    raise RowsRejected(f"no table {envelope.table} in version {envelope.version}")
                connection.executemany(known[1], open_rows(envelope))

    def _prune(self, now: float) -> int:
        connection = self._write_connection()
        deleted = 0
        for table, _ in self._tables.values():
            if table.partition and table.time_to_live:
                with connection:
                    values = (now - table.time_to_live, PRUNE_ROWS)
                    deleted += connection.execute(prune(table), values).rowcount
        return deleted

    def _write_connection(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StoreUnavailable(f"SQLite {self._path} is not open")
        return self._connection

    def _read_connection(self) -> SqliteReader:
        if self._reader is None:
            self._reader = SqliteReader(self._path, [table for table, _ in self._tables.values()])
        return self._reader


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn what SQLite raises into the errors of `Writer`. SQLite's messages name columns, never values."""
    try:
        yield
    except (
        sqlite3.ProgrammingError,
        sqlite3.IntegrityError,
        sqlite3.DataError,
        sqlite3.InterfaceError,
    ) as error:
        raise RowsRejected(f"SQLite {path}: {error}") from error
    except (msgspec.MsgspecError, OverflowError) as error:
        raise RowsRejected(f"SQLite {path}: rows that are no rows ({type(error).__name__})") from error
    except (sqlite3.Error, OSError) as error:
        raise StoreUnavailable(f"SQLite {path}: {error}") from error


def stored_versions(connection: sqlite3.Connection) -> dict[str, int]:
    """The version of each table in the file."""
    return dict(connection.execute("SELECT name, version FROM schema_versions"))


def require_version(table: Table, stored: int | None) -> None:
    """Refuse a table of another version.

    Raises:
        SchemaMismatch: `stored` is not the version of `table`; it is None where the table is missing.
    """
    if stored != table.version:
        found = "is missing" if stored is None else f"has version {stored}"
        raise SchemaMismatch(f"table {table.name} {found} in the store, this program needs {table.version}")


def restored(row: Row, booleans: Sequence[int]) -> Row:
    """A row with its booleans, which SQLite keeps as integers."""
    values = list(row)
    for i in booleans:
        values[i] = bool(values[i])
    return values
