"""NDJSON: `<table>/2026-11-25.ndjson` for each day of history, `<table>.ndjson` for what is so now."""

import os
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from eagleray.actors.sinks.base import StoreUnavailable
from eagleray.actors.sinks.file_history import HistoryWriter, day_name, micros
from eagleray.actors.sinks.file_writer import put_in_place
from eagleray.actors.sinks.files import write_at
from eagleray.pipelines.tables import Kind, Row, Table

LINES = 2_000  # written at a time
EPOCH = datetime(1970, 1, 1)  # printed with a Z

_encode_lines = msgspec.json.Encoder().encode_lines
_sound = msgspec.json.Decoder(msgspec.Raw).decode


class NdjsonWriter(HistoryWriter):
    """One object a line by column: times as ISO 8601 in UTC, lists as arrays, JSON as it is."""

    kind = "ndjson"
    made_here = "*/.*.ndjson.new"

    def encoded(self, table: Table, rows: Sequence[Row]) -> bytes:
        """Rows as lines."""
        return lines(table, rows)

    def append(self, table: Table, day: int, chunks: Sequence[bytes]) -> None:
        """Append lines behind what counts of the day's file."""
        name, data = f"{table.name}/{day_name(day)}.ndjson", b"".join(chunks)
        path, end = self._folder / name, self.journal.size(name)
        if end is None:
            with self.brought(path) as file:
                file.write(data)
        else:
            self._extend(path, end, data)
        self.journal.set_file(table, day, name, (end or 0) + len(data), time.time())

    def _extend(self, path: Path, end: int, data: bytes) -> None:
        file = os.open(path, os.O_WRONLY)
        try:
            if os.fstat(file).st_size != end:
                raise StoreUnavailable(f"{path} is not as it was written")
            write_at(file, data, end)
            os.fsync(file)
        finally:
            os.close(file)

    def export(self, table: Table, rows: Iterable[Row]) -> None:
        """Replace the table's file."""
        path, left = self._folder / f"{table.name}.ndjson", iter(rows)
        with self.written(path) as file:
            while some := list(islice(left, LINES)):
                file.write(lines(table, some))
        put_in_place([path])


def lines(table: Table, rows: Iterable[Row]) -> bytes:
    """Rows as NDJSON."""
    names = table.names
    convert = [(i, CONVERSIONS[c.kind]) for i, c in enumerate(table.columns) if c.kind in CONVERSIONS]
    objects = []
    for row in rows:
        values = list(row)
        for i, conversion in convert:
            if values[i] is not None:
                values[i] = conversion(values[i])
        objects.append(dict(zip(names, values, strict=True)))
    return _encode_lines(objects)


def time_text(seconds: float) -> str:
    """Unix seconds as ISO 8601, to the microsecond, always of one length."""
    return f"{(EPOCH + timedelta(microseconds=micros(seconds))).isoformat(timespec='microseconds')}Z"


def items(text: str) -> list[str]:
    """The names of a list."""
    return text.split(",") if text else []


def document(text: str) -> msgspec.Raw | str:
    """A JSON document in one line; what is none stays a text."""
    try:
        _sound(text.encode())
    except (msgspec.DecodeError, RecursionError):
        return text
    return msgspec.Raw(text.replace("\n", " ").replace("\r", " ").encode())  # between its tokens only


CONVERSIONS: dict[Kind, Callable[[Any], Any]] = {
    Kind.TIME: time_text,
    Kind.LIST: items,
    Kind.JSON: document,
}
