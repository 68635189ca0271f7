import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eagleray.pipelines.proxies.tables import TABLES
from eagleray.pipelines.tables import (
    Column,
    Envelope,
    Filter,
    Kind,
    Op,
    Query,
    Table,
    decode_batch,
    encode_batch,
    open_rows,
    seal,
    unexpired,
)

TABLE = Table(
    name="things",
    version=3,
    columns=(
        Column("name", Kind.TEXT),
        Column("seen_at", Kind.TIME),
        Column("size", Kind.INTEGER, since=3),
    ),
    key=("name",),
)
VALUES = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text()


def test_names_stand_in_the_order_of_a_row():
    assert TABLE.names == ("name", "seen_at", "size")


def test_an_envelope_says_what_it_holds():
    envelope = seal("things", TABLE, [["a", 1.0, 2], ("b", None, 3)], fence=7)
    assert (envelope.pipeline, envelope.table, envelope.version) == ("things", "things", 3)
    assert (envelope.n, envelope.fence) == (2, 7)
    assert open_rows(envelope, TABLE) == [["a", 1.0, 2], ["b", None, 3]]


def test_rows_of_an_older_version_get_the_defaults_of_what_they_lack():
    old = Table("things", 2, TABLE.columns[:2], ("name",))
    envelope = seal("things", old, [["a", 1.0]], 0)
    assert open_rows(envelope, TABLE) == [["a", 1.0, 0]]


DEFAULTS = {
    Kind.TEXT: "",
    Kind.LIST: "",
    Kind.INTEGER: 0,
    Kind.REAL: 0.0,
    Kind.BOOLEAN: False,
    Kind.ADDRESS: "",
    Kind.TIME: 0.0,
    Kind.JSON: "{}",
}


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("nullable", [False, True])
def test_a_default_is_null_or_the_least_value_of_its_kind(kind, nullable):
    assert Column("name", kind, nullable).default == (None if nullable else DEFAULTS[kind])


@pytest.mark.parametrize(
    "envelope",
    [
        Envelope("things", "things", 4, 1, 0, msgspec.msgpack.encode([["a", 1.0, 2]])),
        Envelope("things", "others", 3, 1, 0, msgspec.msgpack.encode([["a", 1.0, 2]])),
        Envelope("things", "things", 3, 1, 0, msgspec.msgpack.encode([["a", 1.0]])),
        Envelope("things", "things", 3, 1, 0, msgspec.msgpack.encode([["a", 1.0, 2, 3]])),
        Envelope("things", "things", 3, 1, 0, b"\xff"),
        Envelope("things", "things", 3, 1, 0, b"\x91\x91\xa1\xff"),
    ],
    ids=["newer", "other table", "too short", "too long", "no msgpack", "not UTF-8"],
)
def test_what_are_no_rows_of_a_table_is_said(envelope):
    with pytest.raises(ValueError, match=r"things|others"):
        open_rows(envelope, TABLE)


@given(batch=st.lists(st.lists(st.lists(VALUES, min_size=3, max_size=3), max_size=4), max_size=4))
def test_a_batch_survives_the_log(batch):
    envelopes = [seal("things", TABLE, rows, fence) for fence, rows in enumerate(batch)]
    assert decode_batch(encode_batch(envelopes)) == envelopes
    assert [open_rows(envelope, TABLE) for envelope in envelopes] == batch


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"\x91",
        b"\x81\xa1a\x01",
        b"\x91\x91\xa1a",
        b"\x91\x96\xa1\xff",
        encode_batch([seal("p", TABLE, [], 1)])[:-1],
    ],
    ids=["empty", "no msgpack", "cut short", "a map", "too few members", "not UTF-8", "last byte missing"],
)
def test_what_is_no_batch_is_refused(data):
    with pytest.raises(msgspec.MsgspecError):
        decode_batch(data)


@given(data=st.binary(max_size=200))
def test_any_bytes_are_a_batch_or_refused(data):
    try:
        batch = decode_batch(data)
    except msgspec.MsgspecError:
        return
    assert decode_batch(encode_batch(batch)) == batch


@pytest.mark.parametrize(
    ("where", "order"),
    [(["colour"], []), ([], ["colour"]), ([], ["-colour"]), (["name"], ["size; DROP TABLE things"])],
    ids=["filter", "order", "descending", "statement"],
)
def test_a_query_names_columns_of_its_table_only(where, order):
    filters = tuple(Filter(column, Op.EQ, 1) for column in where)
    with pytest.raises(ValueError, match="things has no column"):
        Query(TABLE, filters, tuple(order))


def test_a_query_of_known_columns():
    query = Query(TABLE, (Filter("size", Op.GE, 1),), ("-seen_at", "name"))
    assert query.limit > 0


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_the_proxy_tables_refer_to_their_own_columns(table):
    named = {*table.key}
    if keys := table.keyspace:
        named |= {keys.alive, keys.fresh, *(column for _, column in (*keys.sets, *keys.rankings))}
    named |= {column for column in (table.newest, table.partition) if column}
    assert named <= set(table.names)
    assert len(set(table.names)) == len(table.columns)
    assert (table.partition is None) == (table.time_to_live is None)
    versions = [column.since for column in table.columns]
    assert versions == sorted(versions)  # new columns are appended
    assert versions[-1] == table.version


HISTORY = Table("history", 3, TABLE.columns, ("name",), partition="seen_at", time_to_live=10.0)


def test_rows_past_their_time_are_left_out():
    rows = [["old", 9.9, 1], ["just", 10.0, 1], ["new", 20.0, 1], ["null", None, 1], ["text", "x", 1]]
    kept = unexpired(seal("p", HISTORY, rows, 4), HISTORY, now=20.0)
    assert (kept.n, kept.fence) == (4, 4)
    assert [row[0] for row in open_rows(kept, HISTORY)] == ["just", "new", "null", "text"]


def test_an_older_version_of_a_row_past_its_time_is_left_out():
    kept = unexpired(
        Envelope("p", "history", 1, 2, 0, msgspec.msgpack.encode([["a", 1.0], ["b", 20.0]])), HISTORY, 20.0
    )
    assert open_rows(kept, HISTORY) == [["b", 20.0, 0]]


def test_what_has_no_time_to_live_stays_as_it_is():
    envelope = seal("p", TABLE, [["old", 0.0, 1]], 0)
    assert unexpired(envelope, TABLE, now=1e12) is envelope
