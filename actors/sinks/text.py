"""Text files of what lives now: the pipeline says what stands in them (`Pipeline.exports`)."""

import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from eagleray.actors.sinks.base import Schema
from eagleray.actors.sinks.file_journal import Current
from eagleray.actors.sinks.file_writer import FileWriter, put_in_place
from eagleray.pipelines.pipeline import Export
from eagleray.pipelines.tables import Row, Table


class TextWriter(FileWriter):
    """Keeps the living rows of tables with a keyspace, each for its `seconds` after the last success.

    The files are made to be shared: who may read them is the umask's business.
    """

    kind = "text"
    mode = 0o666
    folder_mode = 0o777

    def __init__(self, folder: Path, name: str) -> None:
        super().__init__(folder, name)
        self._exports: Mapping[str, Export] = {}

    def wanted(self, schema: Schema) -> Iterable[Table]:
        """The tables of which the pipeline has text files."""
        self._exports = schema.exports
        return [table for table in schema.tables if table.keyspace and table.name in schema.exports]

    def current(self, table: Table, row: Row) -> Current:
        """A row that lives; of another only that it is the newest, as long as older ones might live."""
        assert table.keyspace is not None
        now, fields = time.time(), dict(zip(table.names, row, strict=True))
        at = fields[table.keyspace.fresh]
        if fields[table.keyspace.alive] and at is not None and at >= now - table.keyspace.seconds:
            return Current(row, at, True)
        return Current(row, now, False)

    def tidy(self, now: float) -> int:
        """Drop what has not worked for too long."""
        dropped = 0
        for table in self._tables.values():
            assert table.keyspace is not None
            with self.journal.transaction():
                gone = self.journal.expire(table, now - table.keyspace.seconds)
            if gone:
                self._stale.add(table.name)
            dropped += gone
        return dropped

    def export(self, table: Table, rows: Iterable[Row]) -> None:
        """Replace all files of a table, those that are empty too."""
        texts = self._exports[table.name](list(rows))
        paths = {self._folder / name: text for name, text in texts.items()}
        for path, text in paths.items():
            with self.written(path) as file:
                file.write(text.encode())
        put_in_place(list(paths))
