"""Reading a SQLite file, also from another process while it is written to."""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISREG
from typing import Any

from eagleray.actors.sinks.base import (
    RowsRejected,
    SchemaMismatch,
    StoreError,
    StoreUnavailable,
    describe_mismatch,
)
from eagleray.actors.sinks.sqlite_statements import page, select
from eagleray.pipelines.tables import Key, Kind, Query, Row, Table

FileId = tuple[int, int]  # device and inode

BUSY_SECONDS = 5.0  # another process may hold the write lock for a checkpoint


class SqliteReader:
    """A read-only connection, also from another process while the writer writes. Blocking; for one thread."""

    def __init__(self, path: Path, tables: Sequence[Table]) -> None:
        """Open the file.

        Raises:
            StoreUnavailable: there is no such file, or it is no database.
            SchemaMismatch: a table is missing there, or lacks columns.
        """
        self._path = path
        with translated(path):
            self.file = file_at(path)
            mode = "mode=ro&immutable=1" if never_changes(path) else "mode=ro"
            uri = f"{path.absolute().as_uri()}?{mode}"
            self._connection = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS)
        try:
            with translated(path):
                require_columns(self._connection, tables)
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

    def _rows(self, table: Table, statement: str, values: Sequence[Any]) -> list[Row]:
        with translated(self._path):
            rows: list[Row] = self._connection.execute(statement, values).fetchall()
        booleans = table.places(Kind.BOOLEAN)
        return [restored(row, booleans) for row in rows] if booleans else rows


def file_at(path: Path) -> FileId | None:
    """Which file has this name now; None: there is none.

    Raises:
        StoreUnavailable: it is a directory, or a pipe, which SQLite would wait for.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    if not S_ISREG(found.st_mode):
        raise StoreUnavailable(f"SQLite {path} is not a file: move it away, or give another store")
    return found.st_dev, found.st_ino


def never_changes(path: Path) -> bool:
    """Whether a file is on a read-only file system, and whole: SQLite could not make its files beside it."""
    whole = not path.with_name(path.name + "-wal").exists()
    return whole and path.exists() and bool(os.statvfs(path).f_flag & os.ST_RDONLY)


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
    except (ValueError, OverflowError) as error:
        raise RowsRejected(f"SQLite {path}: {error}") from error
    except sqlite3.Error as error:
        raise StoreUnavailable(f"SQLite {path}: {error}") from error
    except OSError as error:
        raise StoreUnavailable(f"SQLite {path}: {error.strerror or error}") from error


def columns_of(connection: sqlite3.Connection, table: Table) -> tuple[str, ...]:
    """The columns that a table has in the file; none where there is no such table."""
    found = connection.execute("SELECT name FROM pragma_table_info(?)", (table.name,))
    return tuple(name for (name,) in found)


def require_columns(connection: sqlite3.Connection, tables: Sequence[Table], migrated: bool = False) -> None:
    """Refuse a file whose tables are not as described.

    Raises:
        SchemaMismatch: a table is missing, or its columns are others.
    """
    for table in tables:
        found = columns_of(connection, table)
        if found != table.names:
            raise SchemaMismatch(describe_mismatch(table, found, migrated))


def restored(row: Row, booleans: Sequence[int]) -> Row:
    """A row with its booleans, which SQLite keeps as integers."""
    values = list(row)
    for i in booleans:
        values[i] = bool(values[i])
    return values
