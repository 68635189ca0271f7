import pytest

from eagleray.pipelines.queries import answer, matches
from eagleray.pipelines.tables import Column, Filter, Kind, Op, Query, Table

TABLE = Table(
    "items",
    1,
    (Column("id", Kind.INTEGER), Column("at", Kind.TIME, nullable=True), Column("tags", Kind.LIST)),
    key=("id",),
)
ROWS = [[1, 5.0, "a,b"], [2, None, "ab"], [3, 1.0, ""], [4, 5.0, "b"]]


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ([], [1, 2, 3, 4]),
        ([Filter("id", Op.EQ, 2)], [2]),
        ([Filter("at", Op.GE, 5.0)], [1, 4]),
        ([Filter("at", Op.LE, 5.0)], [1, 3, 4]),
        ([Filter("id", Op.IN, (4, 9))], [4]),
        ([Filter("id", Op.IN, ())], []),
        ([Filter("tags", Op.HAS, ("b",))], [1, 4]),
        ([Filter("tags", Op.HAS, ("a", "ab"))], [1, 2]),
        ([Filter("tags", Op.HAS, ())], []),
        ([Filter("at", Op.GE, 5.0), Filter("tags", Op.HAS, ("a",))], [1]),
        ([Filter("at", Op.EQ, None)], []),
    ],
)
def test_which_rows_match(where, found):
    query = Query(TABLE, tuple(where))
    assert [row[0] for row in ROWS if matches(query, row)] == found
    assert [row[0] for row in answer(query, ROWS)] == found


@pytest.mark.parametrize(
    ("order", "limit", "found"),
    [
        ((), 2, [1, 2]),
        (("-id",), 9, [4, 3, 2, 1]),
        (("at", "-id"), 9, [2, 3, 4, 1]),
        (("-at", "id"), 9, [1, 4, 3, 2]),
        (("at",), 1, [2]),
    ],
)
def test_in_which_order(order, limit, found):
    assert [row[0] for row in answer(Query(TABLE, (), order, limit), ROWS)] == found
