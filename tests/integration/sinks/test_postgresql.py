"""What is special to PostgreSQL: types, days, roles, migrations, TLS, PgBouncer."""

import asyncio
import os
import shutil
import socket
import subprocess
import time
from ipaddress import ip_address

import asyncpg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from eagleray.actors.sinks import postgresql_connections
from eagleray.actors.sinks.base import RowsRejected, SchemaMismatch, StoreUnavailable
from eagleray.actors.sinks.migrations import schema_of
from eagleray.actors.sinks.postgresql import LOCK, PostgresqlWriter
from eagleray.cluster.proving_ground.certificates import authority, unsigned
from eagleray.pipelines.proxies.pipeline import ProxyPipeline
from eagleray.pipelines.proxies.tables import CHECKS, PROXIES
from eagleray.pipelines.tables import Filter, Op, Query, seal
from tests.bench.sink import check, proxy
from tests.servers import postgresql as servers

DAY = 86_400.0
GRANTS = """
GRANT USAGE ON SCHEMA public TO writer;
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO writer;
REVOKE INSERT, UPDATE ON schema_migrations FROM writer;
GRANT EXECUTE ON FUNCTION eagleray_add_day, eagleray_drop_day TO writer
"""


@pytest.fixture
async def opened():
    """Opens writers of these URLs; closed at the end."""
    writers = []

    async def open_(url: str) -> PostgresqlWriter:
        writers.append(PostgresqlWriter.from_url("postgresql", url))
        await writers[-1].open()
        return writers[-1]

    yield open_
    for each in writers:
        await each.close()


@pytest.fixture
async def store(opened, postgresql_url, schema):
    writer = await opened(postgresql_url)
    await writer.migrate(schema)
    return writer


@pytest.fixture
def sql(postgresql_server, postgresql_url):
    """What statements print, run in the test's database."""
    return lambda text: postgresql_server.sql(text, postgresql_url.rpartition("/")[2])


@pytest.fixture
def role(postgresql_server):
    """A role without any right of its own."""
    postgresql_server.sql("DROP ROLE IF EXISTS writer;\nCREATE ROLE writer LOGIN")
    return "writer"


def days(sql) -> list[str]:
    """The partitions of events; the default one stands last."""
    children = "SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'events'::regclass"
    return sorted(sql(children).split())


def partition(at: float) -> str:
    return time.strftime("events_%Y%m%d", time.gmtime(at))


@pytest.mark.parametrize(
    "apart", [0.0, 3600.0, -DAY, DAY], ids=["same", "an hour", "day before", "day after"]
)
async def test_a_check_that_comes_again_with_another_time_is_one_row(store, events, sql, apart):
    at = time.time() - 2 * DAY
    store._tables["events"] = events = with_time_to_live(events, 30 * DAY)
    for row in ([1, at, "first"], [1, at + apart, "second"]):
        await store.write([seal("test", events, [row], 0)])
    await store.write([seal("test", events, [[1, at, "first"], [1, at + apart, "second"]], 0)])
    assert sql("SELECT note, tableoid::regclass FROM events") == f"first|{partition(at)}"


def with_time_to_live(table, seconds: float):
    return type(table)(
        table.name, table.version, table.columns, table.key, partition="at", time_to_live=seconds
    )


async def test_two_that_write_the_same_check_at_once_store_one(
    store, opened, events, sql, schema, postgresql_url
):
    other = await opened(postgresql_url)
    await other.migrate(schema)
    now = time.time()
    await asyncio.gather(*(each._add_days({"events": [[1, now, ""]]}) for each in (store, other)))
    rows = [[[i, now + place, str(place)] for i in range(2000)] for place in (0, 1)]
    await asyncio.gather(
        *(
            each.write([seal("test", events, part, 0)])
            for each, part in zip((store, other), rows, strict=True)
        )
    )
    assert sql("SELECT count(*), count(DISTINCT id) FROM events") == "2000|2000"


