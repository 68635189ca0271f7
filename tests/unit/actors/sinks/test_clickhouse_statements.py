from importlib.resources import files

import pytest

from eagleray.actors.sinks.clickhouse_statements import identities, page, select, statements
from eagleray.actors.sinks.migrations import scripts
from eagleray.pipelines.tables import Column, Filter, Kind, Op, Query, Table

COLUMNS = (Column("id", Kind.INTEGER), Column("at", Kind.TIME, nullable=True), Column("tags", Kind.LIST))
TABLE = Table("items", 1, COLUMNS, key=("id",), newest="at")
HISTORY = Table("history", 1, COLUMNS, key=("tags", "at"))


def test_select_binds_every_value():
    where = (
        Filter("id", Op.IN, (1, 2)),
        Filter("tags", Op.HAS, ("a",)),
        Filter("at", Op.LE, 3.25),
        Filter("at", Op.IN, (1.5,)),
    )
    assert select(Query(TABLE, where, ("-at", "id"), 5)) == (
        "SELECT id, toFloat64(at), tags FROM items FINAL WHERE has(%(v0)s, id)"
        " AND hasAny(splitByChar(',', tags), %(v1)s)"
        " AND at <= fromUnixTimestamp64Micro(%(v2)s)"
        " AND has(arrayMap(each -> fromUnixTimestamp64Micro(each), %(v3)s), at)"
        " ORDER BY at DESC, id ASC LIMIT 5",
        {"v0": [1, 2], "v1": ["a"], "v2": 3_250_000, "v3": [1_500_000]},
    )


@pytest.mark.parametrize(
    ("after", "where", "values"),
    [
        (None, "", {}),
        (
            ["a", 2.0],
            " WHERE tags >= %(v0)s AND (tags, at) > (%(v0)s, fromUnixTimestamp64Micro(%(v1)s))",
            {"v0": "a", "v1": 2_000_000},
        ),
    ],
    ids=["first", "next"],
)
def test_page(after, where, values):
    expected = f"SELECT id, toFloat64(at), tags FROM history{where} ORDER BY tags, at LIMIT 9"
    assert page(HISTORY, after, 9) == (expected, values)


def test_identities_lie_between_bounds():
    assert identities(HISTORY, ["a", 1], ["b", 2]) == (
        "SELECT tags, toUnixTimestamp64Micro(at) FROM history"
        " WHERE tags BETWEEN %(least0)s AND %(most0)s"
        " AND toUnixTimestamp64Micro(at) BETWEEN %(least1)s AND %(most1)s",
        {"least0": "a", "most0": "b", "least1": 1, "most1": 2},
    )


def test_a_script_is_split_at_semicolons_that_end_a_line():
    script = "-- one; two;\nCREATE a (\n  b -- not; here\n);\n\nCREATE c AS SELECT ';' ; \n"
    assert statements(script) == ["CREATE a (\n  b -- not; here\n)", "CREATE c AS SELECT ';'"]


def test_every_packaged_statement_may_run_twice():
    packaged = scripts(files("eagleray.configs") / "schema" / "clickhouse" / "proxies")
    found = [statement for script in packaged for statement in statements(script.sql)]
    assert len(found) == 6
    assert all(" IF NOT EXISTS " in statement.splitlines()[0] for statement in found)
