"""Rows as the columns that ClickHouse takes: turned, checked and converted before anything is sent."""

import re
from collections.abc import Collection, Sequence
from contextlib import suppress
from hashlib import blake2b
from typing import Annotated, Any

import msgspec

from eagleray.actors.sinks.base import RowsRejected
from eagleray.actors.sinks.clickhouse_statements import MICROSECONDS
from eagleray.pipelines.tables import Column, Envelope, Kind, Row, Table, open_rows

# DateTime64 with microseconds: 1900-01-01 to 2299-12-31.
EARLIEST, LATEST = -2_208_988_800.0, 10_413_791_999.0
INTEGER = re.compile(r"\b(U?)Int(8|16|32|64)\b")
PYTHON_TYPES: dict[Kind, Any] = {
    Kind.TEXT: str,
    Kind.LIST: str,
    Kind.REAL: float,
    Kind.BOOLEAN: bool,
    Kind.ADDRESS: str,
    Kind.TIME: Annotated[float, msgspec.Meta(ge=EARLIEST, le=LATEST)],
    Kind.JSON: str,
}

# Of others the client takes no such values, or reads them as other ones, or not to the microsecond.
STORED_TYPES = {
    Kind.INTEGER: r"U?Int(8|16|32|64)",
    Kind.REAL: r"Float(32|64)",
    Kind.BOOLEAN: r"Bool",
    Kind.TIME: r"DateTime64\(6\b.*",
}
WRAPPED = re.compile(r"(?:LowCardinality\(|Nullable\()*(.*?)\)*")

Columns = list[list[Any]]

_encode = msgspec.msgpack.Encoder().encode


class StoredTable:
    """A table as it stands in ClickHouse: its description, and the type of each column there."""

    def __init__(self, table: Table, types: Sequence[str]) -> None:
        self.table = table
        self.types = tuple(types)
        self.key = [table.names.index(name) for name in table.key]
        self.identity = [*self.key, *([table.names.index(table.newest)] if table.newest else ())]
        self._decode = msgspec.msgpack.Decoder(list[tuple[(Any,) * len(types)]]).decode  # type: ignore[misc]
        self._checks = [
            list[python_type(column, type_)]  # type: ignore[misc]
            for column, type_ in zip(table.columns, types, strict=True)
        ]

    def rows(self, envelope: Envelope) -> Sequence[Row]:
        """The rows of an envelope; tuples where they can be, which the garbage collector leaves alone.

        Raises:
            RowsRejected: they are no rows of this table.
        """
        if envelope.table == self.table.name and envelope.version == self.table.version:
            with suppress(msgspec.MsgspecError, UnicodeDecodeError):
                rows: list[Row] = self._decode(envelope.rows)
                return rows
        try:
            return open_rows(envelope, self.table)
        except ValueError as error:
            raise RowsRejected(str(error)) from None

    def columns(self, rows: Sequence[Row]) -> Columns:
        """The rows by column, as the client takes them.

        Raises:
            RowsRejected: a value is of another kind, or beyond what its column holds.
        """
        turned = zip(*rows, strict=True)
        return [
            self._column(column, check, values)
            for column, check, values in zip(self.table.columns, self._checks, turned, strict=False)
        ]

    def _column(self, column: Column, check: Any, values: Sequence[Any]) -> list[Any]:
        try:
            checked: list[Any] = msgspec.convert(values, check)
        except msgspec.ValidationError:  # its message may hold the value
            raise RowsRejected(f"a value that column {column.name} of {self.table.name} can't hold") from None
        if column.kind is not Kind.TIME:
            return checked
        if column.nullable:
            return [None if value is None else round(value * MICROSECONDS) for value in checked]
        return [round(value * MICROSECONDS) for value in checked]


def holds(column: Column, type_: str) -> bool:
    """Whether a column of this type in ClickHouse takes and gives the values of `column`."""
    wrapped = WRAPPED.fullmatch(type_)
    stored = STORED_TYPES.get(column.kind, "String")
    can_be_null = "Nullable(" in type_ or not column.nullable
    return can_be_null and wrapped is not None and re.fullmatch(stored, wrapped[1]) is not None


def python_type(column: Column, type_: str) -> Any:
    """What a value of this column has to be, so that ClickHouse's type of it holds the value."""
    python = PYTHON_TYPES.get(column.kind) or integer(type_)
    return python | None if column.nullable else python


def integer(type_: str) -> Any:
    """The integers that a type of ClickHouse holds, up to 2^63 - 1; a larger one would wrap around there."""
    found = INTEGER.search(type_)
    unsigned, bits = (bool(found[1]), int(found[2])) if found else (False, 64)
    least = 0 if unsigned else -(2 ** (bits - 1))
    most = min(2 ** (bits if unsigned else bits - 1) - 1, 2**63 - 1)
    return Annotated[int, msgspec.Meta(ge=least, le=most)]


def without(columns: Columns, key: Sequence[int], known: Collection[Row]) -> Columns:
    """The first row of each key that is not among the known ones."""
    if not known and any(len(set(columns[place])) == len(columns[place]) for place in reversed(key)):
        return columns  # a column alone, such as a growing number, tells all rows apart
    keys = zip(*(columns[place] for place in key), strict=True)
    places: dict[Row, int] = {}
    for place, each in enumerate(keys):
        if each not in known:
            places.setdefault(each, place)
    return [[column[place] for place in places.values()] for column in columns]


def token(stored: StoredTable, columns: Columns) -> str:
    """A name for these rows: whoever sends them again names them the same."""
    identity = _encode([columns[place] for place in stored.identity])
    return f"{stored.table.name}-{blake2b(identity, digest_size=16).hexdigest()}"
