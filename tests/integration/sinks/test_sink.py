import asyncio
import errno
import logging
import pickle
import stat

import msgspec
import pytest

from eagleray.actors import follower
from eagleray.actors.sink import APPENDS_IN_FLIGHT, Sink, StaleFence
from eagleray.actors.sinks.base import RowsRejected, SchemaMismatch, StoreUnavailable
from eagleray.actors.sinks.log.log import AppendFailed, Log
from eagleray.actors.sinks.sqlite import SqliteWriter
from eagleray.pipelines.tables import Envelope, Query, Table, encode_batch, seal
from tests.faulty_disk import FaultyDisk


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch):
    monkeypatch.setattr(follower, "RETRY_FIRST", 0.005)
    monkeypatch.setattr(follower, "RETRY_MOST", 0.02)


@pytest.fixture
async def start(tmp_path, schema):
    """Start a sink over the log in `tmp_path` with these stores, or SQLite; closed at the end."""
    sinks = []

    async def begin(*stores, **options) -> Sink:
        stores = stores or (SqliteWriter(tmp_path / "store.sqlite"),)
        sink = Sink(Log.open(tmp_path / "log", **options), stores, schema)
        sinks.append(sink)
        await sink.start()
        return sink

    yield begin
    if sinks:
        await sinks[-1].close()


async def ids(sink: Sink) -> list[int]:
    rows, _ = await sink.scan("events", None, 1000)
    return [row[0] for row in msgspec.msgpack.decode(rows)]


async def until(condition) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 (what it waits for has no event)
            await asyncio.sleep(0.002)


async def test_a_batch_comes_through_to_the_store(start, batch):
    sink = await start()
    await sink.put(batch(1, 2))
    await sink.put(batch(3))
    await sink.flush()
    assert await ids(sink) == [1, 2, 3]
    stats = await sink.stats()
    assert (stats.batches, stats.rows) == (2, 3)
    assert (stats.stores["sqlite"].rows, stats.stores["sqlite"].lag_rows) == (3, 0)


async def test_a_batch_put_twice_is_stored_once(start, batch):
    sink = await start()
    await sink.put(batch(1))
    await sink.put(batch(1))
    await sink.flush()
    assert await ids(sink) == [1]


async def test_what_the_store_lacks_is_written_after_a_restart(start, batch, memory_store):
    dead = memory_store()
    dead.error = StoreUnavailable("away")
    sink = await start(dead)
    await sink.put(batch(1, 2))
    await sink.close()
    alive = memory_store()
    sink = await start(alive)
    await sink.flush()
    assert [row[0] for row in alive.rows] == [1, 2]


async def test_a_restart_does_not_write_again_what_the_cursor_has_passed(start, batch, memory_store):
    sink = await start(memory_store())
    await sink.put(batch(1))
    await sink.flush()
    await sink.close()
    again = memory_store()
    sink = await start(again)
    await sink.put(batch(2))
    await sink.flush()
    assert [row[0] for row in again.rows] == [2]


async def test_stores_open_at_once(start, batch, memory_store):
    meeting = asyncio.Barrier(2)  # who waits for the other's end never gets there

    class Slow(memory_store):
        async def open(self):
            await asyncio.wait_for(meeting.wait(), 10)
            await super().open()

    stores = [Slow("one"), Slow("two")]
    sink = await start(*stores)
    assert not any(store.failing for store in (await sink.stats()).stores.values())


async def test_a_store_that_has_everything_is_not_said_to_fail(start, batch, memory_store):
    class Busy(memory_store):
        async def prune(self, now):
            await asyncio.Event().wait()

    store = Busy()
    store.error = StoreUnavailable("database is locked")
    sink = await start(store)
    await sink.put(batch(1))
    store.error = None
    await sink.flush()
    stats = (await sink.stats()).stores["memory"]
    assert (stats.lag_rows, stats.failing) == (0, "")


async def test_a_dead_store_delays_nobody_and_catches_up(start, batch, memory_store, caplog):
    good, bad = memory_store("good"), memory_store("bad")
    bad.error = StoreUnavailable("no route to the store")
    sink = await start(good, bad)
    with caplog.at_level(logging.INFO):
        for i in range(5):
            await sink.put(batch(i))
        await until(lambda: len(good.rows) == 5)
        await sink.fence(1)  # needs the first store only
        stats = (await sink.stats()).stores
        assert (stats["good"].lag_rows, stats["good"].failing) == (0, "")
        assert (stats["bad"].lag_rows, stats["bad"].failing) == (5, "no route to the store")
        assert stats["bad"].lag_seconds > 0
        bad.error = None
        await sink.flush()
        await until(lambda: "store bad writes again" in caplog.text)
    assert sorted(row[0] for row in bad.rows) == [0, 1, 2, 3, 4]
    assert caplog.text.count("no route to the store") <= 1  # said once, not at each try


