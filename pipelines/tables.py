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
    LIST = "list"  # names, comma-separated
    INTEGER = "integer"
    REAL = "real"
    BOOLEAN = "boolean"
    ADDRESS = "address"  # a literal IP address as text, or empty
    TIME = "time"  # Unix seconds as a float, or null
    JSON = "json"  # a document as text


DEFAULTS: dict[Kind, Any] = {
    Kind.TEXT: "",
    Kind.LIST: "",
    Kind.INTEGER: 0,
    Kind.REAL: 0.0,
    Kind.BOOLEAN: False,
    Kind.ADDRESS: "",
    Kind.TIME: 0.0,
    Kind.JSON: "{}",
}


class Column(msgspec.Struct, frozen=True):
    """A name, a kind, whether null is a value of it, and the first version of the table that has it."""

    name: str
    kind: Kind
    nullable: bool = False
    since: int = 1

    @property
    def default(self) -> Any:
        """What a row of an older version gets."""
        return None if self.nullable else DEFAULTS[self.kind]


class Keyspace(msgspec.Struct, frozen=True):
    """How a store of keys keeps a table: the rows that are `alive`, each for a while after its last success.

    A row is the hash `<prefix>:<key>`, its key columns joined by colons without empty ones at the end. The
    key alone stands in sets, one for each value of a column, and in rankings by a column.
    """

    prefix: str
    alive: str  # BOOLEAN: a row that is not stands in no set and no ranking
    fresh: str  # TIME of the last success: its hash stays for `seconds` from there
    seconds: float
    sets: tuple[tuple[str, str], ...]  # (name with {} for the value, TEXT or LIST column)
    rankings: tuple[tuple[str, str], ...]  # (name, REAL column)


class Table(msgspec.Struct, frozen=True):
    """A table as the pipeline means it.

    Its version grows by one with each change of the columns. New ones are appended, none ever goes: a row of
    an older version is the beginning of a newer one, and the log may still hold it.
    """

    name: str
    version: int
    columns: tuple[Column, ...]
    key: tuple[str, ...]  # identity of a row: the same key twice is the same row
    newest: str | None = (
        None  # on a conflict the row with the higher value here wins; None: the first row stays
    )
    partition: str | None = None  # the TIME column by which history is cut into days
    time_to_live: float | None = None  # seconds a row is kept, counted from `partition`
    keyspace: Keyspace | None = None  # None: no store of keys keeps it

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in the order of a row."""
        return tuple(column.name for column in self.columns)

    def key_of(self, row: Row) -> Key:
        """The key of a row."""
        return [row[self.names.index(name)] for name in self.key]

    def places(self, *kinds: Kind) -> list[int]:
        """Where in a row the columns of these kinds stand."""
        return [i for i, column in enumerate(self.columns) if column.kind in kinds]


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


def unexpired(envelope: Envelope, table: Table, now: float) -> Envelope:
    """The envelope without rows that are past the table's time to live at `now` (Unix seconds).

    Raises:
        ValueError: it holds no rows of `table`, or of a newer version.
    """
    if not table.partition or not table.time_to_live:
        return envelope
    rows, place, before = (
        open_rows(envelope, table),
        table.names.index(table.partition),
        now - table.time_to_live,
    )
    kept = [row for row in rows if not isinstance(row[place], (int, float)) or row[place] >= before]
    return envelope if len(kept) == len(rows) else seal(envelope.pipeline, table, kept, envelope.fence)


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


def open_rows(envelope: Envelope, table: Table) -> list[list[Any]]:
    """The rows of an envelope, those of an older version with the defaults of what they lack.

    Raises:
        ValueError: they are no rows of `table`, or of a newer version.
    """
    if envelope.table != table.name or envelope.version > table.version:
        raise ValueError(f"table {envelope.table} in version {envelope.version} is not known")
    try:
        rows = _decode_rows(envelope.rows)
    except (msgspec.MsgspecError, UnicodeDecodeError):  # their messages may hold values
        raise ValueError(f"rows of {table.name} that are no rows") from None
    missing = [column.default for column in table.columns if column.since > envelope.version]
    if missing:
        for row in rows:
            row += missing
    if any(len(row) != len(table.columns) for row in rows):
        raise ValueError(f"a row of {table.name} has another number of columns")
    return rows