async def test_absurd_times_make_no_partitions(store, events, sql):
    absurd = [
        -1e11,
        0.0,
        4e9,
        9e12,
        float("inf"),
        float("-inf"),
        *(time.time() + i * DAY for i in range(2, 99)),
    ]
    await store.write([seal("test", events, [[i, at, ""] for i, at in enumerate(absurd)], 0)])
    assert days(sql) == ["events_other"]
    assert [row[1] for row in await store.scan(events, None, 6)] == absurd[:6]


async def test_days_are_dropped_once_they_are_wholly_past_their_time(store, events, sql):
    now = time.time()
    midnight = now // DAY * DAY
    await store.write([seal("test", events, [[1, now, ""], [2, midnight + DAY, ""], [3, 0.0, ""]], 0)])
    assert days(sql) == [partition(now), partition(now + DAY), "events_other"]
    assert await store.prune(midnight + DAY + 99.0) == 1  # the row of 1970
    assert await store.prune(midnight + DAY + 100.0) == 1
    assert days(sql) == [partition(now + DAY), "events_other"]
    assert sql("SELECT id FROM events") == "2"
    await store.write([seal("test", events, [[4, now, ""]], 0)])  # a clock that was wrong when it pruned
    assert days(sql) == [partition(now), partition(now + DAY), "events_other"]


async def test_while_a_reader_holds_the_table_rows_wait_in_the_default_partition(
    store, opened, events, sql, schema, postgresql_url, monkeypatch
):
    monkeypatch.setattr(postgresql_connections, "LOCK_SECONDS", 0.05)
    now = time.time()
    reader = await asyncpg.connect(postgresql_url)
    async with reader.transaction():
        await reader.fetch("SELECT * FROM events")
        await store.write([seal("test", events, [[1, now, ""]], 0)])
        assert await store.prune(now + 9 * DAY) == 1  # a row it may delete; no table is dropped
        await store.write([seal("test", events, [[2, now, ""]], 0)])
        assert days(sql) == ["events_other"]
    await reader.close()
    await store.write([seal("test", events, [[3, now, ""]], 0)])
    assert sql("SELECT DISTINCT tableoid::regclass, count(*) FROM events GROUP BY 1") == f"{partition(now)}|2"


async def test_two_that_migrate_at_once_run_each_script_once(opened, postgresql_url, schema, sql):
    writers = [await opened(postgresql_url) for _ in range(4)]
    await asyncio.gather(*(writer.migrate(schema) for writer in writers))
    assert (
        sql("SELECT version, name FROM schema_migrations ORDER BY 1")
        == "1|0001_tables.sql\n2|0002_events.sql"
    )


async def test_an_older_schema_is_brought_up_to_date_and_keeps_its_rows(
    opened, postgresql_url, schema, state, sql
):
    older = type(state)(state.name, 1, state.columns[:6], state.key, state.newest)
    writer = await opened(postgresql_url)
    scripts = {kind: scripts[:1] for kind, scripts in schema.scripts.items()}
    await writer.migrate(schema._replace(scripts=scripts, tables=(older,)))
    row = ["192.0.2.1", 80, "a,b", True, 0.5, 1]
    await writer.write([seal("test", older, [row], 0)])
    await writer.migrate(schema)
    assert await writer.scan(state, None, 9) == [[*row, None]]


async def test_a_script_that_fails_leaves_nothing(opened, postgresql_url, schema, sql):
    first, second = schema.scripts["postgresql"]
    broken = {"postgresql": (first, second._replace(sql="CREATE TABLE half (id int); SELECT 1 / 0"))}
    writer = await opened(postgresql_url)
    with pytest.raises(StoreUnavailable, match="22012"):
        await writer.migrate(schema._replace(scripts=broken))
    assert sql("SELECT version, to_regclass('half') FROM schema_migrations") == "1|"


