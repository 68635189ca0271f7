import pytest

from eagleray.actors.sinks.sqlite_statements import page, prune, select, upsert
from eagleray.pipelines.tables import Column, Filter, Kind, Op, Query, Table

TABLE = Table(
    "items",
    1,
    (Column("id", Kind.INTEGER), Column("at", Kind.TIME, nullable=True), Column("tags", Kind.TEXT)),
    key=("id",),
    newest="at",
    partition="at",
)
HISTORY = Table("history", 1, TABLE.columns, ("id", "at"))


@pytest.mark.parametrize(
    ("table", "statement"),
    [
        (
            TABLE,
            "INSERT INTO items VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET at = excluded.at,"
            " tags = excluded.tags WHERE excluded.at > items.at",
        ),
        (HISTORY, "INSERT INTO history VALUES (?, ?, ?) ON CONFLICT DO NOTHING"),
    ],
    ids=["newest wins", "first stays"],
)
def test_upsert(table, statement):
    assert upsert(table) == statement


def test_prune():
    assert prune(TABLE) == "DELETE FROM items WHERE (id) IN (SELECT id FROM items WHERE at < ? LIMIT ?)"


def test_select_binds_every_value():
    where = (Filter("id", Op.IN, (1, 2)), Filter("tags", Op.HAS, ("a",)), Filter("at", Op.LE, 3.0))
    assert select(Query(TABLE, where, ("-at", "id"), 5)) == (
        "SELECT id, at, tags FROM items WHERE id IN (?, ?) AND (instr(',' || tags || ',', ',' || ? || ','))"
        " AND at <= ? ORDER BY at DESC, id ASC LIMIT ?",
        [1, 2, "a", 3.0, 5],
    )


@pytest.mark.parametrize("value", [True, False])
def test_a_boolean_stands_in_the_statement_so_that_a_partial_index_serves_it(value):
    statement, values = select(Query(TABLE, (Filter("id", Op.EQ, value),)))
    assert f"WHERE id = {int(value)} LIMIT ?" in statement
    assert values == [1000]


@pytest.mark.parametrize(
    ("after", "statement", "values"),
    [
        (None, "SELECT id, at, tags FROM history ORDER BY id, at LIMIT ?", [9]),
        (
            [1, 2.0],
            "SELECT id, at, tags FROM history WHERE (id, at) > (?, ?) ORDER BY id, at LIMIT ?",
            [1, 2.0, 9],
        ),
    ],
    ids=["first", "next"],
)
def test_page(after, statement, values):
    assert page(HISTORY, after, 9) == (statement, values)
