"""What is special to the stores of files; see test_store_contract for the rest."""

import json
import random
import resource
import stat
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from pyarrow import parquet as pq

from eagleray.actors.sinks import file_writer, parquet
from eagleray.actors.sinks.base import RowsRejected, SchemaMismatch, StoreUnavailable
from eagleray.actors.sinks.migrations import schema_of
from eagleray.actors.sinks.registry import StoreUrl, create_writer
from eagleray.pipelines.proxies.pipeline import ProxyPipeline
from eagleray.pipelines.tables import Query, Table, seal
from tests import file_contents

DAY = 86_400.0
ROWS = [["192.0.2.1", 80, "http,https", True, 0.9, 5, 4e9]]


@pytest.fixture(autouse=True)
def up_to_date(monkeypatch):
    """Whole files are written with every write, however slow this machine is."""
    monkeypatch.setattr(file_writer, "QUICK", 60.0)


@pytest.fixture(params=["ndjson", "parquet"])
def kind(request):
    return request.param


@pytest.fixture
async def start(tmp_path, schema, kind):
    """Open a store in `tmp_path`, as often as wanted; what is open is closed before."""
    stores = []

    async def begin(schema=schema):
        if stores:
            await stores.pop().close()
        store = create_writer(StoreUrl(kind, kind, f"{kind}:{tmp_path}"))
        await store.open()
        stores.append(store)
        await store.migrate(schema)
        return store

    yield begin
    for store in stores:
        await store.close()


def history(*rows):
    return seal("test", Table("events", 1, (), ()), [[id_, at, "{}"] for id_, at in rows], 0)


def ids(tmp_path, kind, events) -> list[int]:
    return [row[0] for row in file_contents.rows(tmp_path, kind, events)]


async def test_history_stands_by_the_day_in_utc(start, tmp_path, kind, events):
    store = await start()
    await store.write([history((1, 0.0), (2, DAY - 1e-6), (3, DAY), (4, 20_000 * DAY))])
    assert ids(tmp_path, kind, events) == [1, 2, 3, 4]
    assert [
        path.relative_to(tmp_path / "events").parts[0].removesuffix(".ndjson").removeprefix("day=")
        for path in file_contents.files(tmp_path, kind, events)
    ] == ["1970-01-01", "1970-01-02", "2024-10-04"]


@pytest.mark.parametrize("seed", range(3))
async def test_a_row_is_there_once_in_whatever_groups_it_comes_again(start, tmp_path, kind, events, seed):
    chance = random.Random(seed)
    rows = [(i, chance.choice([0.5, 1.5, 2.5]) * DAY) for i in range(50)]
    store = await start()
    for turn in range(12):
        some = chance.sample(rows, chance.randint(1, 50))
        middle = chance.randint(0, len(some))
        await store.write([history(*part) for part in (some[:middle], some[middle:])])
        if turn % 4 == 3:
            store = await start()
    await store.write([history(*rows)])
    assert ids(tmp_path, kind, events) == list(range(50))


async def test_a_check_done_again_on_the_other_side_of_midnight_is_the_same(start, tmp_path, kind, events):
    store = await start()
    await store.write([history((1, DAY - 1), (2, DAY + 1))])
    await store.write([history((1, DAY + 1), (2, DAY - 1))])
    assert [row[:2] for row in file_contents.rows(tmp_path, kind, events)] == [[1, DAY - 1], [2, DAY + 1]]


@pytest.mark.parametrize("at", [1e12, -1e12, float("inf"), float("nan")])
async def test_a_time_beyond_the_calendar_is_rejected(start, tmp_path, kind, at):
    store = await start()
    with pytest.raises(RowsRejected, match="float"):
        await store.write([history((1, at))])
    await store.write([history((1, 1.0))])


async def test_a_day_goes_when_all_of_it_has_outlived_its_time(start, tmp_path, kind, events):
    store = await start()
    await store.write([history((1, 5.0), (2, DAY - 1), (3, DAY + 5))])
    assert await store.prune(DAY + 99.0) == 0
    assert await store.prune(DAY + 100.0) == 2
    assert ids(tmp_path, kind, events) == [3]
    assert await store.prune(3 * DAY) == 1
    assert await store.prune(3 * DAY) == 0
    assert file_contents.files(tmp_path, kind, events) == []


