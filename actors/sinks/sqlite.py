"""SQLite, the store that needs no setting up. Statements are made from table descriptions."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from eagleray.actors.sinks.base import RowsRejected, Schema, StoreUnavailable, path_of
from eagleray.actors.sinks.migrations import pending
from eagleray.actors.sinks.sqlite_reader import (
    BUSY_SECONDS,
    FileId,
    SqliteReader,
    columns_of,
    file_at,
    require_columns,
    translated,
)
from eagleray.actors.sinks.sqlite_statements import prune, upsert
from eagleray.pipelines.tables import Envelope, Key, Query, Row, Table, open_rows

T = TypeVar("T")

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
CREATE TABLE IF NOT EXISTS schema_migrations (
    pipeline TEXT NOT NULL, version INT NOT NULL, name TEXT NOT NULL, applied_at TEXT NOT NULL,
    PRIMARY KEY (pipeline, version)
) STRICT;
"""


class SqliteWriter:
    """One file; one thread writes, another reads, so that reading never waits for a transaction."""

    group_rows = 20_000
    linger = 0.0

    def __init__(self, path: Path, name: str = "sqlite") -> None:
        self.name = name
        self.identity = str(path)
        self._path = path
        self._tables: dict[str, tuple[Table, str]] = {}  # by name, with the upsert
        self._connection: sqlite3.Connection | None = None
        self._file: FileId | None = None  # the one that the connection has open
        self._reader: SqliteReader | None = None
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="sqlite-write")
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="sqlite-read")

    @classmethod
    def from_url(cls, name: str, url: str) -> "SqliteWriter":
        """A writer of `sqlite:///absolute/path`, or `sqlite:relative/path`."""
        return cls(path_of(url), name)

    async def open(self) -> None:
        """Open or create the file."""
        await self._in(self._writing, self._open)

    async def migrate(self, schema: Schema) -> None:
        """Run the scripts that the file lacks; the lock on writing lets one process do it at a time."""
        await self._in(self._writing, lambda: self._migrate(schema))

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
        if self._connection is not None and self._file != file_at(self._path):
            self._connection.close()
            self._connection = None
        if self._connection is None:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._path.touch(mode=0o600)  # rows may hold the passwords of proxies
            self._file = file_at(self._path)
            connection = sqlite3.connect(self._path, timeout=BUSY_SECONDS)
            try:
                connection.executescript(SETTINGS)
            except sqlite3.Error:
                connection.close()
                raise
            self._connection = connection

    def _migrate(self, schema: Schema) -> None:
        connection = self._write_connection()
        try:
            run_scripts(connection, schema)
        except sqlite3.OperationalError:
            if not applied_version(connection, schema.pipeline):  # then no table is ours
                strangers = [table for table in schema.tables if columns_of(connection, table)]
                require_columns(connection, strangers, migrated=True)
            raise
        require_columns(connection, schema.tables, migrated=True)
        self._tables = {table.name: (table, upsert(table)) for table in schema.tables}

    def _write(self, envelopes: Sequence[Envelope]) -> None:
        connection = self._write_connection()
        with connection:
            for envelope in envelopes:
                if envelope.table not in self._tables:
                    raise RowsRejected(f"no table {envelope.table}")
                table, statement = self._tables[envelope.table]
                connection.executemany(statement, open_rows(envelope, table))

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
        if self._file != file_at(self._path):  # SQLite would go on writing to a file without a name
            raise StoreUnavailable(f"SQLite {self._path} was deleted, moved or replaced: it is opened anew")
        return self._connection

    def _read_connection(self) -> SqliteReader:
        if self._reader is not None and self._reader.file != file_at(self._path):
            self._reader.close()
            self._reader = None
        if self._reader is None:
            self._reader = SqliteReader(self._path, ())
        return self._reader


def run_scripts(connection: sqlite3.Connection, schema: Schema) -> None:
    """Run those that the file lacks, all or none."""
    connection.execute("BEGIN IMMEDIATE")
    with connection:
        applied = applied_version(connection, schema.pipeline)
        for script in pending(schema.scripts["sqlite"], applied):
            for statement in statements(script.sql):
                connection.execute(statement)
            connection.execute(
                "INSERT INTO schema_migrations VALUES (?, ?, ?, datetime())",
                (schema.pipeline, script.version, script.name),
            )


def applied_version(connection: sqlite3.Connection, pipeline: str) -> int:
    """The last script that ran in the file."""
    find = "SELECT ifnull(max(version), 0) FROM schema_migrations WHERE pipeline = ?"
    return int(connection.execute(find, (pipeline,)).fetchone()[0])


def statements(sql: str) -> Iterator[str]:
    """The statements of a script. `executescript` would end the transaction that the script runs in."""
    text = ""
    for line in sql.splitlines(keepends=True):
        text += line
        if sqlite3.complete_statement(text):
            yield text
            text = ""