async def test_a_role_without_rights_is_told_what_to_do_and_then_writes(
    opened, postgresql_server, postgresql_url, schema, events, sql, role
):
    database = postgresql_url.rpartition("/")[2]
    writer = await opened(postgresql_server.url(database, role))
    with pytest.raises(SchemaMismatch, match="`eagleray store migrate` as the tables' owner"):
        await writer.migrate(schema)
    await (await opened(postgresql_url)).migrate(schema)
    with pytest.raises(SchemaMismatch, match="lacks a right"):
        await writer.migrate(schema)
    sql(GRANTS)
    await writer.migrate(schema)
    now = time.time()
    await writer.write([seal("test", events, [[1, now, ""], [2, 0.0, ""]], 0)])
    assert days(sql) == [partition(now), "events_other"]
    assert [await writer.prune(now + 3 * DAY) for _ in range(2)] == [2, 0]
    with pytest.raises(RuntimeError, match="must be owner"):
        sql("SET ROLE writer;\nDROP TABLE events")
    sql("DROP OWNED BY writer;\nDROP ROLE writer")


@pytest.mark.parametrize(
    "bad",
    [
        ["not-an-address", 80, "", True, 0.5, 1, 4e9],
        ["192.0.2.1\0", 80, "", True, 0.5, 1, 4e9],
        ["", 80, "", True, 0.5, 1, 4e9],
        ["192.0.2.1", 80, "a\0b", True, 0.5, 1, 4e9],
        ["192.0.2.1", 1 << 63, "", True, 0.5, 1, 4e9],
        ["192.0.2.1", 80, "", "secret", 0.5, 1, {"secret": 1}],
        ["192.0.2.1", 80, "", True, 0.5, 1, 1e300],
        ["192.0.2.1", 80, "", True, 0.5, 1, float("nan")],
        ["192.0.2.1", 80, "", None, 0.5, 1, 4e9],
    ],
    ids=["address", "nul in it", "empty key", "nul", "large", "document", "late", "nan", "null"],
)
async def test_a_value_that_it_can_not_store_is_rejected_and_not_repeated(store, state, bad):
    with pytest.raises(RowsRejected) as refused:
        await store.write([seal("test", state, [bad], 0)])
    assert not any(word in str(refused.value) for word in ("not-an-address", "secret", "a\\0b"))
    assert await store.scan(state, None, 9) == []
    await store.write([seal("test", state, [["192.0.2.1", 80, "", True, 0.5, 1, 4e9]], 0)])


async def test_a_text_too_long_for_an_index_is_rejected(opened, postgresql_url):
    writer = await opened(postgresql_url)
    await writer.migrate(schema_of(ProxyPipeline()))
    row = proxy("192.0.2.1", 1)
    row[2] = os.urandom(9000).hex()
    with pytest.raises(RowsRejected, match="54000"):
        await writer.write([seal("proxies", PROXIES, [row], 0)])


@pytest.mark.parametrize(
    "text", ["::ffff:1.2.3.4", "::1.2.3.4", "::1", "2001:db8::", "1:0:0:2::", "2001:db8:0:1:1:1:1:1"]
)
async def test_addresses_come_back_in_their_usual_form(store, state, text):
    row = [str(ip_address(text)), 80, "a,,b", True, 0.5, 1, 1.7e9 + 0.123456]
    await store.write([seal("test", state, [row], 0)])
    assert await store.scan(state, None, 9) == [row]


async def test_odd_values_in_a_query_raise_nothing(shared):
    store, state = shared
    odd = ["no address", "", "a\0b", "\ud800", None, 1 << 70, -(1 << 70), 1e300, b"x", (1,), {}]
    odd += [float(word) for word in ("nan", "inf", "-inf")]
    for column in state.names[:5] + state.names[6:]:
        for value in odd:
            for op in Op:
                each = (value,) if op in (Op.IN, Op.HAS) else value
                found = await store.read(Query(state, (Filter(column, op, each),)))
                assert found == [] or op in (Op.GE, Op.LE)


@pytest.fixture
async def shared(store, state):
    await store.write([seal("test", state, [["192.0.2.1", 80, "http", True, 0.5, 1, 4e9]], 0)])
    return store, state