async def test_a_second_writer_is_kept_out(start, tmp_path, kind, monkeypatch):
    monkeypatch.setattr("eagleray.actors.sinks.file_journal.BUSY_SECONDS", 0.01)
    await start()
    other = create_writer(StoreUrl(kind, kind, f"{kind}:{tmp_path}"))
    with pytest.raises(StoreUnavailable, match="is another run writing there"):
        await other.open()
    await other.close()


async def test_only_the_owner_may_read(start, tmp_path, kind, schema):
    store = await start()
    await store.write([history((1, 5.0))])
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")}
    assert len(modes) >= 4
    for path, mode in modes.items():
        assert mode == (0o700 if path.is_dir() else 0o600), path


@contextmanager
def files_no_larger_than(size: int):
    """A limit of the kernel's on every file that this process writes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("size", [100, 40_000], ids=["a file", "the journal"])
async def test_without_room_nothing_is_half_written_and_it_goes_on_by_itself(
    start, tmp_path, kind, events, size
):
    store = await start()
    await store.write([history((1, 5.0))])
    more = history(*((i, 5.0) for i in range(2, 2000)))
    with files_no_larger_than(size), pytest.raises(StoreUnavailable):
        await store.write([more])
    await store.open()
    assert ids(tmp_path, kind, events) == [1]
    await store.write([more])
    assert ids(tmp_path, kind, events) == list(range(1, 2000))


async def test_a_file_of_others_is_left_alone(start, tmp_path, kind, events):
    store = await start()
    name = {"ndjson": "1970-01-01.ndjson", "parquet": "day=1970-01-01/part-000001.parquet"}[kind]
    path = tmp_path / "events" / name
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    with pytest.raises(StoreUnavailable, match="none of this store's: move it away"):
        await store.write([history((1, 5.0))])
    assert path.read_text() == "mine"
    path.unlink()
    await store.write([history((1, 5.0))])
    assert ids(tmp_path, kind, events) == [1]


async def test_who_takes_files_away_has_what_they_held(start, tmp_path, kind, events, caplog):
    store = await start()
    await store.write([history((1, 5.0))])
    [path] = file_contents.files(tmp_path, kind, events)
    path.rename(tmp_path / "archived")
    await start()
    assert f"{path} is shorter than it was written" in caplog.text
    store = await start()
    await store.write([history((1, 5.0), (2, 5.0))])
    assert ids(tmp_path, kind, events) == [2]


async def test_a_folder_that_a_newer_program_wrote_is_refused(start, schema, state):
    await start()
    older = Table(state.name, 1, state.columns[:-1], state.key, state.newest)
    with pytest.raises(SchemaMismatch, match="has version 2, this program knows 1"):
        await start(schema._replace(tables=(older,)))


async def test_rows_of_an_older_program_get_the_defaults(start, schema, state, tmp_path, kind):
    store = await start(
        schema._replace(tables=(Table(state.name, 1, state.columns[:-1], state.key, state.newest),))
    )
    await store.write([seal("test", Table("state", 1, (), ()), [ROWS[0][:6]], 0)])
    await start()
    assert file_contents.rows(tmp_path, kind, state) == [[*ROWS[0][:6], None]]


async def test_a_large_whole_file_is_written_now_and_then(start, tmp_path, kind, state, monkeypatch):
    store = await start()
    monkeypatch.setattr(file_writer, "QUICK", 0.0)
    monkeypatch.setattr(file_writer, "SHARE", 1e-9)
    await store.write([seal("test", state, ROWS, 0)])
    newer = [[*ROWS[0][:5], 6, 4e9]]
    await store.write([seal("test", state, newer, 0)])
    assert file_contents.rows(tmp_path, kind, state) == ROWS
    await store.close()
    assert file_contents.rows(tmp_path, kind, state) == newer


async def test_it_can_not_be_asked(start, state):
    store = await start()
    for asked in (store.read(Query(state)), store.scan(state, None, 1)):
        with pytest.raises(StoreUnavailable, match="can't be asked"):
            await asked


async def test_the_tables_of_the_pipeline_fit(start):
    await start(schema_of(ProxyPipeline()))


async def test_history_that_changes_is_refused(start, schema, events):
    changing = Table("changing", 1, events.columns, events.key, newest="at", partition="at")
    with pytest.raises(SchemaMismatch, match="files of history can't replace rows"):
        await start(schema._replace(tables=(changing,)))


class TestNdjson:
    @pytest.fixture
    def kind(self):
        return "ndjson"

    async def test_a_line_is_an_object_by_column(self, start, tmp_path, state):
        store = await start()
        rows = [*ROWS, ["192.0.2.2", 80, "", False, None, 1, None], ["192.0.2.3", 1, "a", True, 0.5, 2, 0.25]]
        await store.write([seal("test", state, rows, 0)])
        assert (tmp_path / "state.ndjson").read_text() == (
            '{"host":"192.0.2.1","port":80,"tags":["http","https"],"alive":true,"score":0.9,"version":5,'
            '"seen":"2096-10-02T07:06:40.000000Z"}\n'
            '{"host":"192.0.2.2","port":80,"tags":[],"alive":false,"score":null,"version":1,"seen":null}\n'
            '{"host":"192.0.2.3","port":1,"tags":["a"],"alive":true,"score":0.5,"version":2,'
            '"seen":"1970-01-01T00:00:00.250000Z"}\n'
        )

    @pytest.mark.parametrize(
        ("note", "found"),
        [
            ('{"a": [1,\n 2.5, "x\\ny"]}', {"a": [1, 2.5, "x\ny"]}),
            ("no JSON", "no JSON"),
            ("", ""),
            ("[" * 10_000, "[" * 10_000),
            ('{"a":1}\n{"b":2}', '{"a":1}\n{"b":2}'),
        ],
        ids=["nested", "text", "empty", "deep", "two"],
    )
    async def test_json_is_nested_in_one_line(self, start, tmp_path, events, note, found):
        store = await start()
        await store.write([seal("test", events, [[1, 0.0, note]], 0)])
        [line] = (tmp_path / "events" / "1970-01-01.ndjson").read_text().splitlines()
        assert json.loads(line)["note"] == found

    async def test_a_torn_tail_is_cut_and_said(self, start, tmp_path, events, caplog):
        store = await start()
        await store.write([history((1, 5.0))])
        await store.close()
        path = tmp_path / "events" / "1970-01-01.ndjson"
        whole = path.read_bytes()
        path.write_bytes(whole + b'{"id":2,"at"')
        store = await start()
        assert path.read_bytes() == whole
        assert f"cut 12 bytes of a write that did not end off {path}" in caplog.text

    async def test_a_file_that_changes_under_the_store_is_said(self, start, tmp_path, events):
        store = await start()
        await store.write([history((1, 5.0))])
        path = tmp_path / "events" / "1970-01-01.ndjson"
        path.write_bytes(b"")
        with pytest.raises(StoreUnavailable, match="not as it was written"):
            await store.write([history((2, 5.0))])
        await store.open()
        await store.write([history((2, 5.0))])
        assert ids(tmp_path, "ndjson", events) == [2]


class TestParquet:
    @pytest.fixture
    def kind(self):
        return "parquet"

    @pytest.fixture
    def events(self, events):
        """Kept for ever."""
        return Table(events.name, 1, events.columns, events.key, partition="at")

    @pytest.fixture
    def schema(self, schema, state, events):
        return schema._replace(tables=(state, events))

    async def test_columns_are_typed(self, start, tmp_path, state):
        store = await start()
        await store.write([seal("test", state, ROWS, 0)])
        table = pq.read_table(tmp_path / "state.parquet")
        assert [str(field.type) for field in table.schema] == [
            "string", "int64", "list<element: string>", "bool", "double", "int64", "timestamp[us, tz=UTC]",
        ]  # fmt: skip
        seen = datetime.fromtimestamp(4e9, UTC)
        assert list(table.to_pylist()[0].values()) == [*ROWS[0][:2], ["http", "https"], True, 0.9, 5, seen]
        assert (
            pq.ParquetFile(tmp_path / "state.parquet").metadata.row_group(0).column(0).compression == "ZSTD"
        )

    async def test_a_day_that_is_over_becomes_one_part(self, start, tmp_path, events, monkeypatch):
        monkeypatch.setattr(parquet, "QUIET", -1.0)
        monkeypatch.setattr(parquet, "ROW_GROUP", 4)
        store, now = await start(), time.time()
        for i in range(6):
            await store.write([history((i, now), (10 + i, now - 2 * DAY))])
        old, new = tmp_path / "events" / day(now - 2 * DAY), tmp_path / "events" / day(now)
        assert [len(list(path.iterdir())) for path in (old, new)] == [6, 6]
        assert await store.prune(time.time()) == 0
        assert [path.name for path in old.iterdir()] == ["part-000013.parquet"]
        assert pq.ParquetFile(old / "part-000013.parquet").num_row_groups == 2
        assert len(list(new.iterdir())) == 6
        assert ids(tmp_path, "parquet", events) == [*range(6), *range(10, 16)]
        await store.write([history((10, now - 2 * DAY), (16, now - 2 * DAY))])  # the latter comes late
        await store.prune(time.time())
        assert len(list(old.iterdir())) == 1
        assert ids(tmp_path, "parquet", events) == [*range(6), *range(10, 17)]

    async def test_a_day_is_left_in_parts_while_it_still_gets_rows(self, start, tmp_path):
        store = await start()
        for i in range(2):
            await store.write([history((i, 0.0))])
        await store.prune(time.time())
        assert len(list((tmp_path / "events" / "day=1970-01-01").iterdir())) == 2

    async def test_parts_of_an_older_version_get_the_defaults(
        self, start, schema, events, tmp_path, monkeypatch
    ):
        monkeypatch.setattr(parquet, "QUIET", -1.0)
        newer = Table("events", 2, (*events.columns, schema.tables[0].columns[2]), events.key, partition="at")
        store = await start()
        await store.write([history((1, 5.0))])
        store = await start(schema._replace(tables=(newer,)))
        await store.write([seal("test", newer, [[2, 5.0, "{}", "a,b"]], 0)])
        await store.prune(time.time())
        assert file_contents.rows(tmp_path, "parquet", newer) == [[1, 5.0, "{}", ""], [2, 5.0, "{}", "a,b"]]
        assert len(file_contents.files(tmp_path, "parquet", newer)) == 1

    async def test_an_unreadable_part_stays_and_holds_nothing_up(self, start, tmp_path, monkeypatch, caplog):
        monkeypatch.setattr(parquet, "QUIET", -1.0)
        store = await start()
        now = 10 * DAY
        for i in range(2):
            await store.write([history((i, 9.5 * DAY), (10 + i, 9.6 * DAY))])
        part = tmp_path / "events" / "day=1970-01-10" / "part-000001.parquet"
        damaged = b"x" * part.stat().st_size
        part.write_bytes(damaged)
        for _ in range(2):
            await store.prune(time.time())
        assert caplog.text.count("1970-01-10 of events stays in parts, one is unreadable: ArrowInvalid") == 1
        assert part.read_bytes() == damaged
        await store.write([history((3, now))])


def day(at: float) -> str:
    return f"day={datetime.fromtimestamp(at, UTC):%Y-%m-%d}"


def test_without_pyarrow_it_is_said_what_to_install(monkeypatch):
    monkeypatch.delitem(sys.modules, "eagleray.actors.sinks.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ValueError, match=r"needs pyarrow: pip install 'eagleray\[parquet\]'"):
        create_writer(StoreUrl("parquet", "parquet", "parquet:/nowhere"))
