"""A server that is down or paused for a while, through the sink: it delays nobody and catches up in order."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from eagleray.actors import follower
from eagleray.actors.follower import StoreStats
from eagleray.actors.sink import Sink
from eagleray.actors.sinks import clickhouse_client, postgresql_connections, redis_connection
from eagleray.actors.sinks.base import Cursor
from eagleray.actors.sinks.log.log import Log
from eagleray.actors.sinks.registry import create_writer, parse_store
from tests import pool_contents
from tests.integration.sinks.putter import HOSTS, NEIGHBOURS, SCHEMA, batch
from tests.pool_contents import Contents
from tests.servers import clickhouse, postgresql, redis
from tests.servers.postgresql import MissingServer

BATCHES = 50
BATCH_ROWS = 2 * NEIGHBOURS
MEMORY_GROWS = 16  # MiB at most
ROOT = Path(__file__).parents[3]


class Server(NamedTuple):
    """A store's server as a test handles it."""

    url: str
    kill: Callable[[], None]
    start: Callable[[], None]
    pause: Callable[[], None]
    resume: Callable[[], None]
    contents: Callable[[], Contents]


@pytest.fixture
def postgresql_own() -> Iterator[Server]:
    try:
        with postgresql.started() as own:
            own.sql("CREATE DATABASE pool")
            pause, resume = partial(own.signal, signal.SIGSTOP), partial(own.signal, signal.SIGCONT)
            contents = partial(pool_contents.postgresql, own, "pool")
            yield Server(own.url("pool"), own.kill, own.start, pause, resume, contents)
    except MissingServer as error:
        pytest.skip(str(error))


@pytest.fixture
def clickhouse_own() -> Iterator[Server]:
    with clickhouse.started() as own:
        own.query("CREATE DATABASE pool")
        contents = partial(pool_contents.clickhouse, own, "pool")
        yield Server(f"{own.url}/pool", own.kill, own.start, own.pause, own.resume, contents)


@pytest.fixture
def valkey_own() -> Iterator[Server]:
    durable = ("--appendonly", "yes", "--appendfsync", "always")
    with redis.started("valkey", *durable) as own, own.client() as client:
        pause, resume = partial(own.send, signal.SIGSTOP), partial(own.send, signal.SIGCONT)
        url, contents = f"valkey://{own.address}/0", partial(pool_contents.redis, client, "")
        yield Server(url, own.kill, own.start, pause, resume, contents)


@pytest.fixture(params=["postgresql", "clickhouse", "valkey"])
def server(request) -> Server:
    return request.getfixturevalue(f"{request.param}_own")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Retries within milliseconds, and patience that a test can wait for."""
    monkeypatch.setattr(follower, "RETRY_FIRST", 0.01)
    monkeypatch.setattr(follower, "RETRY_MOST", 0.1)
    for module, name in (
        (postgresql_connections, "CALL_SECONDS"),
        (postgresql_connections, "CONNECT_SECONDS"),
        (clickhouse_client, "ANSWER_SECONDS"),
        (clickhouse_client, "CONNECT_SECONDS"),
        (redis_connection, "ANSWER_SECONDS"),
        (redis_connection, "CONNECT_SECONDS"),
    ):
        assert hasattr(module, name)
        monkeypatch.setattr(module, name, 2.0)


@pytest.fixture
def written() -> list[int]:
    """The batches that the server's store took, in order, each as often as it did."""
    return []


@pytest.fixture
def passed(monkeypatch) -> dict[str, list[int]]:
    """Every number that each store's cursor got, in order."""
    numbers: dict[str, list[int]] = {}
    save = Cursor.save

    def noted(self, position, number) -> None:
        save(self, position, number)
        numbers.setdefault(self._path.stem.partition("-")[0], []).append(number)

    monkeypatch.setattr(Cursor, "save", noted)
    return numbers


@pytest.fixture
async def sink(server, tmp_path, written):
    """A sink of SQLite and the server's store, which gets a batch at a time."""
    writers = [create_writer(parse_store(url, tmp_path)) for url in ("sqlite", server.url)]
    store, write = writers[1], writers[1].write

    async def noted(envelopes) -> None:
        await write(envelopes)
        written.extend(int(envelope.fence) for envelope in envelopes[::2])  # each batch has its own

    store.write, store.group_rows, store.linger = noted, 1, 0.0
    sink = Sink(Log.open(tmp_path / "log"), writers, SCHEMA)
    await sink.start()
    yield sink
    await sink.close()


async def fares(sink: Sink) -> dict[str, StoreStats]:
    """The figures of SQLite and of the server's store."""
    sqlite, store = (await sink.stats()).stores.values()
    return {"sqlite": sqlite, "store": store}


async def fails(sink: Sink) -> StoreStats:
    """Wait until the server's store is known to fail."""
    async with asyncio.timeout(30):
        while not (store := (await fares(sink))["store"]).failing:  # noqa: ASYNC110 (it has no event)
            await asyncio.sleep(0.005)
    return store


async def outage(sink: Sink, server: Server, numbers: range, begin: Callable[[], None]) -> None:
    """Put batches while the server does not answer; SQLite gets them, and the lag is shown."""
    begin()
    for n in numbers:
        await sink.put(batch(n, n))
    store = await fails(sink)
    assert store.lag_rows == len(numbers) * BATCH_ROWS
    assert store.lag_seconds > 0
    await sink.fence(numbers[-1])  # waits for SQLite alone
    assert (await fares(sink))["sqlite"].lag_rows == 0


async def test_what_a_server_missed_comes_in_order_once_it_is_back(sink, server, written, passed, tmp_path):
    await sink.put(batch(0, 0))
    await sink.flush()
    for begin, end, first in ((server.kill, server.start, 1), (server.pause, server.resume, BATCHES + 1)):
        await outage(sink, server, range(first, first + BATCHES), begin)
        end()
        await sink.flush()
        store = (await fares(sink))["store"]
        assert (store.lag_rows, store.lag_seconds, store.rejected, store.missed) == (0, 0.0, 0, 0)

    assert written == list(range(2 * BATCHES + 1))
    for numbers in passed.values():
        assert numbers == sorted(set(numbers))
        assert numbers[-1] == len(written) * BATCH_ROWS
    there = pool_contents.sqlite(tmp_path / "proxies.sqlite")
    checks, states = server.contents()
    assert checks is None or sorted(checks) == sorted(there.checks)
    assert sorted(states) == sorted(there.states)
    assert len(states) == HOSTS * NEIGHBOURS


def test_memory_stays_flat_while_a_store_is_down():
    """See long_outage.py: what is put is many times what memory may grow by."""
    command = [sys.executable, "-m", "tests.integration.sinks.long_outage"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, timeout=100)
    put, grown, lagging = map(int, done.stdout.split())
    assert lagging > 200_000
    assert put > 50 << 20
    assert grown < MEMORY_GROWS << 20
