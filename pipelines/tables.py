"""What a pipeline tells a store about its tables, and the envelope in which rows travel.

A writer makes its DDL and its statements from a `Table`: no writer knows a pipeline.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import msgspec

Row = Sequence[Any]  # one value per column, in the table's order
Key = Sequence[Any]  # one value per key column, in the key's order


class Kind(StrEnum):
    """Type of a column's values on the wire; each writer maps it to its own."""

    TEXT = "text"
    INTEGER = "integer"
    REAL = "real"
    BOOLEAN = "boolean"
    ADDRESS = "address"  # a literal IP address as text, or empty
    TIME = "time"  # Unix seconds as a float, or null
    JSON = "json"  # a document as text


class Column(msgspec.Struct, frozen=True):
    """A name, a kind, and whether null is a value of it."""

    name: str
    kind: Kind
    nullable: bool = False


class Table(msgspec.Struct, frozen=True):
    """A table as the pipeline means it; versions grow by one with each change of the columns."""

    name: str
    version: int
    columns: tuple[Column, ...]
    key: tuple[str, ...]  # identity of a row: the same key twice is the same row
    newest: str | None = (
        None  # on a conflict the row with the higher value here wins; None: the first row stays
    )
    indexes: tuple[tuple[str, ...], ...] = ()
    partition: str | None = None  # the TIME column by which history is cut into days
    time_to_live: float | None = None  # seconds a row is kept, counted from `partition`

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in the order of a row."""
        return tuple(column.name for column in self.columns)


class Op(StrEnum):
    """How a filter compares a column with its value."""

    EQ = "eq"
    GE = "ge"
    LE = "le"
    IN = "in"  # the column is one of the values
    HAS = "has"  # the column, a comma-separated list, holds one of the values


class Filter(msgspec.Struct, frozen=True):
    """A condition on one column; `value` is a tuple for IN and HAS. Null fulfils none."""

    column: str
    op: Op
    value: Any


class Query(msgspec.Struct, frozen=True):
    """Up to `limit` rows of a table that fulfil every filter, ordered by columns (`-name`: descending)."""

    table: Table
    where: tuple[Filter, ...] = ()
    order: tuple[str, ...] = ()
    limit: int = 1000

    def __post_init__(self) -> None:
        """Refuse unknown columns here, so that a store may put the names into a statement.

        Raises:
            ValueError: a filter or the order names a column that the table lacks.
        """
        named = {condition.column for condition in self.where} | {
            name.removeprefix("-") for name in self.order
        }
        if unknown := named.difference(self.table.names):
            raise ValueError(f"table {self.table.name} has no column {', '.join(sorted(unknown))}")


class Envelope(msgspec.Struct, array_like=True, frozen=True):
    """Rows of one table on their way to the stores; `rows` is msgpack of `list[Row]`.

    `fence` is the incarnation of the frontier that leased the work: a sink refuses an older one.
    """

    pipeline: str
    table: str
    version: int
    n: int
    fence: int
    rows: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode_batch = msgspec.msgpack.Decoder(list[Envelope]).decode
_decode_rows = msgspec.msgpack.Decoder(list[list[Any]]).decode


def seal(pipeline: str, table: Table, rows: Sequence[Row], fence: int) -> Envelope:
    """Put rows of `table` into an envelope."""
    return Envelope(pipeline, table.name, table.version, len(rows), fence, _encode(rows))


def encode_batch(envelopes: Sequence[Envelope]) -> bytes:
    """Several envelopes as one unit of the log: they are written together or not at all."""
    return _encode(envelopes)


def decode_batch(data: bytes) -> list[Envelope]:
    """The inverse of `encode_batch`.

    Raises:
        msgspec.MsgspecError: `data` is not a batch.
    """
    try:
        return _decode_batch(data)
    except UnicodeDecodeError as error:  # msgspec lets it through
        raise msgspec.DecodeError("a text that is not UTF-8") from error


def open_rows(envelope: Envelope) -> list[list[Any]]:
    """The rows of an envelope."""
    return _decode_rows(envelope.rows)
