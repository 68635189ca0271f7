import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from eagleray.actors.sink import Sink
from eagleray.actors.sinks import sqlite, sqlite_statements
from eagleray.actors.sinks.base import SchemaMismatch, StoreError, StoreUnavailable
from eagleray.actors.sinks.log.log import Log
from eagleray.actors.sinks.migrations import schema_of
from eagleray.actors.sinks.sqlite import SqliteWriter
from eagleray.actors.sinks.sqlite_reader import SqliteReader
from eagleray.cluster.pool import alive
from eagleray.pipelines.proxies.model import Anonymity, Protocol
from eagleray.pipelines.proxies.pipeline import ProxyPipeline
from eagleray.pipelines.proxies.tables import CHECKS
from eagleray.pipelines.tables import Filter, Op, Query, seal

COUNT = (
    "import sqlite3, sys; print(sqlite3.connect(sys.argv[1], uri=True).execute(sys.argv[2]).fetchone()[0])"
)

READ = """
import pathlib, sys
from eagleray.actors.sinks.sqlite_reader import SqliteReader
from tests.integration.sinks.conftest import EVENTS
print(len(SqliteReader(pathlib.Path(sys.argv[1]), [EVENTS]).scan(EVENTS, None, 10)))
"""


@pytest.fixture
async def store(tmp_path, schema):
    store = SqliteWriter(tmp_path / "store.sqlite")
    await store.open()
    await store.migrate(schema)
    yield store
    await store.close()


async def test_another_process_reads_while_a_transaction_is_open(store, tmp_path, events):
    await store.write([seal("test", events, [[1, 2.0, ""]], 0)])
    uri = f"{(tmp_path / 'store.sqlite').as_uri()}?mode=ro"
    writing = sqlite3.connect(tmp_path / "store.sqlite", isolation_level=None)
    writing.execute("BEGIN IMMEDIATE")
    writing.execute("INSERT INTO events VALUES (2, 2.0, '')")
    command = [sys.executable, "-c", COUNT, uri, "SELECT count(*) FROM events"]
    found = await asyncio.to_thread(subprocess.run, command, capture_output=True, timeout=30, check=True)
    writing.execute("ROLLBACK")
    writing.close()
    assert found.stdout == b"1\n"


async def test_a_reader_cannot_write(store, tmp_path, events):
    reader = SqliteReader(tmp_path / "store.sqlite", [events])
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader._connection.execute("DELETE FROM events")
    reader.close()


async def test_a_locked_file_is_unavailable_and_then_written(store, tmp_path, schema, events, monkeypatch):
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.01)
    impatient = SqliteWriter(tmp_path / "store.sqlite")
    await impatient.open()
    await impatient.migrate(schema)
    other = sqlite3.connect(tmp_path / "store.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    envelope = seal("test", events, [[1, 2.0, ""]], 0)
    with pytest.raises(StoreUnavailable, match="locked"):
        await impatient.write([envelope])
    other.execute("COMMIT")
    other.close()
    await impatient.write([envelope])
    assert len(await impatient.scan(events, None, 10)) == 1
    await impatient.close()


def remove(path: Path) -> None:
    for end in ("", "-wal", "-shm"):
        Path(f"{path}{end}").unlink(missing_ok=True)


def replace(path: Path) -> None:
    remove(path)
    path.touch()


@pytest.mark.parametrize(
    "lose", [Path.unlink, remove, lambda path: path.rename(path.with_name("old")), replace]
)
async def test_a_file_that_goes_takes_no_later_row_along(store, tmp_path, schema, events, lose):
    await store.write([seal("test", events, [[1, 2.0, ""]], 0)])
    assert len(await store.scan(events, None, 10)) == 1
    lose(tmp_path / "store.sqlite")
    envelope = seal("test", events, [[2, 2.0, ""]], 0)
    with pytest.raises(StoreUnavailable, match="was deleted, moved or replaced"):
        await store.write([envelope])
    await store.open()  # as a follower does after every failure
    await store.migrate(schema)
    await store.write([envelope])
    assert [row[0] for row in await store.scan(events, None, 10)] == [2]
    reader = SqliteReader(tmp_path / "store.sqlite", [events])
    assert [row[0] for row in reader.scan(events, None, 10)] == [2]
    reader.close()


async def test_a_run_whose_file_is_deleted_stores_what_comes_afterwards(tmp_path, schema, events, batch):
    path = tmp_path / "store.sqlite"
    sink = Sink(Log.open(tmp_path / "log"), [SqliteWriter(path)], schema)
    await sink.put(batch(1))
    await sink.flush()
    remove(path)
    await sink.put(batch(2, 3))
    await sink.flush()
    await sink.close()
    reader = SqliteReader(path, [events])
    assert [row[0] for row in reader.scan(events, None, 10)] == [2, 3]
    reader.close()


def read_only(folder: Path, *command: object) -> subprocess.CompletedProcess[str]:
    """Run a command that sees a folder as a read-only file system."""
    unshare = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--mount"]
    mount = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'
    words = [*unshare, "sh", "-c", mount, folder, *command]
    return subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=30, check=False)


