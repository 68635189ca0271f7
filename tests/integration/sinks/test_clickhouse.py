import asyncio
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.error import HTTPError

import pytest

from eagleray.actors.sinks import clickhouse_client
from eagleray.actors.sinks.base import RowsRejected, SchemaMismatch, StoreUnavailable
from eagleray.actors.sinks.clickhouse import ClickHouseWriter
from eagleray.actors.sinks.clickhouse_columns import StoredTable
from eagleray.actors.sinks.migrations import schema_of
from eagleray.pipelines.proxies.pipeline import ProxyPipeline
from eagleray.pipelines.proxies.tables import CHECKS, CYCLES, DAY, PROXIES, SOURCE_POLLS
from eagleray.pipelines.tables import Envelope, Filter, Op, Query, Row, seal
from tests.fault_proxy import fault_proxy
from tests.servers.clickhouse import ClickHouse, started

SCHEMA = schema_of(ProxyPipeline())
NOW = time.time()
PASSWORD = "p@ss:w/rd"


def check(lease: int, at: float = NOW) -> Row:
    """A row of `CHECKS`, with a latency where the lease is even."""
    report = '{"http":{"outcome":"ok"}}'
    latency = 100.5 if lease % 2 == 0 else None
    outcome = "ok" if lease % 3 else "timeout"
    tail = [outcome, "elite", "192.0.2.7", latency, True, report, ("NL", "DE")[lease % 2], "a-list", "{}"]
    return [f"192.0.2.{lease % 200}", 8080, "", lease, at - lease % 3 * DAY, "node-1", *tail]


def checks(leases: Sequence[int]) -> Envelope:
    return seal("proxies", CHECKS, [check(lease) for lease in leases], 0)


async def opened(url: str) -> ClickHouseWriter:
    writer = ClickHouseWriter.from_url("clickhouse", url)
    await writer.open()
    await writer.migrate(SCHEMA)
    return writer


async def until_written(writer: ClickHouseWriter, *envelopes: Envelope) -> None:
    """Write, and begin anew after a failure, as a follower does."""
    for _ in range(20):
        try:
            await writer.write(envelopes)
            return
        except StoreUnavailable:
            await writer.open()
            await writer.migrate(SCHEMA)
    pytest.fail("it never was written")


@pytest.fixture
async def store(clickhouse_url):
    writer = await opened(clickhouse_url)
    yield writer
    await writer.close()


@pytest.fixture
def ask(clickhouse_server: ClickHouse, clickhouse_url: str):
    """Asks the test's database by another client; `{}` stands for its name."""
    name = clickhouse_url.rpartition("/")[2]
    return lambda statement: clickhouse_server.query(statement.replace("{}", name))


@pytest.fixture
def own_server() -> Iterator[ClickHouse]:
    """A server that the test may kill and pause."""
    with started(PASSWORD) as server:
        yield server


def assert_each_counts_once(query, database: str, leases: Sequence[int]) -> None:
    """The history holds each lease once, and the roll-up is what the history sums up to."""
    there = query(f"SELECT count(), uniqExact(lease_id) FROM {database}.checks")
    assert there == f"{len(leases)}\t{len(leases)}"
    sums = "sum(checks), sum(ok), sum(latencies), sum(latency_sum)"
    counts = "count(), countIf(outcome = 'ok'), count(latency), sum(ifNull(latency, 0))"
    by = "GROUP BY hour, country, source ORDER BY ALL"
    rolled = f"SELECT toUnixTimestamp(hour), country, source, {sums} FROM {database}.checks_hourly {by}"
    hour = "intDiv(toUnixTimestamp(checked_at), 3600) * 3600 AS hour"
    assert query(rolled) == query(f"SELECT {hour}, country, source, {counts} FROM {database}.checks {by}")


def committed(path: Path) -> set[str]:
    """The parts of a table that are there, merged away ones among them."""
    return {part.name for part in path.iterdir() if part.name[0].isdigit()}


def wait_for_parts(path: Path, count: int) -> None:
    until = time.monotonic() + 60
    while len(committed(path)) < count:
        assert time.monotonic() < until