@pytest.mark.parametrize(
    "condition",
    [
        Filter("port", Op.GE, 79.5),
        Filter("port", Op.EQ, 80.0),
        Filter("score", Op.LE, 1),
        Filter("seen", Op.LE, float("inf")),
        Filter("seen", Op.GE, -1e300),
        Filter("alive", Op.EQ, 1),
        Filter("tags", Op.EQ, "http"),
        Filter("host", Op.LE, "192.0.3.0"),
    ],
    ids=str,
)
async def test_values_of_other_types_are_compared_as_numbers_are(shared, condition):
    store, state = shared
    assert len(await store.read(Query(state, (condition,)))) == 1


async def test_the_pool_is_asked_through_its_indexes(opened, postgresql_url, sql):
    writer = await opened(postgresql_url)
    await writer.migrate(schema_of(ProxyPipeline()))
    rows = [proxy(f"10.0.{n >> 8}.{n & 255}", n) for n in range(1000)]
    await writer.write(
        [seal("proxies", PROXIES, rows, 0), seal("proxies", CHECKS, [check("10.0.0.1", 1)], 0)]
    )
    sql("ANALYZE proxies")
    plans = {
        "proxies_protocols": "protocols && '{socks5}'",
        "proxies_extracted_at": "extracted_at > now() - interval '1 hour'",
        "proxies_next_due": "next_due < '2001-01-01'",
        "proxies_country": "country = 'DE'",
        "proxies_score": "score > 0.9",
        "proxies_anonymity": "anonymity = 'transparent'",
    }
    for index, where in plans.items():
        assert index in sql(f"EXPLAIN SELECT * FROM proxies WHERE {where}")
    assert sql("SELECT count(*) FROM proxies WHERE extracted_at = first_seen") == "1000"
    assert sql("SELECT protocols -> 'http' ->> 'outcome' FROM checks") == "ok"


async def test_reading_does_not_wait_for_writing(store, events, postgresql_url):
    holder = await asyncpg.connect(postgresql_url)
    await holder.execute("SELECT pg_advisory_lock($1)", LOCK)
    writing = asyncio.create_task(store.write([seal("test", events, [[1, 4e9, ""]], 0)]))
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    while not await holder.fetchval(waiting):  # noqa: ASYNC110 (what it waits for has no event)
        await asyncio.sleep(0)
    assert await asyncio.gather(*(store.scan(events, None, 9) for _ in range(8))) == [[]] * 8
    await holder.close()
    await writing
    assert len(await store.scan(events, None, 9)) == 1


@pytest.fixture(scope="module")
def authorities(tmp_path_factory):
    """Certificates of who signed the server's, and of somebody else."""
    folder = tmp_path_factory.mktemp("authorities")
    made = [authority("one"), authority("another")]
    for i, each in enumerate(made):
        (folder / f"{i}.pem").write_bytes(each.pem())
    return made[0], folder / "0.pem", folder / "1.pem"


