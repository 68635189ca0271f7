import math
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eagleray.actors.sinks.redis_layout import Layout, Plan
from eagleray.actors.sinks.redis_values import DIGITS, rank
from eagleray.pipelines.proxies.tables import FRESH, PROXIES
from eagleray.pipelines.tables import Column, Filter, Keyspace, Kind, Op, Query, Table

SPACE = Keyspace(
    "item",
    "alive",
    "seen",
    100.0,
    sets=(("items:{}", "tags"), ("items:in:{}", "place")),
    rankings=(("items:score", "score"), ("items:speed", "speed")),
)
ITEMS = Table(
    "items",
    1,
    (
        Column("host", Kind.ADDRESS),
        Column("port", Kind.INTEGER),
        Column("user", Kind.TEXT),
        Column("alive", Kind.BOOLEAN),
        Column("seen", Kind.TIME, nullable=True),
        Column("tags", Kind.LIST),
        Column("place", Kind.TEXT),
        Column("score", Kind.REAL),
        Column("speed", Kind.REAL, nullable=True),
        Column("version", Kind.INTEGER),
        Column("note", Kind.JSON, since=1),
    ),
    key=("host", "port", "user"),
    newest="version",
    keyspace=SPACE,
)
LAYOUT = Layout(ITEMS, SPACE, "p:")
ROW = ["192.0.2.1", 80, "", True, 5.5, "a,b+c", "N L", 0.1, None, 2**60 + 1, "{}"]
NUMBERS = ["port", "alive", "seen", "score", "speed", "version"]
ALIVE = Filter("alive", Op.EQ, True)


def changed(**values: object) -> list[object]:
    return [values.get(name, value) for name, value in zip(ITEMS.names, ROW, strict=True)]


def test_a_living_row():
    assert LAYOUT.newest([ROW]) == {
        "192.0.2.1:80": (
            str(2**63 + 2**60 + 1).zfill(20),
            "105500",
            "items:a items:b+c items:in:N%20L",
            ["0.1", False],
            ["80", "true", "5.5", "0.1", "", str(2**60 + 1), "192.0.2.1", "", "a,b+c", "N L", "{}"],
        )
    }
    assert LAYOUT.fields == [*NUMBERS, *(name for name in ITEMS.names if name not in NUMBERS)]


def test_a_table_without_numbers():
    columns = (Column("host", Kind.ADDRESS), Column("alive", Kind.TEXT), Column("seen", Kind.TEXT))
    table = Table("names", 1, columns, ("host",))
    layout = Layout(table, Keyspace("name", "alive", "seen", 0.0, sets=(), rankings=()), "")
    assert layout._texts(["a", "", "c"]) == ["a", "", "c"]


def test_a_row_that_is_not_alive_stands_nowhere():
    [(_, expiry, sets, scores, _)] = LAYOUT.newest([changed(alive=False)]).values()
    assert (expiry, sets, scores) == ("105500", "", [False, False])


def test_a_row_that_never_lived_is_over():
    [entry] = LAYOUT.newest([changed(alive=False, seen=None)]).values()
    assert entry[1] == "0"


def test_the_newest_of_a_member_stays_and_of_equal_ones_the_first():
    rows = [
        changed(version=version, score=score) for version, score in [(2, 1.0), (10, 2.0), (10, 3.0), (9, 4.0)]
    ]
    [entry] = LAYOUT.newest(rows).values()
    assert entry[3] == ["2.0", False]


@pytest.mark.parametrize(
    ("key", "member"),
    [
        (["192.0.2.1", 80, ""], "192.0.2.1:80"),
        (["2001:db8::1", 80, ""], "[2001:db8::1]:80"),
        (["2001:db8::1", 80, "5"], "[2001:db8::1]:80:5"),
        (["192.0.2.1", 80, "a:b [c]%"], "192.0.2.1:80:a%3Ab%20%5Bc%5D%25"),
        (["", 80, ""], ":80"),
    ],
)
def test_a_key_is_a_member_and_back(key, member):
    assert LAYOUT.member(key) == member
    assert LAYOUT.key(member) == key


@given(st.tuples(st.sampled_from(["192.0.2.1", "2001:db8::1", ""]), st.integers(0, 65535), st.text()))
def test_every_key_comes_back(key):
    assert LAYOUT.key(LAYOUT.member(key)) == list(key)


