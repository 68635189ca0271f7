import math

import msgspec
import pytest

from eagleray.actors.sinks.base import RowsRejected
from eagleray.actors.sinks.clickhouse_columns import StoredTable, holds, token, without
from eagleray.pipelines.tables import Column, Kind, Table

TABLE = Table(
    "items",
    1,
    (
        Column("small", Kind.INTEGER),
        Column("large", Kind.INTEGER),
        Column("score", Kind.REAL, nullable=True),
        Column("ok", Kind.BOOLEAN),
        Column("at", Kind.TIME),
        Column("text", Kind.TEXT),
    ),
    key=("small", "large"),
)
TYPES = ["UInt16", "Int64", "Nullable(Float64)", "Bool", "DateTime64(6, 'UTC')", "LowCardinality(String)"]
GOOD = [1, 2, 0.5, True, 4e9 + 0.25, "a\0b"]


@pytest.mark.parametrize(
    ("kind", "nullable", "type_", "expected"),
    [
        (Kind.TEXT, False, "LowCardinality(String)", True),
        (Kind.JSON, True, "LowCardinality(Nullable(String))", True),
        (Kind.TEXT, False, "UInt8", False),
        (Kind.ADDRESS, False, "IPv4", False),
        (Kind.INTEGER, False, "Nullable(UInt64)", True),
        (Kind.INTEGER, True, "Int64", False),
        (Kind.INTEGER, False, "String", False),
        (Kind.REAL, True, "Nullable(Float32)", True),
        (Kind.REAL, False, "Decimal(18, 2)", False),
        (Kind.BOOLEAN, False, "UInt8", False),
        (Kind.TIME, False, "DateTime64(6, 'UTC')", True),
        (Kind.TIME, True, "Nullable(DateTime64(6))", True),
        (Kind.TIME, False, "DateTime64(3, 'UTC')", False),
        (Kind.TIME, False, "DateTime", False),
    ],
)
def test_which_types_hold_a_kind(kind, nullable, type_, expected):
    assert holds(Column("x", kind, nullable), type_) is expected


def test_rows_are_turned_and_times_are_microseconds():
    columns = StoredTable(TABLE, TYPES).columns([GOOD, [2, -3, None, False, -1.5, ""]])
    assert columns == [
        [1, 2],
        [2, -3],
        [0.5, None],
        [True, False],
        [4_000_000_000_250_000, -1_500_000],
        ["a\0b", ""],
    ]


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (0, -1),
        (0, 65_536),
        (0, True),
        (0, 1.5),
        (0, None),
        (1, 2**63),
        (1, -(2**63) - 1),
        (2, "0.5"),
        (3, 1),
        (4, 1e11),
        (4, -1e11),
        (4, math.inf),
        (4, math.nan),
        (4, None),
        (5, b"text"),
        (5, 7),
    ],
)
def test_a_value_that_its_column_cannot_hold_is_rejected_without_showing_it(place, value):
    row = [*GOOD[:place], value, *GOOD[place + 1 :]]
    with pytest.raises(RowsRejected, match=f"^a value that column {TABLE.names[place]} of items can't hold$"):
        StoredTable(TABLE, TYPES).columns([GOOD, row])


@pytest.mark.parametrize(
    ("known", "left"),
    [(set(), [[1, 2], ["first", "c"]]), ({(1,)}, [[2], ["c"]]), ({(1,), (2,), (3,)}, [[], []])],
    ids=["none is there", "one is there", "all are there"],
)
def test_what_is_known_is_left_out_and_the_first_row_of_a_key_stays(known, left):
    assert without([[1, 1, 2], ["first", "second", "c"]], [0], known) == left


@pytest.mark.parametrize(("newest", "changed"), [(None, 0), (None, 1), ("score", 2)])
def test_a_token_is_that_of_the_rows(newest, changed):
    stored = StoredTable(msgspec.structs.replace(TABLE, newest=newest), TYPES)
    columns = stored.columns([GOOD])
    others = [[each[0] + 1] if place == changed else each for place, each in enumerate(columns)]
    assert token(stored, columns) == token(stored, stored.columns([GOOD])) != token(stored, others)
