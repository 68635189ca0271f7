# ruff: noqa: S608 (every name comes from a table description in our code; values are bound)
"""What a store of files knows of itself, in a SQLite file beside them: their sizes, and which rows they hold.

Files alone can't be written exactly once: a crash leaves half a write, and what is delivered again looks new.
So a write is what a transaction here says it is; what the files have beyond that goes.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from eagleray.actors.sinks.base import SchemaMismatch
from eagleray.pipelines.tables import Row, Table

BUSY_SECONDS = 1.0  # whoever else has the journal open keeps it until he ends
DIGEST_BYTES = 8  # two of a million rows of a day have the same with a chance of 1 : 30 000 000

# EXCLUSIVE: one process writes to the files, and no shared memory is needed. FULL: see sinks/sqlite.py.
SETTINGS = """
PRAGMA locking_mode = EXCLUSIVE;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA cache_size = -65536;
CREATE TABLE IF NOT EXISTS versions (name TEXT PRIMARY KEY, version INT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS files (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- names a part, so it must not come again
    path TEXT NOT NULL UNIQUE, name TEXT NOT NULL, day INT NOT NULL, size INT NOT NULL, at REAL NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS garbage (path TEXT PRIMARY KEY) STRICT;
"""
# Identities stand by day, so that new ones come to few pages, and a day goes as a whole.
TABLE = """
CREATE TABLE IF NOT EXISTS seen_{name} (day INT, id INT, PRIMARY KEY (day, id)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rows_{name} (key BLOB PRIMARY KEY, newest ANY, at REAL, row BLOB) STRICT;
"""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Any]).decode


class Current(NamedTuple):
    """A row as it is now; `row` is None where it is known only so that an older one does not come back."""

    row: Row
    at: float  # Unix seconds from which on it ages
    kept: bool


class Journal:
    """An open journal. Blocking; for one thread. Paths are relative to the store's folder."""

    def __init__(self, path: Path) -> None:
        """Open or create the file, and keep everybody else out.

        Raises:
            sqlite3.Error: another process has it open, or it is no journal.
        """
        path.touch(mode=0o600)  # rows may hold the passwords of proxies
        self._connection = sqlite3.connect(path, timeout=BUSY_SECONDS)
        try:
            self._connection.executescript(SETTINGS)
        except sqlite3.Error:
            self._connection.close()
            raise

    def prepare(self, tables: Iterable[Table]) -> None:
        """Make room for tables.

        Raises:
            SchemaMismatch: a newer program has written one of them.
        """
        with self.transaction():
            for table in tables:
                known = self._value("SELECT version FROM versions WHERE name = ?", table.name)
                if known is not None and known > table.version:
                    raise SchemaMismatch(
                        f"table {table.name} in the store has version {known}, this program knows "
                        f"{table.version}: use the newer Eagleray that wrote there, or another folder"
                    )
                for statement in TABLE.format(name=table.name).strip().splitlines():
                    self._connection.execute(statement)
                self._connection.execute("REPLACE INTO versions VALUES (?, ?)", (table.name, table.version))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is done in the block, or nothing; durable when it ends."""
        self._connection.execute("BEGIN IMMEDIATE")
        with self._connection:
            yield

    def unseen(self, table: Table, day: int, rows: Iterable[Row]) -> list[Row]:
        """Those of the rows of a day that neither it nor the days beside it have; from now on it has them.

        Work that is done again around midnight may fall on another day than before.
        """
        places = key_places(table)
        statement = (
            f"INSERT INTO seen_{table.name} SELECT ?1, ?2 WHERE NOT EXISTS ("
            f"SELECT 1 FROM seen_{table.name} WHERE day IN (?1 - 1, ?1, ?1 + 1) AND id = ?2)"
        )
        execute = self._connection.execute
        return [row for row in rows if execute(statement, (day, digest(row, places))).rowcount]

    def put(self, table: Table, rows: Iterable[Current]) -> bool:
        """Let these be current: on a conflict the newest wins, or the first stays. True where any changed."""
        places = key_places(table)
        newest = table.names.index(table.newest) if table.newest else None
        changes = self._connection.executemany(
            f"INSERT INTO rows_{table.name} VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET newest = "
            "excluded.newest, at = excluded.at, row = excluded.row WHERE excluded.newest > newest",
            (
                (
                    _encode([row[i] for i in places]),
                    None if newest is None else row[newest],
                    at,
                    _encode(row) if kept else None,
                )
                for row, at, kept in rows
            ),
        )
        return changes.rowcount > 0

    def current(self, table: Table) -> Iterator[Row]:
        """The current rows, those of an older version with the defaults of what they lack."""
        defaults = [column.default for column in table.columns]
        for (row,) in self._connection.execute(
            f"SELECT row FROM rows_{table.name} WHERE row IS NOT NULL ORDER BY rowid"
        ):
            values = _decode(row)
            yield values + defaults[len(values) :]

    def expire(self, table: Table, before: float) -> int:
        """Forget the rows that are older; how many of them were kept ones."""
        delete = f"DELETE FROM rows_{table.name} WHERE at < ? RETURNING row IS NOT NULL"
        return sum(kept for (kept,) in self._connection.execute(delete, (before,)))

    def next_file(self) -> int:
        """The number of the next new file."""
        return int(self._value("SELECT ifnull(max(seq), 0) + 1 FROM sqlite_sequence WHERE name = 'files'"))

    def set_file(self, table: Table, day: int, path: str, size: int, at: float) -> None:
        """Note how many bytes of a day's file count, as of `at` (Unix seconds)."""
        self._connection.execute(
            "INSERT INTO files (path, name, day, size, at) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (path) DO UPDATE SET size = excluded.size, at = excluded.at",
            (path, table.name, day, size, at),
        )

    def resize(self, path: str, size: int) -> None:
        """Note that a file was cut to so many bytes; with none left it is none of the store's."""
        self._connection.execute("UPDATE files SET size = ? WHERE path = ?", (size, path))
        self._connection.execute("DELETE FROM files WHERE size = 0")

    def size(self, path: str) -> int | None:
        """The bytes of a file that count; None where it is none of the store's."""
        size: int | None = self._value("SELECT size FROM files WHERE path = ?", path)
        return size

    def sizes(self) -> dict[str, int]:
        """The bytes that count of every file."""
        return dict(self._connection.execute("SELECT path, size FROM files"))

    def files(self, table: Table, day: int) -> list[str]:
        """The files of a day, in the order in which they were made."""
        find = "SELECT path FROM files WHERE name = ? AND day = ? ORDER BY id"
        return [path for (path,) in self._connection.execute(find, (table.name, day))]

    def crowded_days(self, table: Table, before: int, quiet_since: float) -> list[int]:
        """The days before `before` that have several files, none younger than `quiet_since`."""
        find = (
            "SELECT day FROM files WHERE name = ? AND day < ? GROUP BY day"
            " HAVING count(*) > 1 AND max(at) < ? ORDER BY day"
        )
        return [day for (day,) in self._connection.execute(find, (table.name, before, quiet_since))]

    def first_day(self, table: Table, before: int) -> int | None:
        """The first day before `before` that has rows."""
        find = f"SELECT min(day) FROM seen_{table.name} WHERE day < ?"
        day: int | None = self._value(find, before)
        return day

    def forget_day(self, table: Table, day: int) -> int:
        """Give up a day, and its files as garbage; how many rows it had."""
        self.discard(self.files(table, day))
        return self._connection.execute(f"DELETE FROM seen_{table.name} WHERE day = ?", (day,)).rowcount

    def discard(self, paths: Iterable[str]) -> None:
        """Let files be garbage."""
        for path in paths:
            self._connection.execute("DELETE FROM files WHERE path = ?", (path,))
            self._connection.execute("INSERT OR IGNORE INTO garbage VALUES (?)", (path,))

    def garbage(self) -> list[str]:
        """The files to remove."""
        return [path for (path,) in self._connection.execute("SELECT path FROM garbage")]

    def garbage_gone(self) -> None:
        """Say that all of them are removed."""
        with self.transaction():
            self._connection.execute("DELETE FROM garbage")

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _value(self, statement: str, *values: Any) -> Any:
        row = self._connection.execute(statement, values).fetchone()
        return row[0] if row else None


def key_places(table: Table) -> list[int]:
    """Where in a row the columns of the key stand."""
    return [table.names.index(name) for name in table.key]


def digest(row: Row, places: Iterable[int]) -> int:
    """The identity of a row as a number that SQLite takes."""
    key = _encode([row[i] for i in places])
    return int.from_bytes(blake2b(key, digest_size=DIGEST_BYTES).digest(), "little", signed=True)