async def test_the_lag_is_told_in_seconds_of_now_whenever_it_is_asked(start, batch, memory_store):
    sink = await start(memory_store())
    for i in range(50):
        putting = asyncio.create_task(sink.put(batch(i)))
        while not putting.done():
            assert (await sink.stats()).stores["memory"].lag_seconds < 60
            await asyncio.sleep(0)
    await sink.flush()


async def test_a_failure_that_starts_later_is_logged_once(start, batch, memory_store, caplog):
    store = memory_store()
    sink = await start(store)
    store.error = StoreUnavailable("gone")
    await sink.put(batch(1))
    await until(lambda: store.writes >= 1)
    retried = store.opened
    store.error = None
    await sink.flush()
    assert store.opened > retried  # opened anew
    assert [record.getMessage() for record in caplog.records] == [
        "store memory fails, its rows wait in the log: gone"
    ]


async def test_an_error_of_unknown_origin_shows_no_values(start, batch, memory_store, caplog):
    store = memory_store()
    sink = await start(store)
    store.error = KeyError("password=hunter2")
    await sink.put(batch(1))
    await until(lambda: caplog.records)
    store.error = None
    await sink.flush()
    assert "KeyError" in caplog.text
    assert "hunter2" not in caplog.text


async def test_a_batch_that_a_store_never_takes_is_left_out_alone(start, batch, memory_store):
    class Picky(memory_store):
        async def write(self, envelopes):
            if self.error is None and any(b"poison" in envelope.rows for envelope in envelopes):
                raise RowsRejected("poison")
            await super().write(envelopes)

    store = Picky()
    store.error = StoreUnavailable("so that all batches make one group")
    sink = await start(store)
    poison = encode_batch([seal("test", Table("events", 1, (), ()), [[7, 7.0, "poison"]], 0)])
    for each in (batch(1), poison, batch(2)):
        await sink.put(each)
    store.error = None
    await sink.flush()
    assert [row[0] for row in store.rows] == [1, 2]
    assert (await sink.stats()).stores["memory"].rejected == 1


async def test_a_row_at_fault_is_set_aside_alone_with_the_reason(start, schema, tmp_path):
    sink = await start()
    rows = [[i, 4e9, "{}"] for i in range(100)]
    rows[42][0] = 2**64 - 1  # beyond any column of integers
    await sink.put(encode_batch([seal("test", schema.tables[1], rows, 0)]))
    await sink.flush()
    assert await ids(sink) == [i for i in range(100) if i != 42]
    stats = (await sink.stats()).stores["sqlite"]
    assert (stats.rows, stats.rejected, stats.lag_rows, stats.failing) == (100, 1, 0, "")
    path = tmp_path / "log" / "dead-letters" / "sqlite.ndjson"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    [letter] = map(msgspec.json.decode, path.read_bytes().splitlines())
    assert letter["row"] == {"id": 2**64 - 1, "at": 4e9, "note": "{}"}
    assert letter["table"] == "events"
    assert "too large" in letter["reason"]


async def test_what_is_no_row_is_set_aside_as_it_is(start, schema, tmp_path):
    sink = await start()
    broken = Envelope("test", "events", 1, 2, 0, b"\xff\xff")
    good = seal("test", schema.tables[1], [[1, 4e9, "{}"]], 0)
    await sink.put(encode_batch([good, broken]))
    await sink.flush()
    assert await ids(sink) == [1]
    [letter] = (tmp_path / "log" / "dead-letters" / "sqlite.ndjson").read_bytes().splitlines()
    assert msgspec.json.decode(letter)["msgpack"] == "//8="


async def test_rows_linger_until_a_group_is_full_or_someone_waits(start, batch, memory_store, monkeypatch):
    waits: asyncio.Queue[float] = asyncio.Queue()
    roused = follower.Follower._roused

    async def noted(self, seconds):
        waits.put_nowait(seconds)
        await roused(self, seconds)

    monkeypatch.setattr(follower.Follower, "_roused", noted)
    store = memory_store()
    store.group_rows, store.linger = 3, 3600.0
    sink = await start(store)
    for id_ in (1, 2):
        await sink.put(batch(id_))
        while await waits.get() <= follower.PRUNE_EVERY:  # until it lingers
            pass
    assert store.rows == []
    await sink.put(batch(3))
    await until(lambda: len(store.rows) == 3)
    await sink.put(batch(4))
    await sink.flush()
    assert len(store.rows) == 4


