"""PostgreSQL at its worst, through a real sink: nothing lost, nothing twice, the lag shown."""

import asyncio
import os
import signal
import subprocess

import asyncpg
import msgspec
import pytest

from eagleray.actors import follower
from eagleray.actors.sink import Sink
from eagleray.actors.sinks import postgresql_connections
from eagleray.actors.sinks.base import StoreUnavailable
from eagleray.actors.sinks.log.log import Log
from eagleray.actors.sinks.postgresql import LOCK, PostgresqlWriter
from eagleray.pipelines.tables import encode_batch, seal
from tests.fault_proxy import fault_proxy

STEP = 101  # bytes


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Retries within milliseconds, and patience that a test can wait for."""
    monkeypatch.setattr(follower, "RETRY_FIRST", 0.01)
    monkeypatch.setattr(follower, "RETRY_MOST", 0.1)


@pytest.fixture
async def start(tmp_path, schema):
    """Starts a sink whose only store is at a URL."""
    sinks = []

    async def begin(url: str) -> Sink:
        writer = PostgresqlWriter.from_url("postgresql", url)
        sinks.append(Sink(Log.open(tmp_path / "log"), [writer], schema))
        await sinks[-1].start()
        return sinks[-1]

    yield begin
    for sink in sinks:
        await sink.close()


@pytest.fixture
def sql(postgresql_server, postgresql_url):
    return lambda text: postgresql_server.sql(text, postgresql_url.rpartition("/")[2])


async def stats(sink: Sink):
    return (await sink.stats()).stores["postgresql"]


async def fails(sink: Sink, why: str) -> None:
    """Wait until the store fails for this reason; what it lacks is shown."""
    async with asyncio.timeout(30):
        while why not in (await stats(sink)).failing:  # noqa: ASYNC110 (what it waits for has no event)
            await asyncio.sleep(0.005)
    assert (await stats(sink)).lag_rows > 0


async def whole(sink: Sink, count: int) -> None:
    """The sink catches up by itself; then the store has the rows 0 .. count - 1, each once."""
    async with asyncio.timeout(30):
        await sink.flush()
        while (await stats(sink)).failing:  # noqa: ASYNC110 (pruning may have failed, too)
            await asyncio.sleep(0.002)
    rows, _ = await sink.scan("events", None, 20_000)
    assert [row[0] for row in msgspec.msgpack.decode(rows)] == list(range(count))
    fares = await stats(sink)
    assert (fares.lag_rows, fares.lag_seconds, fares.rejected, fares.failing) == (0, 0.0, 0, "")


async def test_killed_in_the_middle_of_a_batch(start, batch, postgresql_server, postgresql_url):
    sink = await start(postgresql_url)
    await sink.put(batch(*range(100)))
    await sink.flush()
    holder = await asyncpg.connect(postgresql_url)
    await holder.execute("SELECT pg_advisory_lock($1)", LOCK)
    await sink.put(batch(*range(50, 5000)))
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    while not await holder.fetchval(waiting):  # noqa: ASYNC110 (what it waits for has no event)
        await asyncio.sleep(0)
    postgresql_server.kill()
    holder.terminate()
    try:
        await fails(sink, "PostgreSQL 127.0.0.1")
        await sink.put(batch(*range(5000, 5100)))
    finally:
        await asyncio.to_thread(postgresql_server.start)
    await whole(sink, 5100)


async def test_killed_while_it_writes_again_and_again(start, batch, postgresql_server, postgresql_url):
    sink = await start(postgresql_url)
    for turn in range(4):
        for part in range(5):
            await sink.put(batch(*range(turn * 2500 + part * 500, turn * 2500 + part * 500 + 500)))
            await asyncio.sleep(0.03 * turn)  # the point of the kill is another each time
        postgresql_server.kill()
        await asyncio.to_thread(postgresql_server.start)
    await whole(sink, 10_000)


async def test_paused(start, batch, postgresql_server, postgresql_url, monkeypatch):
    sink = await start(postgresql_url)
    await sink.put(batch(0))
    await sink.flush()
    postgresql_server.signal(signal.SIGSTOP)
    try:
        with monkeypatch.context() as impatient:
            impatient.setattr(postgresql_connections, "CONNECT_SECONDS", 0.3)
            impatient.setattr(postgresql_connections, "CALL_SECONDS", 0.3)
            await sink.put(batch(1))
            await fails(sink, "did not answer in time")
            with pytest.raises(StoreUnavailable, match="did not answer in time"):
                await sink.scan("events", None, 10)
    finally:
        postgresql_server.signal(signal.SIGCONT)
    await whole(sink, 2)


@pytest.mark.parametrize("way", ["to_server", "to_client"])
async def test_cut_after_every_so_many_bytes(start, batch, postgresql_server, postgresql_url, way):
    async with fault_proxy(postgresql_server.port) as proxy:
        sink = await start(postgresql_url.replace(str(postgresql_server.port), str(proxy.port)))
        n, cut = 0, True
        while cut:  # until all bytes of a connection, from the first to the commit of a group, have passed
            await proxy.stop()
            before = proxy.cuts
            setattr(proxy, way, n * STEP)
            await sink.put(batch(n))
            async with asyncio.timeout(30):
                while proxy.cuts == before and (await stats(sink)).lag_rows:  # noqa: ASYNC110
                    await asyncio.sleep(0.002)
            cut = proxy.cuts > before
            proxy.heal()
            n += 1
            await whole(sink, n)
        assert n > 8


async def test_a_wrong_password(start, batch, sql, postgresql_server, postgresql_url):
    sql("DROP ROLE IF EXISTS locked;\nCREATE ROLE locked LOGIN SUPERUSER PASSWORD 'right'")
    sink = await start(postgresql_url.replace("postgres@", "locked:wrong-secret@"))
    await sink.put(batch(0))
    await fails(sink, "refuses the user or the password")
    assert "wrong-secret" not in (await stats(sink)).failing
    sql("ALTER ROLE locked PASSWORD 'wrong-secret'")
    await whole(sink, 1)


async def test_a_missing_table(start, batch, sql, postgresql_url):
    sink = await start(postgresql_url)
    await sink.put(batch(0))
    await sink.flush()
    sql("ALTER TABLE events RENAME TO away")
    await sink.put(batch(1))
    await fails(sink, "table events is missing in the store: `eagleray store migrate` makes it")
    sql("ALTER TABLE away RENAME TO events")
    await whole(sink, 2)


async def test_a_missing_partition_is_not_the_fault_of_rows(start, batch, sql, postgresql_url):
    sink = await start(postgresql_url)
    sql("ALTER TABLE events DETACH PARTITION events_other")
    await sink.put(batch(0))
    await fails(sink, "(23514)")
    sql("ALTER TABLE events ATTACH PARTITION events_other DEFAULT")
    await whole(sink, 1)


async def test_a_read_only_server(start, batch, sql, postgresql_server, postgresql_url):
    sink = await start(postgresql_url)
    database = postgresql_url.rpartition("/")[2]
    postgresql_server.sql(f"ALTER DATABASE {database} SET default_transaction_read_only = on")
    sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    await sink.put(batch(0))
    await fails(sink, "it takes no writes now")
    postgresql_server.sql(f"ALTER DATABASE {database} RESET default_transaction_read_only")
    await whole(sink, 1)


async def test_an_older_schema_whose_owner_migrates_later(start, batch, sql, postgresql_url, schema):
    older = {kind: scripts[:1] for kind, scripts in schema.scripts.items()}
    owner = PostgresqlWriter.from_url("postgresql", postgresql_url)
    await owner.open()
    await owner.migrate(schema._replace(scripts=older, tables=()))
    await owner.close()
    sql("INSERT INTO state VALUES ('192.0.2.1', 80, '{}', true, 0.5, 1)")
    sink = await start(postgresql_url)
    await sink.put(batch(0))
    await whole(sink, 1)
    assert sql("SELECT count(*) FROM state") == "1"


@pytest.fixture
def small_disk(postgresql_server):
    """A tablespace on a disk of 24 MB, and what makes it larger."""
    place = postgresql_server.folder / "small"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", place]
    if os.geteuid() or subprocess.run(command, capture_output=True).returncode:
        place.rmdir()
        pytest.skip("only root may mount the small disk that this fills")
    try:
        postgresql_server.own(place)
        postgresql_server.sql(f"CREATE TABLESPACE small LOCATION '{place}'")
        yield lambda: subprocess.run(["mount", "-o", "remount,size=256m", place], check=True)
        postgresql_server.sql("DROP DATABASE IF EXISTS small WITH (FORCE);\nDROP TABLESPACE small")
    finally:
        subprocess.run(["umount", "-l", place], check=True)
        place.rmdir()


async def test_a_full_disk(start, postgresql_server, schema, small_disk):
    postgresql_server.sql("CREATE DATABASE small TABLESPACE small")
    sink = await start(postgresql_server.url("small"))
    for first in range(0, 10_000, 1000):
        rows = [[i, 4e9, os.urandom(1500).hex()] for i in range(first, first + 1000)]
        await sink.put(encode_batch([seal("test", schema.tables[1], rows, 0)]))
    await fails(sink, "its disk is full (53100)")
    small_disk()
    await whole(sink, 10_000)
