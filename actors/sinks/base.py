"""What the sink asks of a store, and where it keeps how far each store has come."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from eagleray.actors.sinks.frames import START, Position
from eagleray.actors.sinks.log import sync_directory
from eagleray.pipelines.tables import Envelope, Key, Query, Row, Table

logger = logging.getLogger(__name__)


class StoreError(Exception):
    """A store did not do what it was asked. Its message holds neither row values nor secrets."""


class StoreUnavailable(StoreError):
    """Raised when the same call may succeed later: no connection, a lock, a full disk."""


class RowsRejected(StoreError):
    """Raised when the rows are at fault: no later call with them will succeed."""


class SchemaMismatch(StoreError):
    """Raised when the store's tables have another version than the program's."""


class Writer(Protocol):
    """One store. It knows tables only by their descriptions, and raises nothing but `StoreError`."""

    name: str  # labels its metrics and its cursor

    async def open(self) -> None:
        """Connect. Called before the first use and again after every failure, connected or not."""

    async def migrate(self, tables: Sequence[Table]) -> None:
        """Create what is missing.

        Raises:
            SchemaMismatch: the store has a table in another version.
        """

    async def write(self, envelopes: Sequence[Envelope]) -> None:
        """Store every row, durably; a row that is there already changes nothing.

        Raises:
            RowsRejected: the rows, or a table in this version, are not what the store knows.
        """

    async def read(self, query: Query) -> list[Row]:
        """The rows that answer `query`."""

    async def scan(self, table: Table, after: Key | None, limit: int) -> list[Row]:
        """Up to `limit` rows in the order of the key, from behind `after` on."""

    async def prune(self, now: float) -> int:
        """Delete a bounded number of rows past their time to live; how many it were."""

    async def close(self) -> None:
        """Give up the connection."""


class Cursor:
    """How far a store has come in the log, kept in a file. Losing it costs time, not rows."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> Position:
        """The saved position; the log's start where there is none."""
        try:
            segment, offset = self._path.read_text().split()
            return Position(int(segment), int(offset))
        except FileNotFoundError:
            return START
        except ValueError:
            logger.warning("cursor %s is unreadable: its store gets the whole log again", self._path)
            return START

    def save(self, position: Position) -> None:
        """Replace the saved position."""
        replace_file(self._path, f"{position.segment} {position.offset}\n")


def replace_file(path: Path, text: str) -> None:
    """Write a small file so that a crash leaves the old one or the new one, never a part."""
    temporary = path.with_name(path.name + ".new")
    with temporary.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_directory(path.parent)