async def test_a_file_on_a_read_only_file_system_is_read(store, tmp_path, events):
    tried = await asyncio.to_thread(read_only, tmp_path, "true")
    if tried.returncode:
        pytest.skip(f"no mount namespace here: {tried.stderr.strip()}")
    await store.write([seal("test", events, [[1, 2.0, ""]], 0)])
    await store.close()
    command = [sys.executable, "-c", READ, tmp_path / "store.sqlite"]
    found = await asyncio.to_thread(read_only, tmp_path, *command)
    assert found.stdout == "1\n", found.stderr


async def test_only_the_owner_may_read_the_file(store, tmp_path):
    assert stat.S_IMODE((tmp_path / "store.sqlite").stat().st_mode) == 0o600


async def test_pruning_is_bounded(store, events, monkeypatch):
    monkeypatch.setattr(sqlite, "PRUNE_ROWS", 3)
    await store.write([seal("test", events, [[i, 0.0, ""] for i in range(5)], 0)])
    assert [await store.prune(1000.0) for _ in range(3)] == [3, 2, 0]


@pytest.mark.parametrize("content", [b"this is no database" * 100, b""], ids=["garbage", "empty"])
def test_a_file_that_is_no_pool_is_said(tmp_path, events, content):
    (tmp_path / "bad.sqlite").write_bytes(content)
    with pytest.raises(StoreError):
        SqliteReader(tmp_path / "bad.sqlite", [events])


async def test_a_writer_says_that_a_file_is_no_database(tmp_path):
    (tmp_path / "bad.sqlite").write_bytes(b"this is no database" * 100)
    store = SqliteWriter(tmp_path / "bad.sqlite")
    with pytest.raises(StoreUnavailable, match="not a database"):
        await store.open()
    await store.close()


async def test_a_reader_asks_for_tables_that_are_there(store, tmp_path):
    with pytest.raises(SchemaMismatch, match="table checks is missing"):
        SqliteReader(tmp_path / "store.sqlite", [CHECKS])


async def plan(tmp_path, query: Query) -> str:
    """How SQLite answers a query of the pool's."""
    store = SqliteWriter(tmp_path / "pool.sqlite")
    await store.open()
    await store.migrate(schema_of(ProxyPipeline()))
    statement, values = sqlite_statements.select(query)
    connection = sqlite3.connect(tmp_path / "pool.sqlite")
    steps = str(connection.execute(f"EXPLAIN QUERY PLAN {statement}", values).fetchall())
    connection.close()
    await store.close()
    return steps


async def test_history_of_one_endpoint_is_found_by_the_key(tmp_path):
    where = tuple(Filter(name, Op.EQ, value) for name, value in [("ip", "192.0.2.1"), ("port", 80)])
    steps = await plan(tmp_path, Query(CHECKS, where, ("-checked_at",)))
    assert "USING INDEX sqlite_autoindex_checks_1 (ip=? AND port=?)" in steps


@pytest.mark.parametrize(
    "query",
    [alive(1), alive(10, [Protocol.HTTP], ["NL", "DE"], [Anonymity.ELITE], 500.0, 0.5)],
    ids=["any", "filtered"],
)
async def test_what_lives_is_found_in_its_order_by_an_index_of_the_living(tmp_path, query):
    steps = await plan(tmp_path, query)
    assert "USING INDEX proxies_living" in steps
    assert "TEMP B-TREE" not in steps