async def test_rows_of_every_table_come_back_as_they_were(store):
    at = round(NOW) + 0.123456
    hostile = "x'\\\t\n\0\"ü€😀{v0:String}"
    head = ["2001:db8::1", 65_535, hostile, hostile, True, "ok", "http,https", "", "NL", "elite", "", "", "a"]
    proxy = [
        *head,
        0.92,
        0.9,
        0.71,
        9.5,
        None,
        240.25,
        0.55,
        12,
        0,
        at,
        None,
        at,
        at,
        at + 600.5,
        (7 << 40) + 1,
    ]
    poll = ["a", at, 1, 2, 3, 4, '{"no port":1}', hostile, 0.5]
    rows = {
        PROXIES: proxy,
        CHECKS: check(2, at),
        SOURCE_POLLS: poll,
        CYCLES: [at, at + 1, 1, 0, 9, 8, 7, "{}"],
    }
    await store.write([seal("proxies", table, [row], 0) for table, row in rows.items()])
    for table, row in rows.items():
        assert [list(found) for found in await store.scan(table, None, 10)] == [row]
        assert await store.scan(table, [row[table.names.index(name)] for name in table.key], 10) == []
    found = await store.read(
        Query(PROXIES, (Filter("username", Op.EQ, hostile), Filter("last_ok", Op.GE, at)))
    )
    assert [list(row) for row in found] == [proxy]


async def test_each_check_counts_once_however_it_comes_again(store, ask):
    chance = random.Random(3)
    leases = list(range(200))
    for _ in range(12):
        first = chance.randrange(len(leases))
        some = leases[first : first + chance.randrange(1, 80)]
        await store.write([checks(some), checks(some[::-1]), checks(leases[:first][-5:])])
    await store.write([checks(leases)])
    assert_each_counts_once(ask, "{}", leases)
    quantiles = "quantilesTimingMerge(0.5, 0.9, 0.99)(latency_quantiles)"
    assert ask(f"SELECT {quantiles} FROM {{}}.checks_hourly") == "[100,100,100]"


@pytest.mark.parametrize(
    ("way", "limits"), [("to_server", range(0, 4000, 190)), ("to_client", range(0, 700, 37))]
)
async def test_each_check_counts_once_where_the_line_is_cut(
    clickhouse_server, clickhouse_url, ask, way, limits
):
    database = clickhouse_url.rpartition("/")[2]
    async with fault_proxy(clickhouse_server.port) as proxy:
        writer = await opened(f"clickhouse://127.0.0.1:{proxy.port}/{database}")
        written = failures = 0
        for limit in limits:
            setattr(proxy, way, limit)
            batch = checks(range(written, written + 5))
            written += 5
            try:
                await writer.write([batch])
            except StoreUnavailable:
                failures += 1
            proxy.heal()
            await until_written(writer, batch, checks(range(max(0, written - 12), written)))
        await writer.close()
    assert failures > 5
    assert_each_counts_once(ask, "{}", range(written))


async def test_each_check_counts_once_where_the_server_is_killed(own_server):
    own_server.query("CREATE DATABASE pool")
    writer = await opened(f"{own_server.url}/pool")
    path = Path(own_server.query("SELECT data_paths[1] FROM system.tables WHERE name = 'checks'"))
    for parts in (1, 3):  # of three days; their sums come last
        batch, before = checks(range(parts * 2000, parts * 2000 + 2000)), committed(path)
        writing = asyncio.create_task(writer.write([batch]))
        await asyncio.to_thread(wait_for_parts, path, len(before) + parts)
        own_server.kill()
        await asyncio.gather(writing, return_exceptions=True)
        own_server.start()
        await until_written(writer, batch)
    await writer.close()
    assert_each_counts_once(own_server.query, "pool", [*range(2000, 4000), *range(6000, 8000)])


async def test_a_server_that_hangs_is_unavailable_in_a_bounded_time(own_server, monkeypatch, caplog):
    own_server.query("CREATE DATABASE pool")
    writer = await opened(f"{own_server.url}/pool")
    with monkeypatch.context() as impatient:
        impatient.setattr(clickhouse_client, "ANSWER_SECONDS", 2)
        await writer.open()
        own_server.pause()
        for attempt in (lambda: writer.write([checks(range(3))]), writer.open):
            with pytest.raises(StoreUnavailable, match=r"no answer \((ReadTimeoutError|TimeoutError)\)"):
                await attempt()
    assert caplog.records == []  # the follower says it, once
    own_server.resume()
    await until_written(writer, checks(range(5)))
    await writer.close()
    assert_each_counts_once(own_server.query, "pool", range(5))


async def test_an_insert_waits_for_an_earlier_one_that_still_runs(
    store, clickhouse_server, clickhouse_url, ask
):
    query_id = f"eagleray:{clickhouse_url.rpartition('/')[2]}.checks"

    def run_long() -> None:
        while True:
            with suppress(HTTPError):  # the writer's own statement was running
                return clickhouse_server.query("SELECT sleep(1)", query_id=query_id)

    async def write_on() -> None:
        while True:
            await store.write([checks([1])])

    earlier = asyncio.create_task(asyncio.to_thread(run_long))
    with pytest.raises(StoreUnavailable, match="an earlier insert still runs"):
        await write_on()
    await earlier
    await store.write([checks([1, 2])])
    assert_each_counts_once(ask, "{}", [1, 2])