@given(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**63), 2**63 - 1))
def test_ranks_are_in_the_order_of_integers(one, other):
    ranks = [rank(DIGITS[Kind.INTEGER], value) for value in (one, other)]
    assert (ranks[0] < ranks[1]) == (one < other)
    assert {len(text) for text in ranks} == {20}


@given(*[st.floats(allow_nan=False, allow_infinity=False).map(lambda value: value or 0.0)] * 2)
def test_ranks_are_in_the_order_of_floats(one, other):
    ranks = [rank(DIGITS[Kind.TIME], value) for value in (one, other)]
    assert (ranks[0] < ranks[1]) == (one < other)
    assert {len(text) for text in ranks} == {20}


@given(
    seen=st.none() | st.floats(-1e9, 9e12),
    score=st.floats(allow_nan=False, allow_infinity=False),
    speed=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    version=st.integers(-(2**63), 2**63 - 1),
    alive=st.booleans(),
    note=st.text(),
)
def test_a_row_comes_back_as_it_was(**values):
    row = changed(**values)
    [(*_, texts)] = LAYOUT.newest([row]).values()
    assert LAYOUT.row(dict(zip(LAYOUT.fields, texts, strict=True))) == row


def test_a_hash_of_an_older_program_gets_the_defaults():
    texts = dict(zip(LAYOUT.fields, LAYOUT.newest([ROW])["192.0.2.1:80"][-1], strict=True))
    del texts["note"], texts["speed"]
    assert LAYOUT.row(texts) == ROW


@pytest.mark.parametrize(
    "values",
    [
        {"host": None},
        {"port": "80"},
        {"port": True},
        {"port": 2**63},
        {"alive": 1},
        {"seen": 1e300},
        {"seen": "secret"},
        {"score": None},
        {"score": math.nan},
        {"speed": math.inf},
        {"note": 5},
        {"tags": "score"},
        {"tags": "a,expires"},
        {"tags": "members"},
    ],
    ids=str,
)
def test_what_cannot_be_kept_is_said_without_a_value(values):
    with pytest.raises(ValueError, match=r".") as caught:
        LAYOUT.newest([ROW, changed(**values)])
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("columns", "newest", "problem"),
    [
        (ITEMS.columns, "note", "which row is newer"),
        ((*ITEMS.columns, Column("remark", Kind.TEXT, nullable=True)), "version", "may be null"),
    ],
)
def test_what_no_keys_can_hold(columns, newest, problem):
    with pytest.raises(ValueError, match=problem):
        Layout(Table("items", 1, columns, ("host",), newest=newest), SPACE, "")


@dataclass
class Case:
    where: tuple[Filter, ...]
    plan: Plan
    order: tuple[str, ...] = field(default=())


@pytest.mark.parametrize(
    "case",
    [
        Case((), Plan(None, False, [])),
        Case((), Plan(None, False, []), ("-score",)),
        Case((ALIVE,), Plan("p:items:score", True, []), ("-score",)),
        Case((ALIVE,), Plan("p:items:score", False, []), ("score",)),
        Case((ALIVE,), Plan(None, False, []), ("-score", "port")),
        Case((ALIVE,), Plan(None, False, []), ("-speed",)),  # a null stands in no ranking
        Case((Filter("tags", Op.HAS, ("a",)),), Plan(None, False, [])),
        Case((ALIVE, Filter("tags", Op.HAS, ("a", "b"))), Plan(None, False, [["p:items:a", "p:items:b"]])),
        Case((ALIVE, Filter("tags", Op.HAS, ())), Plan(None, False, [[]])),
        Case((ALIVE, Filter("tags", Op.EQ, "a,b")), Plan(None, False, [])),
        Case((ALIVE, Filter("place", Op.EQ, "N L")), Plan(None, False, [["p:items:in:N%20L"]])),
        Case((ALIVE, Filter("place", Op.IN, ("NL", ""))), Plan(None, False, [])),  # no set says: nowhere
        Case((ALIVE, Filter("place", Op.HAS, ("NL",))), Plan(None, False, [])),
    ],
    ids=str,
)
def test_where_to_look(case):
    assert LAYOUT.plan(Query(ITEMS, case.where, case.order)) == case.plan


def test_the_keys_of_the_proxy_table():
    layout = Layout(PROXIES, PROXIES.keyspace, "")
    assert layout.keys == ["proxies:expires", "proxies:members", "proxies:score"]
    assert (layout.before_member, FRESH) == ("proxy:", 3600)
