"""Parquet: `<table>/day=2026-11-25/part-….parquet` for history, `<table>.parquet` for what is so now."""

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa  # type: ignore[import-untyped]
from pyarrow import parquet as pq

from eagleray.actors.sinks.file_history import HistoryWriter, day_name, day_of, micros
from eagleray.actors.sinks.file_writer import hidden, put_in_place
from eagleray.pipelines.tables import Column, Kind, Row, Table

logger = logging.getLogger(__name__)

ROW_GROUP = 100_000  # rows that a reader of one column has to unpack at once
QUIET = 3600.0  # seconds without a new part, after which a day that is over becomes one file

TYPES: dict[Kind, pa.DataType] = {
    Kind.TEXT: pa.string(),
    Kind.LIST: pa.list_(pa.string()),
    Kind.INTEGER: pa.int64(),
    Kind.REAL: pa.float64(),
    Kind.BOOLEAN: pa.bool_(),
    Kind.ADDRESS: pa.string(),
    Kind.TIME: pa.timestamp("us", "UTC"),
    Kind.JSON: pa.string(),
}


class ParquetWriter(HistoryWriter):
    """Typed columns, zstd. A write makes a part, so groups are large; a day that is over becomes one."""

    kind = "parquet"
    made_here = "*/day=*/.*.parquet.new"
    group_rows = 100_000
    linger = 300.0

    def __init__(self, folder: Path, name: str) -> None:
        super().__init__(folder, name)
        self._unreadable: set[tuple[str, int]] = set()  # table and day

    def encoded(self, table: Table, rows: Sequence[Row]) -> pa.RecordBatch:
        """Rows as columns."""
        return record_batch(table, rows)

    def append(self, table: Table, day: int, chunks: Sequence[pa.RecordBatch]) -> None:
        """Make a part of the day."""
        self._part(table, day, [pa.Table.from_batches(chunks)])

    def export(self, table: Table, rows: Iterable[Row]) -> None:
        """Replace the table's file."""
        path = self._folder / f"{table.name}.parquet"
        with self.written(path) as file:
            write_tables(file, table, tables(table, rows))
        put_in_place([path])

    def tidy(self, now: float) -> int:
        """Make one part of a day that is over, too."""
        for table in self._tables.values():
            for day in self.journal.crowded_days(table, day_of(micros(now)), now - QUIET):
                if (table.name, day) not in self._unreadable:
                    self._compact(table, day)
                    return super().tidy(now)
        return super().tidy(now)

    def _compact(self, table: Table, day: int) -> None:
        names = self.journal.files(table, day)
        parts = [self._folder / name for name in names]
        try:
            with self.journal.transaction():
                self.journal.discard(names)
                self._part(table, day, regrouped(table, parts))
        except pa.ArrowException as error:
            self._unreadable.add((table.name, day))
            self.recover()
            logger.error(
                "store %s: %s of %s stays in parts, one is unreadable: %s",
                self.name, day_name(day), table.name, type(error).__name__,
            )  # fmt: skip

    def _part(self, table: Table, day: int, content: Iterable[pa.Table]) -> None:
        name = f"{table.name}/day={day_name(day)}/part-{self.journal.next_file():06d}.parquet"
        path = self._folder / name
        with self.brought(path) as file:
            write_tables(file, table, content)
        self.journal.set_file(table, day, name, hidden(path).stat().st_size, time.time())


def write_tables(file: BinaryIO, table: Table, content: Iterable[pa.Table]) -> None:
    """Write a Parquet file."""
    with pq.ParquetWriter(file, schema_of(table), compression="zstd") as writer:
        for part in content:
            writer.write_table(part, row_group_size=ROW_GROUP)


def schema_of(table: Table) -> pa.Schema:
    """The columns of a table. All may be null: an older file lacks some."""
    return pa.schema([pa.field(column.name, TYPES[column.kind]) for column in table.columns])


def record_batch(table: Table, rows: Sequence[Row]) -> pa.RecordBatch:
    """Rows as columns."""
    values = zip(*rows, strict=True)
    arrays = [array(column, some) for column, some in zip(table.columns, values, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema_of(table))


def array(column: Column, values: Sequence[Any]) -> pa.Array:
    """The values of a column."""
    if column.kind is Kind.TIME:
        values = [None if value is None else micros(value) for value in values]
    elif column.kind is Kind.LIST:
        values = [None if value is None else value.split(",") if value else [] for value in values]
    return pa.array(values, TYPES[column.kind])


def tables(table: Table, rows: Iterable[Row]) -> Iterator[pa.Table]:
    """Rows as tables of bounded size."""
    left = iter(rows)
    while some := list(islice(left, ROW_GROUP)):
        yield pa.Table.from_batches([record_batch(table, some)])


def regrouped(table: Table, paths: Iterable[Path]) -> Iterator[pa.Table]:
    """The rows of several files as tables of bounded size, each as large as may be."""
    held: list[pa.Table] = []
    for path in paths:
        with pq.ParquetFile(path) as file:
            for number in range(file.num_row_groups):
                held.append(completed(table, file.read_row_group(number)))
                if sum(map(len, held)) >= ROW_GROUP:
                    yield pa.concat_tables(held)
                    held = []
    if held:
        yield pa.concat_tables(held)


def completed(table: Table, found: pa.Table) -> pa.Table:
    """Rows of an older version with the defaults of what they lack."""
    for column in table.columns:
        if column.name not in found.column_names:
            found = found.append_column(column.name, array(column, [column.default] * len(found)))
    return found.select(table.names).cast(schema_of(table))