async def test_who_may_not_come_in_is_said_without_the_password(own_server):
    own_server.query("CREATE DATABASE pool")
    writer = await opened(f"{own_server.url}/pool")
    await writer.close()
    for wrong in ("wrong", ""):
        url = f"clickhouse://default:{wrong}@127.0.0.1:{own_server.port}/pool"
        writer = ClickHouseWriter.from_url("clickhouse", url)
        with pytest.raises(StoreUnavailable, match="neither this user nor this password") as refused:
            await writer.open()
        assert "wrong" not in str(refused.value)
        await writer.close()


async def test_a_database_that_is_not_there_is_said(clickhouse_server):
    writer = ClickHouseWriter.from_url("clickhouse", f"{clickhouse_server.url}/nowhere")
    with pytest.raises(StoreUnavailable, match="CREATE DATABASE makes it"):
        await writer.open()
    with pytest.raises(StoreUnavailable, match="is not open"):
        await writer.write([checks([1])])
    await writer.close()


async def test_a_server_that_is_down_is_unavailable():
    writer = ClickHouseWriter.from_url("clickhouse", "clickhouse://127.0.0.1:1/pool")
    with pytest.raises(
        StoreUnavailable, match=r"^ClickHouse 127.0.0.1:1/pool: no answer \(NewConnectionError\)$"
    ):
        await writer.open()
    await writer.close()


async def test_a_table_that_has_gone_missing_is_said(store, ask):
    ask("DROP TABLE {}.proxies")
    row = [*check(1)[:3], "", True, *[""] * 8, *[0.0] * 7, 1, 0, NOW, None, None, NOW, NOW, 1]
    with pytest.raises(StoreUnavailable, match="a table is missing"):
        await store.write([seal("proxies", PROXIES, [row], 0)])
    await store.open()
    with pytest.raises(SchemaMismatch, match="table proxies is missing"):
        await store.migrate(SCHEMA)


async def test_a_table_that_would_take_inserts_twice_is_refused(store, ask):
    ask("ALTER TABLE {}.checks MODIFY SETTING non_replicated_deduplication_window = 0")
    with pytest.raises(SchemaMismatch, match="MODIFY SETTING non_replicated_deduplication_window = 1000"):
        await store.migrate(SCHEMA)


async def test_a_server_that_refuses_an_insert_for_its_own_state_blames_no_row(store, ask):
    ask("ALTER TABLE {}.checks MODIFY SETTING parts_to_throw_insert = 1, parts_to_delay_insert = 1")
    await store.write([checks([1])])
    with pytest.raises(StoreUnavailable, match=r"TOO_MANY_PARTS \(252\)"):
        await store.write([checks([4])])
    ask("ALTER TABLE {}.checks RESET SETTING parts_to_throw_insert, parts_to_delay_insert")
    await store.write([checks([4])])
    assert_each_counts_once(ask, "{}", [1, 4])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", 65_536),
        ("port", -1),
        ("checked_at", 1e11),
        ("lease_id", -1),
        ("confirmed", 1),
        ("node", None),
    ],
)
async def test_a_value_that_a_column_cannot_hold_is_the_rows_fault(store, name, value):
    row = list(check(1))
    row[CHECKS.names.index(name)] = value
    with pytest.raises(RowsRejected, match=f"^a value that column {name} of checks can't hold$"):
        await store.write([checks([2]), seal("proxies", CHECKS, [row], 0)])
    assert await store.scan(CHECKS, None, 10) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("proxies MODIFY COLUMN country UInt8", "column country of proxies in the store is UInt8"),
        (
            "proxies MODIFY COLUMN last_ok Nullable(DateTime64(3, 'UTC'))",
            r"column last_ok .* \(time or null\)",
        ),
        ("checks ADD COLUMN mine String", r"columns that this program does not know \(mine\): drop them"),
        ("checks MODIFY COLUMN node String FIRST", "its columns in another order: ip, port"),
    ],
)
async def test_a_table_that_somebody_changed_is_refused_with_what_to_do(store, ask, change, said):
    ask(f"ALTER TABLE {{}}.{change}")
    with pytest.raises(SchemaMismatch, match=said):
        await store.migrate(SCHEMA)


