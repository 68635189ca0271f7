"""What every store promises, or every store that can; a new store is an entry of `STORES` in conftest."""

from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from eagleray.actors.sinks.base import RowsRejected, SchemaMismatch
from eagleray.actors.sinks.file_writer import FileWriter
from eagleray.pipelines.tables import Envelope, Filter, Op, Query, Table, seal
from tests import file_contents

ROWS = [
    ["192.0.2.1", 80, "http,https", True, 0.9, 5, 4e9],
    ["192.0.2.1", 81, "socks5", True, 0.5, 5, 4e9 + 0.25],
    ["192.0.2.2", 80, "socks4,socks5", True, None, 5, 4e9],
    ["2001:db8::1", 80, "", False, 0.1, 5, None],
]


@dataclass
class Case:
    where: tuple[Filter, ...]
    found: list[int]
    order: tuple[str, ...] = ("host", "port")
    limit: int = 10


async def contents(writer, table: Table) -> list[list[object]]:
    if isinstance(writer, FileWriter):
        return file_contents.rows(Path(writer.identity), writer.kind, table)
    return [list(row) for row in await writer.scan(table, None, 1000)]


async def test_rows_come_back_as_they_were_in_key_order(writer, state, kept):
    await writer.write([seal("test", state, ROWS[::-1], 0)])
    assert await contents(writer, state) == kept(writer, state, ROWS)


async def test_the_same_envelope_twice_changes_nothing(writer, state, events, kept):
    envelopes = [seal("test", state, ROWS, 0), seal("test", events, [[1, 2.0, "{}"]], 0)]
    await writer.write(envelopes)
    await writer.write(envelopes)
    assert await contents(writer, state) == kept(writer, state, ROWS)
    assert await contents(writer, events) == kept(writer, events, [[1, 2.0, "{}"]])


@pytest.mark.parametrize(
    ("versions", "winner"), [([1, 2], 2), ([2, 1], 2), ([1, 3, 2], 3)], ids=["in order", "late", "between"]
)
async def test_the_newest_row_wins(writer, state, versions, winner):
    for version in versions:
        await writer.write(
            [seal("test", state, [["192.0.2.1", 80, "", True, version / 10, version, 4e9]], 0)]
        )
    assert await contents(writer, state) == [["192.0.2.1", 80, "", True, winner / 10, winner, 4e9]]


async def test_history_keeps_the_first_row(history, events):
    await history.write([seal("test", events, [[1, 2.0, "first"], [1, 3.0, "second"]], 0)])
    assert await contents(history, events) == [[1, 2.0, "first"]]


@pytest.mark.parametrize(
    "case",
    [
        Case((), [0, 1, 2, 3]),
        Case((Filter("host", Op.EQ, "192.0.2.1"),), [0, 1]),
        Case((Filter("alive", Op.EQ, False),), [3]),
        Case((Filter("score", Op.GE, 0.5),), [0, 1]),
        Case((Filter("score", Op.LE, 0.5),), [1, 3]),
        Case((Filter("port", Op.IN, (81, 82)),), [1]),
        Case((Filter("port", Op.IN, ()),), []),
        Case((Filter("tags", Op.HAS, ("socks5",)),), [1, 2]),
        Case((Filter("tags", Op.HAS, ("http",)),), [0]),
        Case((Filter("tags", Op.HAS, ("http", "socks4")),), [0, 2]),
        Case((Filter("tags", Op.HAS, ("socks",)),), []),
        Case((Filter("tags", Op.HAS, ()),), []),
        Case((Filter("alive", Op.EQ, True), Filter("score", Op.GE, 0.6)), [0]),
        Case((Filter("score", Op.GE, 0.0),), [3, 1, 0], order=("score",)),
        Case((Filter("score", Op.GE, 0.0),), [0, 1], order=("-score",), limit=2),
        Case((Filter("host", Op.EQ, "x' OR '1'='1"),), []),
    ],
    ids=lambda case: f"{[(f.column, f.op.value, f.value) for f in case.where]} by {case.order}",
)
async def test_query(asked, state, case, kept):
    await asked.write([seal("test", state, ROWS, 0)])
    rows = await asked.read(Query(state, case.where, case.order, case.limit))
    assert [list(row) for row in rows] == kept(asked, state, [ROWS[i] for i in case.found])


