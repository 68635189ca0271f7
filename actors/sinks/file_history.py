"""History in files: a row stands in a file of its UTC day, once, and goes with the day."""

import logging
import os
from abc import abstractmethod
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

from eagleray.actors.sinks.base import Schema, StoreUnavailable
from eagleray.actors.sinks.file_writer import FileWriter, hidden, put_in_place
from eagleray.pipelines.tables import Envelope, Row, Table

logger = logging.getLogger(__name__)

MICROSECONDS = 1_000_000
DAY = 86_400 * MICROSECONDS
EPOCH = date(1970, 1, 1).toordinal()


class HistoryWriter(FileWriter):
    """Keeps all tables: those with a partition by the day, the others as they are now."""

    made_here: ClassVar[str]  # pattern of the files in the making

    def __init__(self, folder: Path, name: str) -> None:
        super().__init__(folder, name)
        self._new: list[Path] = []  # files that a transaction brings which has not ended

    @abstractmethod
    def encoded(self, table: Table, rows: Sequence[Row]) -> Any:
        """Rows of history in the form in which `append` takes them."""

    @abstractmethod
    def append(self, table: Table, day: int, chunks: Sequence[Any]) -> None:
        """Bring what was encoded into a file of the day, durably, and note that in the journal."""

    def wanted(self, schema: Schema) -> Iterable[Table]:
        """All tables."""
        return schema.tables

    def take(self, envelopes: Sequence[Envelope]) -> None:
        """Current rows go to the journal; those of history that are new to the files of their days."""
        history: dict[tuple[str, int], list[Any]] = defaultdict(list)
        for table, rows in self.opened(envelopes):
            if not table.partition:
                self.put(table, rows)
                continue
            for day, some in by_day(table, rows).items():
                if new := self.journal.unseen(table, day, some):
                    history[table.name, day].append(self.encoded(table, new))
        for (name, day), chunks in history.items():
            self.append(self._tables[name], day, chunks)

    @contextmanager
    def brought(self, path: Path) -> Iterator[BinaryIO]:
        """A new file, which readers see when the transaction has ended."""
        if path.exists() and path.stat().st_size:
            raise StoreUnavailable(f"{path} is none of this store's: move it away")
        self.made(path.parent)
        self._new.append(path)
        with self.written(path) as file:
            yield file

    def settle(self) -> None:
        """Let readers see the files that the last transaction brought."""
        put_in_place(self._new)
        self._new = []
        super().settle()

    def recover(self) -> None:
        """Bring the files to where the last transaction that ended has left them."""
        self._new = []
        paths = [self._folder / name for name in self.journal.sizes()]
        put_in_place([path for path in paths if hidden(path).exists()])
        for path in self._folder.glob(self.made_here):
            logger.warning("store %s: removed %s, a write that did not end", self.name, path)
            path.unlink()
        for name, size in self.journal.sizes().items():
            self._compare(name, size)
        super().recover()

    def _compare(self, name: str, size: int) -> None:
        """Cut off what a write left that did not end; bear with what others have cut off or taken away."""
        path = self._folder / name
        found = path.stat().st_size if path.exists() else 0
        if found > size:
            what = "store %s: cut %d bytes of a write that did not end off %s"
            logger.warning(what, self.name, found - size, path)
            os.truncate(path, size)
        elif found < size:
            logger.warning("store %s: %s is shorter than it was written", self.name, path)
            with self.journal.transaction():
                self.journal.resize(name, found)

    def tidy(self, now: float) -> int:
        """Remove the first day of each table of which all is past its time to live."""
        removed = 0
        for table in self._tables.values():
            if table.partition and table.time_to_live:
                day = self.journal.first_day(table, day_of(micros(now - table.time_to_live)))
                if day is not None:
                    with self.journal.transaction():
                        removed += self.journal.forget_day(table, day)
        return removed


def micros(seconds: float) -> int:
    """Unix microseconds."""
    return round(seconds * MICROSECONDS)


def day_of(microseconds: int) -> int:
    """The UTC day, counted from 1970."""
    return microseconds // DAY


def day_name(day: int) -> str:
    """A day as `2026-11-25`."""
    return date.fromordinal(EPOCH + day).isoformat()


def by_day(table: Table, rows: Iterable[Row]) -> dict[int, list[Row]]:
    """Rows of history by the day of their partition column."""
    assert table.partition is not None
    place = table.names.index(table.partition)
    days: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        days[day_of(micros(row[place]))].append(row)
    return days
