"""What the sink asks of a store, and where it keeps how far each store has come."""

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol
from urllib.parse import unquote

from eagleray.actors.sinks.files import sync_directory
from eagleray.actors.sinks.log.frames import START, Position
from eagleray.pipelines.pipeline import Export
from eagleray.pipelines.tables import Envelope, Key, Query, Row, Table

logger = logging.getLogger(__name__)

NAMED = 5  # columns that a message names


class StoreError(Exception):
    """A store did not do what it was asked. Its message holds neither row values nor secrets."""


class StoreUnavailable(StoreError):
    """Raised when the same call may succeed later: no connection, a lock, a full disk."""


class RowsRejected(StoreError):
    """Raised when the rows are at fault: no later call with them will succeed."""


class SchemaMismatch(StoreError):
    """Raised when the store's tables have another version than the program's."""


class Script(NamedTuple):
    """A step of SQL from the version before to `version`; it runs once in each store."""

    version: int
    name: str
    sql: str


class Schema(NamedTuple):
    """The tables of a pipeline, the scripts that make them in each kind of store, and its text files."""

    pipeline: str
    tables: tuple[Table, ...]
    scripts: Mapping[str, tuple[Script, ...]]
    exports: Mapping[str, Export] = {}


class Writer(Protocol):
    """One store. It knows tables only by their descriptions, and raises nothing but `StoreError`.

    Made with `from_url(name, url)`, which connects to nothing.
    """

    name: str  # labels its metrics, its dead letters and its cursor
    identity: str  # which store this is, without secrets: a cursor belongs to one
    group_rows: int  # rows that are best written at once; a call may bring some more, or fewer
    linger: float  # seconds that rows may wait for a group to fill

    async def open(self) -> None:
        """Connect. Called before the first use and again after every failure, connected or not."""

    async def migrate(self, schema: Schema) -> None:
        """Run the scripts that the store lacks, each once, whoever else does the same; then know the tables.

        Raises:
            SchemaMismatch: a newer program has written there, or a table is not what it should be.
        """

    async def write(self, envelopes: Sequence[Envelope]) -> None:
        """Store every row, durably; a row that is there already changes nothing. All or nothing, if it can.

        Raises:
            RowsRejected: rows are at fault, so that it is worth finding out which.
        """

    async def read(self, query: Query) -> list[Row]:
        """The rows that answer `query`. Needs no `migrate`."""

    async def scan(self, table: Table, after: Key | None, limit: int) -> list[Row]:
        """Up to `limit` rows in the order of the key, from behind `after` on. Needs no `migrate`."""

    async def prune(self, now: float) -> int:
        """Remove a bounded number of rows past their time to live; how many it were."""

    async def close(self) -> None:
        """Give up the connection."""


def path_of(url: str) -> Path:
    """The path of a store of files: `sqlite:///srv/pool.sqlite` is absolute, `sqlite:pool.sqlite` relative.

    Raises:
        ValueError: there is none, or none that a file can have.
    """
    rest = url.partition(":")[2]
    path = unquote(rest.removeprefix("//"))
    if not path or (rest.startswith("//") and not rest.startswith("///")):
        raise ValueError(
            "a store of files needs a path, such as sqlite:///srv/pool.sqlite or sqlite:pool.sqlite"
        )
    if "\0" in path:
        raise ValueError("the path of a store can't have a zero byte (%00)")
    return Path("/" + path.lstrip("/") if path.startswith("/") else path)  # POSIX gives // a meaning


def describe_mismatch(table: Table, found: Sequence[str], migrated: bool = False) -> str:
    """Why a table with the columns `found` is not `table`, and what to do; none found: there is no table.

    `migrated`: the scripts ran, or can't run for it, so that `eagleray store migrate` does not help.
    """
    elsewhere = "rename or drop it, or give another store"
    if not found:
        made = "it was made, and dropped since: give another store"
        remedy = made if migrated else "`eagleray store migrate` makes it"
        return f"table {table.name} is missing in the store: {remedy}"
    if missing := [name for name in table.names if name not in found]:
        more = f" and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
        remedy = elsewhere if migrated else "`eagleray store migrate` brings an older one up to date"
        return (
            f"table {table.name} in the store is not that of this program "
            f"(it lacks {', '.join(missing[:NAMED])}{more}): {remedy}"
        )
    if unknown := [name for name in found if name not in table.names]:
        return (
            f"table {table.name} in the store has columns that this program does not know "
            f"({', '.join(unknown)}): drop them, and keep such in a table of your own"
        )
    return (
        f"table {table.name} in the store has its columns in another order: {', '.join(table.names)} is right"
    )


class Cursor:
    """How far a store has come in the log, kept in a file. Losing it costs time, not rows."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> tuple[Position, int | None]:
        """The saved position and its number; the log's start and None where there is none."""
        try:
            segment, offset, number = map(int, self._path.read_text().split())
            return Position(segment, offset), number
        except FileNotFoundError:
            return START, None
        except ValueError:
            logger.warning("cursor %s is unreadable: its store gets the whole log again", self._path)
            return START, None

    def save(self, position: Position, number: int) -> None:
        """Replace the saved position; `number` is that of the next record there."""
        replace_file(self._path, f"{position.segment} {position.offset} {number}\n")


def replace_file(path: Path, text: str) -> None:
    """Write a small file so that a crash leaves the old one or the new one, never a part.

    Raises:
        OSError: the disk is full or broken; it names the file.
    """
    temporary = path.with_name(path.name + ".new")
    try:
        with temporary.open("w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_directory(path.parent)
    except OSError as error:
        error.filename = error.filename or str(path)  # a write has none
        raise