@pytest.mark.parametrize("size", [1, 3, 4, 100])
async def test_pages_cover_a_table_once(asked, state, size, kept):
    await asked.write([seal("test", state, ROWS, 0)])
    seen: list[list[object]] = []
    after = None
    while rows := await asked.scan(state, after, size):
        assert len(rows) <= size
        seen += [list(row) for row in rows]
        after = seen[-1][:2]
    assert seen == kept(asked, state, ROWS)


@pytest.mark.parametrize(
    "bad",
    [
        Envelope("test", "nowhere", 1, 1, 0, b"\x90"),
        Envelope("test", "events", 2, 1, 0, b"\x90"),
        Envelope("test", "events", 1, 1, 0, b"\xff\xff"),
        Envelope("test", "events", 1, 1, 0, b"\x91\x91\x01"),
        Envelope("test", "events", 1, 1, 0, b"\x91\x93\xc0\x01\xa1y"),
        Envelope("test", "events", 1, 1, 0, b"\x91\x93\xcf" + b"\xff" * 8 + b"\x01\x01"),
        Envelope("test", "events", 1, 1, 0, b"\x91\x93\x02\xa1x\xa1y"),
    ],
    ids=[
        "no table",
        "other version",
        "no msgpack",
        "too few columns",
        "null key",
        "number too large",
        "wrong type",
    ],
)
async def test_rows_at_fault_are_rejected_and_nothing_of_the_call_stays(history, events, bad):
    good = seal("test", events, [[1, 2.0, "{}"]], 0)
    with pytest.raises(RowsRejected):
        await history.write([good, bad])
    assert await contents(history, events) == []
    await history.write([good])
    assert len(await contents(history, events)) == 1


async def test_prune_deletes_what_outlived_its_time(history, state, events, prunes):
    await history.write([seal("test", events, [[1, 800.0, ""], [2, 899.0, ""], [3, 901.0, ""]], 0)])
    await history.write([seal("test", state, ROWS, 0)])
    assert await history.prune(1000.0) == (2 if prunes(history) else 0)
    assert await history.prune(1000.0) == 0
    assert [row[0] for row in await contents(history, events)] == ([3] if prunes(history) else [1, 2, 3])
    assert await contents(history, state) == ROWS


async def test_a_row_of_an_older_version_gets_the_defaults(writer, state, kept):
    old = msgspec.msgpack.encode([row[:6] for row in ROWS])
    await writer.write([Envelope("test", state.name, 1, len(ROWS), 0, old)])
    assert await contents(writer, state) == kept(writer, state, [[*row[:6], None] for row in ROWS])


async def test_migrating_again_keeps_rows(writer, state, schema, kept):
    await writer.write([seal("test", state, ROWS, 0)])
    await writer.migrate(schema)
    assert await contents(writer, state) == kept(writer, state, ROWS)


async def test_a_store_that_a_newer_program_wrote_is_refused(scripted, schema):
    older = {kind: scripts[:-1] for kind, scripts in schema.scripts.items()}
    with pytest.raises(SchemaMismatch, match="version 2, this program knows 1"):
        await scripted.migrate(schema._replace(scripts=older))


async def test_a_table_that_is_not_as_described_is_refused(scripted, schema):
    missing = Table("missing", 1, schema.tables[1].columns, schema.tables[1].key)
    with pytest.raises(SchemaMismatch, match="table missing is missing in the store"):
        await scripted.migrate(schema._replace(tables=(missing,)))