@pytest.fixture(scope="module")
def tls_server(authorities):
    signer = authorities[0]
    key = ec.generate_private_key(ec.SECP256R1())
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    certificate = unsigned("127.0.0.1", "one", key).add_extension(alternative, critical=False)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    signed = certificate.sign(signer.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    files = {"server.key": private, "server.crt": signed}
    try:
        with servers.started("ssl=on", files=files, tls=True) as server:
            yield server
    except servers.MissingServer as error:
        pytest.skip(str(error))


async def test_tls_is_verified(tls_server, authorities, opened):
    _, trusted, other = authorities
    url = tls_server.url("postgres")
    writer = await opened(f"{url}?sslmode=verify-full&sslrootcert={trusted}")
    async with writer._database.session(5.0) as connection:
        assert await connection.fetchval("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
    with pytest.raises(StoreUnavailable, match="certificate verify failed"):
        await opened(f"{url}?sslmode=verify-full&sslrootcert={other}")
    with pytest.raises(StoreUnavailable, match=r"match|mismatch"):
        await opened(f"{url.replace('127.0.0.1', 'localhost')}?sslmode=verify-full&sslrootcert={trusted}")
    with pytest.raises(StoreUnavailable, match="a file that the URL names is not there"):
        await opened(f"{url}?sslmode=verify-full&sslrootcert=/nowhere.pem")


async def test_a_server_without_tls_is_refused_where_it_is_asked_for(postgresql_url, opened, authorities):
    with pytest.raises(StoreUnavailable):
        await opened(f"{postgresql_url}?sslmode=verify-full&sslrootcert={authorities[1]}")


@pytest.fixture
def pgbouncer(postgresql_server, tmp_path):
    """The port of a PgBouncer in transaction mode with two connections to the server."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")
    if program is None:
        pytest.skip("pgbouncer is missing: apt-get install pgbouncer")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = postgresql_server.folder
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\n* = user=postgres host=127.0.0.1 port={postgresql_server.port}\n"
        "[pgbouncer]\nlisten_addr=127.0.0.1\n"
        f"listen_port={port}\nauth_type=any\npool_mode=transaction\ndefault_pool_size=2\nunix_socket_dir=\n"
    )
    with (tmp_path / "pgbouncer.log").open("wb") as log:
        command = [program, str(folder / "pgbouncer.ini")]
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd="/", **servers.user())
    while True:
        assert process.poll() is None, (tmp_path / "pgbouncer.log").read_text()
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            time.sleep(0.02)
    yield port
    process.terminate()
    process.wait(10)


async def test_pgbouncer_may_stand_between(
    pgbouncer, postgresql_server, opened, schema, events, state, postgresql_url
):
    database = postgresql_url.rpartition("/")[2]
    writers = [await opened(postgresql_server.url(database, port=pgbouncer)) for _ in range(3)]
    await asyncio.gather(*(writer.migrate(schema) for writer in writers))
    now = time.time()
    for turn in range(5):
        await asyncio.gather(
            *(
                each.write(
                    [
                        seal("test", events, [[turn * 10 + i, now, ""] for i in range(10)], 0),
                        seal("test", state, [["192.0.2.1", 80, "", True, 0.5, turn, now]], 0),
                    ]
                )
                for each in writers
            ),
            *(each.scan(events, None, 100) for each in writers),
        )
    assert [row[0] for row in await writers[0].scan(events, None, 100)] == list(range(50))
    assert await writers[0].prune(now + 9 * DAY) == 50
    async with writers[0]._database.session(5.0) as connection:  # no session has kept anything
        assert await connection.fetchval("SHOW work_mem") == "4MB"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql://u:secret@h", "needs a database"),
        ("postgresql://u:secret@h/", "needs a database"),
        ("postgresql:///d", "needs a database"),
        ("postgresql://u:secret@h:port/d", "a port of PostgreSQL is a number"),
        ("postgresql://u:secret@h/d?sslmode", "its options are NAME=VALUE"),
        (
            "postgresql://u:secret@h/d?application_name=secret",
            "options of a store of kind postgresql are sslmode,",
        ),
        ("postgresql://u:secret@h/d?sslmode=secret", "sslmode is one of disable,"),
    ],
)
def test_a_url_that_is_not_understood_is_refused(url, message):
    with pytest.raises(ValueError, match=message) as refused:
        PostgresqlWriter.from_url("postgresql", url)
    assert "secret" not in str(refused.value)


def test_the_identity_holds_no_secret():
    url = "postgres://user:secret@db.example:6432/pool?sslmode=verify-full&passfile=/secret"
    assert PostgresqlWriter.from_url("pg", url).identity == "db.example:6432/pool"
    assert PostgresqlWriter.from_url("pg", "postgresql://h/d").identity == "h:5432/d"


async def test_a_table_made_by_hand_is_refused_with_what_to_do(opened, postgresql_url, sql):
    sql("CREATE TABLE proxies (a int)")
    writer = await opened(postgresql_url)
    said = r"table proxies in the store .*it lacks ip, port, .* and \d+ more\): rename or drop it"
    with pytest.raises(SchemaMismatch, match=said):
        await writer.migrate(schema_of(ProxyPipeline()))