async def test_a_type_that_changes_meanwhile_is_an_error_of_the_store(store, ask):
    stored = store._tables["checks"]
    store._tables["checks"] = StoredTable(
        CHECKS, ["UInt8" if type_ == "String" else type_ for type_ in stored.types]
    )
    with pytest.raises(StoreUnavailable):
        await store.write([checks([1])])


async def test_two_migrators_at_once_do_no_harm(clickhouse_url, ask):
    writers = [ClickHouseWriter.from_url(f"store-{i}", clickhouse_url) for i in range(3)]
    await asyncio.gather(*(writer.open() for writer in writers))
    await asyncio.gather(*(writer.migrate(SCHEMA) for writer in writers))
    await writers[0].write([checks(range(10))])
    await writers[1].write([checks(range(12))])
    assert_each_counts_once(ask, "{}", range(12))
    for writer in writers:
        await writer.close()


async def test_an_older_schema_is_brought_up_to_date(clickhouse_url, ask):
    writer = ClickHouseWriter.from_url("clickhouse", clickhouse_url)
    await writer.open()
    older = SCHEMA._replace(scripts={"clickhouse": SCHEMA.scripts["clickhouse"][:1]})
    await writer.migrate(older)
    assert "checks_hourly" not in ask("SHOW TABLES FROM {}")
    await writer.migrate(SCHEMA)
    await writer.write([checks([1])])
    assert_each_counts_once(ask, "{}", [1])
    assert ask("SELECT pipeline, version, name FROM {}.schema_migrations FINAL ORDER BY version") == (
        "proxies\t1\t0001_tables.sql\nproxies\t2\t0002_rollups.sql"
    )
    await writer.close()


async def test_days_past_their_time_to_live_are_dropped_as_the_table_description_says(store, ask):
    assert f"toIntervalDay({CHECKS.time_to_live / DAY:.0f})" in ask("SHOW CREATE TABLE {}.checks")
    old, young = NOW - CHECKS.time_to_live - 2 * DAY, NOW - CHECKS.time_to_live + 2 * DAY
    ask("SYSTEM STOP TTL MERGES {}.checks")
    rows = [check(3, old), check(6, old), check(9, young)]
    await store.write([seal("proxies", CHECKS, rows, 0)])
    assert await store.prune(NOW) == 0
    assert [row[3] for row in await store.scan(CHECKS, None, 10)] == [3, 6, 9]
    ask("SYSTEM START TTL MERGES {}.checks")
    ask("OPTIMIZE TABLE {}.checks FINAL")
    assert [row[3] for row in await store.scan(CHECKS, None, 10)] == [9]
    assert ask("SELECT sum(checks) FROM {}.checks_hourly") == "3"  # sums stay


async def test_history_of_one_endpoint_reads_a_stretch(store, ask):
    await store.write([checks(range(3, 60_003, 3))])
    ask("OPTIMIZE TABLE {}.checks FINAL")
    plan = ask("EXPLAIN indexes = 1 SELECT count() FROM {}.checks WHERE ip = '192.0.2.6' AND port = 8080")
    assert "Granules: 1/2" in plan
    newer = ask("EXPLAIN indexes = 1 SELECT ip FROM {}.checks WHERE lease_id BETWEEN 70000 AND 80000")
    assert "Granules: 0/2" in newer


@pytest.mark.parametrize(
    ("url", "identity"),
    [
        ("clickhouse://host", "host:8123/default"),
        ("clickhouses://u%40x:p%40ss@host/pool", "host:8443/pool"),
        ("clickhouse://u:secret@[::1]:9000/a%20b", "::1:9000/a b"),
    ],
)
def test_where_a_url_leads(url, identity):
    assert ClickHouseWriter.from_url("clickhouse", url).identity == identity


@pytest.mark.parametrize(
    "url",
    ["clickhouse://u:secret@h/d?secure=1", "clickhouse://u:secret@h/a/b", "clickhouse://u:secret@h:port"],
)
def test_what_a_url_may_not_have_is_said(url):
    with pytest.raises(ValueError, match="ClickHouse") as refused:
        ClickHouseWriter.from_url("clickhouse", url)
    assert "secret" not in str(refused.value)


async def test_a_table_made_by_hand_is_refused_with_what_to_do(clickhouse_url, ask):
    ask("CREATE TABLE {}.proxies (a Int32) ENGINE = MergeTree ORDER BY a")
    writer = ClickHouseWriter.from_url("clickhouse", clickhouse_url)
    await writer.open()
    said = r"table proxies in the store .*it lacks ip, port, .* and \d+ more\): rename or drop it"
    with pytest.raises(SchemaMismatch, match=said):
        await writer.migrate(SCHEMA)
    await writer.close()
