"""A column's values as texts in a hash, and back."""

import struct
import sys
from collections.abc import Callable
from typing import Annotated, Any

import msgspec

from eagleray.pipelines.tables import Column, Kind


def rank(digits: Callable[[Any], int], value: Any) -> str:
    """A number as text of equal width in the order of numbers."""
    return f"{digits(value) + (1 << 63):020d}"


def double_digits(value: float) -> int:
    """A signed integer in the order of floats."""
    (bits,) = struct.unpack(">q", struct.pack(">d", value))
    return int(bits) if bits >= 0 else int(bits) ^ ((1 << 63) - 1)


DIGITS: dict[Kind, Callable[[Any], int]] = {
    Kind.INTEGER: int,
    Kind.REAL: double_digits,
    Kind.TIME: double_digits,
}


def type_of(column: Column) -> Any:
    """The type that a column's values have on the wire."""
    kind = TYPES.get(column.kind, str)
    return kind | None if column.nullable else kind


def value_of(column: Column) -> Callable[[str], Any]:
    """What reads a column's value from the text in a hash."""
    parse = VALUES.get(column.kind, str)
    return (lambda text: parse(text) if text else None) if column.nullable else parse


INTEGER = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
REAL = Annotated[
    float, msgspec.Meta(ge=-sys.float_info.max, le=sys.float_info.max)
]  # no NaN, nothing infinite
TYPES: dict[Kind, Any] = {  # of what is not text already
    Kind.INTEGER: INTEGER,
    Kind.REAL: REAL,
    Kind.TIME: REAL,
    Kind.BOOLEAN: bool,
}
VALUES: dict[Kind, Callable[[str], Any]] = {
    Kind.INTEGER: int,
    Kind.REAL: float,
    Kind.TIME: float,
    Kind.BOOLEAN: lambda text: text == "true",
}