async def test_rows_linger_no_longer_than_they_may(start, batch, memory_store):
    store = memory_store()
    store.linger = 0.05
    sink = await start(store)
    await sink.put(batch(1))
    await until(lambda: len(store.rows) == 1)


async def test_a_store_elsewhere_gets_the_log_from_its_start(start, batch, memory_store):
    sink = await start(memory_store())
    await sink.put(batch(1))
    await sink.flush()
    await sink.close()
    moved = memory_store()
    moved.identity = "another place"
    sink = await start(moved)
    await sink.flush()
    assert [row[0] for row in moved.rows] == [1]


async def test_flush_does_not_wait_for_a_store_that_fails(start, batch, memory_store):
    good, bad = memory_store("good"), memory_store("bad")
    bad.error = StoreUnavailable("away")
    sink = await start(good, bad)
    await sink.put(batch(1))
    await sink.flush(or_fails=True)
    assert len(good.rows) == 1
    assert (await sink.stats()).stores["bad"].lag_rows == 1


async def test_an_older_incarnation_is_refused_over_restarts(start, batch):
    sink = await start()
    await sink.fence(5)
    for good in (5, 6):
        await sink.put(batch(good, fence=good))
    with pytest.raises(StaleFence) as refused:
        await sink.put(batch(4, fence=4))
    assert refused.value.args == (4, 5)
    assert (await sink.stats()).refused_stale == 1
    with pytest.raises(StaleFence):
        await sink.fence(4)
    await sink.close()
    sink = await start()
    with pytest.raises(StaleFence):
        await sink.put(batch(4, fence=4))
    await sink.flush()
    assert await ids(sink) == [5, 6]


async def test_fence_returns_when_the_store_has_what_was_answered_or_under_way(start, batch):
    sink = await start()
    puts = [asyncio.create_task(sink.put(batch(i, fence=1))) for i in range(100)]
    await asyncio.sleep(0)
    await sink.fence(2)
    before = await ids(sink)
    done = await asyncio.gather(*puts, return_exceptions=True)
    answered = [i for i, result in enumerate(done) if result is None]
    await sink.flush()
    assert before == answered == await ids(sink)
    assert all(isinstance(result, StaleFence) for result in done if result is not None)


@pytest.mark.parametrize("content", [b"", b"12x\n", b"\xff\xfe"])
async def test_a_damaged_fence_is_said_and_nothing_is_let_in(tmp_path, schema, memory_store, content):
    log = Log.open(tmp_path)
    (tmp_path / "fence").write_bytes(content)
    with pytest.raises(ValueError, match=r"/fence is damaged.*then delete it"):
        Sink(log, [memory_store()], schema)
    await log.close()


def test_stale_fence_survives_pickling():
    error = pickle.loads(pickle.dumps(StaleFence(3, 4)))
    assert str(error) == "batch of incarnation 3, the sink knows 4"


async def test_appends_in_flight_are_bounded(start, batch, monkeypatch):
    sink = await start()
    appending = 0
    go = asyncio.Event()

    async def append(_: bytes, records: int) -> None:
        nonlocal appending
        appending += 1
        await go.wait()

    monkeypatch.setattr(sink._log, "append", append)
    puts = [asyncio.create_task(sink.put(batch(i))) for i in range(3 * APPENDS_IN_FLIGHT)]
    await until(lambda: len(sink._in_flight._waiters or ()) == 2 * APPENDS_IN_FLIGHT)  # each has come so far
    assert appending == APPENDS_IN_FLIGHT
    go.set()
    await asyncio.gather(*puts)
    assert appending == 3 * APPENDS_IN_FLIGHT


async def test_a_full_disk_delays_the_answer_and_loses_nothing(start, batch, monkeypatch):
    disk = FaultyDisk(monkeypatch)
    monkeypatch.setattr("eagleray.actors.sinks.log.log.RETRY_FIRST", 0.002)
    sink = await start()
    disk.fail("pwrite", errno.ENOSPC)
    put = asyncio.create_task(sink.put(batch(1)))
    await until(lambda: disk.failed["pwrite"] >= 2)
    assert not put.done()
    disk.heal()
    await put
    await sink.flush()
    assert await ids(sink) == [1]
    assert (await sink.stats()).batches == 1


async def test_closing_on_a_full_disk_fails_the_put(start, batch, monkeypatch):
    disk = FaultyDisk(monkeypatch)
    sink = await start()
    disk.fail("pwrite", errno.ENOSPC)
    put = asyncio.create_task(sink.put(batch(1)))
    await until(lambda: disk.failed["pwrite"] >= 1)
    await sink.close()
    with pytest.raises(AppendFailed, match="No space left on device"):
        await put
    disk.heal()
    sink = await start()
    await sink.put(batch(1))


