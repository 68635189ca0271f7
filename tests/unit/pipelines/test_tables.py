import msgspec
import pytest

from eagleray.pipelines.proxies.tables import PROXIES, TABLES
from eagleray.pipelines.tables import Filter, Op, Query, decode_batch, encode_batch, open_rows, seal


def test_a_batch_comes_back_as_it_was():
    envelopes = [seal("test", PROXIES, [["a", 1], ["b", None]], 7), seal("test", PROXIES, [], 8)]
    back = decode_batch(encode_batch(envelopes))
    assert back == envelopes
    assert open_rows(back[0]) == [["a", 1], ["b", None]]
    assert [envelope.n for envelope in back] == [2, 0]


@pytest.mark.parametrize(
    "data", [b"", b"\xc1", b"\x01", b"\x91\x90"], ids=["empty", "bad", "number", "short"]
)
def test_what_is_no_batch_is_said(data):
    with pytest.raises(msgspec.MsgspecError):
        decode_batch(data)


@pytest.mark.parametrize(
    ("where", "order"),
    [((Filter("score; --", Op.EQ, 1),), ()), ((), ("-nothing",))],
    ids=["filter", "order"],
)
def test_a_query_names_only_columns_of_its_table(where, order):
    with pytest.raises(ValueError, match=r"table proxies has no column (score; --|nothing)"):
        Query(PROXIES, where, order)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_table_names_only_its_own_columns(table):
    named = {*table.key, *(name for index in table.indexes for name in index)}
    named |= {name for name in (table.newest, table.partition) if name}
    assert named <= set(table.names)
    assert len(set(table.names)) == len(table.names)