async def test_a_batch_without_rows_is_answered_and_not_logged(start, batch, tmp_path):
    sink = await start()
    await sink.put(batch())
    await sink.put(encode_batch([]))
    assert (await sink.stats()).batches == 2
    assert list((tmp_path / "log").glob("*.log")) == []


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\xc1", "not a batch"),
        (b"\x91\x01", "not a batch"),
        (encode_batch([seal("test", Table("nowhere", 1, (), ()), [], 0)]), "no table nowhere"),
        (encode_batch([seal("test", Table("events", 9, (), ()), [], 0)]), "no table events in version 9"),
    ],
    ids=["no msgpack", "no envelopes", "unknown table", "other version"],
)
async def test_what_is_no_batch_is_refused_at_once(start, data, message):
    sink = await start()
    with pytest.raises(ValueError, match=message):
        await sink.put(data)


async def test_segments_go_when_the_slowest_store_has_passed_them(start, batch, tmp_path, memory_store):
    fast, slow = memory_store("fast"), memory_store("slow")
    slow.error = StoreUnavailable("slow")
    sink = await start(fast, slow, segment_bytes=1)
    for i in range(5):
        await sink.put(batch(i))
    await until(lambda: len(fast.rows) == 5)
    assert len(list((tmp_path / "log").glob("*.log"))) == 5
    slow.error = None
    await sink.flush()
    await until(lambda: len(list((tmp_path / "log").glob("*.log"))) == 1)


@pytest.mark.parametrize("cursor", ["0 999999", "77 0"], ids=["behind the end", "in a later segment"])
async def test_a_cursor_beyond_the_log_does_not_skip_what_comes(start, batch, tmp_path, memory_store, cursor):
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "memory.cursor").write_text(cursor)
    store = memory_store()
    sink = await start(store)
    await sink.put(batch(1))
    await sink.flush()
    assert [row[0] for row in store.rows] == [1]


async def test_an_unreadable_cursor_starts_over(start, batch, tmp_path, memory_store, caplog):
    sink = await start(memory_store())
    await sink.put(batch(1))
    await sink.flush()
    await sink.close()
    [cursor] = (tmp_path / "log").glob("memory-*.cursor")
    cursor.write_bytes(b"\xff garbage")
    again = memory_store()
    sink = await start(again)
    await sink.flush()
    assert [row[0] for row in again.rows] == [1]
    assert "unreadable" in caplog.text


async def test_damage_at_the_end_does_not_hold_up_a_store(start, batch, tmp_path, memory_store):
    dead = memory_store()
    dead.error = StoreUnavailable("away")
    sink = await start(dead, segment_bytes=1)
    await sink.put(batch(1))
    await sink.put(batch(2))
    path = sorted((tmp_path / "log").glob("*.log"))[1]
    path.write_bytes(bytes(path.stat().st_size))
    dead.error = None
    await sink.flush()
    assert [row[0] for row in dead.rows] == [1]
    assert (await sink.stats()).damaged == 1


async def test_scan_gives_pages(start, batch):
    sink = await start()
    await sink.put(batch(1, 2, 3, 4, 5))
    await sink.flush()
    seen, after, pages = [], None, 0
    while pages == 0 or after is not None:
        rows, after = await sink.scan("events", after, 2)
        seen += [row[0] for row in msgspec.msgpack.decode(rows)]
        pages += 1
    assert (seen, pages) == ([1, 2, 3, 4, 5], 3)
    assert (await sink.scan("events", None, 0))[1] == [1]  # a page has at least one row
    with pytest.raises(ValueError, match="no table nowhere"):
        await sink.scan("nowhere", None, 2)


async def test_a_store_of_a_newer_program_stops_the_start(start, tmp_path, schema):
    sink = await start()
    await sink.close()
    older = schema._replace(scripts={"sqlite": schema.scripts["sqlite"][:1]})
    sink = Sink(Log.open(tmp_path / "log"), [SqliteWriter(tmp_path / "store.sqlite")], older)
    with pytest.raises(SchemaMismatch):
        await sink.start()
    await sink.close()
    await start()


async def test_an_incarnation_registers_once(start):
    sink = await start()
    await sink.fence(3)
    with pytest.raises(StaleFence):
        await sink.fence(3)


async def test_the_first_call_starts_the_sink(tmp_path, schema, events, batch):
    sink = Sink(Log.open(tmp_path / "log"), [SqliteWriter(tmp_path / "store.sqlite")], schema)
    await asyncio.gather(*(sink.put(batch(i)) for i in range(5)))
    await sink.flush()
    rows = msgspec.msgpack.decode(await sink.read(Query(events, order=("-id",), limit=2)))
    assert [row[0] for row in rows] == [4, 3]
    await sink.close()
