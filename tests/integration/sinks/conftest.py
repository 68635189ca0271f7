from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from eagleray.actors.sinks import file_writer
from eagleray.actors.sinks.base import Schema, StoreError, Writer
from eagleray.actors.sinks.clickhouse import ClickHouseWriter
from eagleray.actors.sinks.migrations import KINDS, scripts
from eagleray.actors.sinks.ndjson import NdjsonWriter
from eagleray.actors.sinks.parquet import ParquetWriter
from eagleray.actors.sinks.postgresql import PostgresqlWriter
from eagleray.actors.sinks.redis import RedisWriter
from eagleray.actors.sinks.sqlite import SqliteWriter
from eagleray.pipelines.tables import (
    Column,
    Envelope,
    Keyspace,
    Kind,
    Query,
    Row,
    Table,
    encode_batch,
    open_rows,
    seal,
)
from tests.servers import clickhouse as clickhouse_servers
from tests.servers import postgresql as postgresql_servers
from tests.servers import redis as redis_servers
from tests.servers.clickhouse import ClickHouse
from tests.servers.postgresql import MissingServer, PostgreSQL
from tests.servers.redis import RedisServer

STATE = Table(
    "state",
    2,
    (
        Column("host", Kind.ADDRESS),
        Column("port", Kind.INTEGER),
        Column("tags", Kind.LIST),
        Column("alive", Kind.BOOLEAN),
        Column("score", Kind.REAL, nullable=True),
        Column("version", Kind.INTEGER),
        Column("seen", Kind.TIME, nullable=True, since=2),
    ),
    key=("host", "port"),
    newest="version",
    keyspace=Keyspace(
        "item", "alive", "seen", 100.0, sets=(("items:{}", "tags"),), rankings=(("items:score", "score"),)
    ),
)
EVENTS = Table(
    "events",
    1,
    (Column("id", Kind.INTEGER), Column("at", Kind.TIME), Column("note", Kind.JSON)),
    key=("id",),
    partition="at",
    time_to_live=100.0,
)
FOLDER = Path(__file__).with_name("schema")
SCHEMA = Schema("test", (STATE, EVENTS), {kind: scripts(FOLDER / kind / "test") for kind in KINDS})


class MemoryStore:
    """A store that fails or waits at will."""

    def __init__(self, name: str = "memory") -> None:
        self.name = self.identity = name
        self.group_rows, self.linger = 20_000, 0.0
        self.error: StoreError | None = None
        self.rows: list[list[object]] = []
        self.opened = self.writes = 0

    async def open(self) -> None:
        if self.error:
            raise self.error
        self.opened += 1

    async def migrate(self, schema: Schema) -> None:
        self.tables = {table.name: table for table in schema.tables}

    async def write(self, envelopes: Sequence[Envelope]) -> None:
        self.writes += 1
        if self.error:
            raise self.error
        self.rows += [
            row for envelope in envelopes for row in open_rows(envelope, self.tables[envelope.table])
        ]

    async def read(self, query: Query) -> list[Row]:
        return []

    async def scan(self, table: Table, after: Sequence[object] | None, limit: int) -> list[Row]:
        return []

    async def prune(self, now: float) -> int:
        return 0

    async def close(self) -> None:
        pass


@pytest.fixture
def state() -> Table:
    return STATE


@pytest.fixture
def events() -> Table:
    return EVENTS


@pytest.fixture
def memory_store() -> type[MemoryStore]:
    return MemoryStore


@pytest.fixture
def batch():
    """Makes a batch of event rows with these ids, too young to be pruned."""

    def make(*ids: int, fence: int = 0) -> bytes:
        return encode_batch([seal("test", EVENTS, [[id_, 4e9 + id_, "{}"] for id_ in ids], fence)])

    return make


@pytest.fixture
def schema() -> Schema:
    return SCHEMA


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[RedisServer]:
    with redis_servers.started("valkey") as server:
        yield server


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    try:
        with redis_servers.started("redis") as server:
            yield server
    except redis_servers.MissingServer as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def clickhouse_server() -> Iterator[ClickHouse]:
    with clickhouse_servers.started() as server:
        yield server


@pytest.fixture
def clickhouse_url(clickhouse_server: ClickHouse) -> Iterator[str]:
    """The URL of a database of the test's own."""
    with clickhouse_server.database() as url:
        yield url


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgreSQL]:
    try:
        with postgresql_servers.started() as server:
            yield server
    except MissingServer as error:
        pytest.skip(str(error))


@pytest.fixture
def postgresql_url(postgresql_server: PostgreSQL) -> Iterator[str]:
    """The URL of a database of the test's own."""
    with postgresql_server.database() as name:
        yield postgresql_server.url(name)


def sqlite(request: pytest.FixtureRequest) -> Writer:
    return SqliteWriter(request.getfixturevalue("tmp_path") / "store.sqlite")


def clickhouse(request: pytest.FixtureRequest) -> Writer:
    return ClickHouseWriter.from_url("clickhouse", request.getfixturevalue("clickhouse_url"))


def postgresql(request: pytest.FixtureRequest) -> Writer:
    return PostgresqlWriter.from_url("postgresql", request.getfixturevalue("postgresql_url"))


def ndjson(request: pytest.FixtureRequest) -> Writer:
    return NdjsonWriter(request.getfixturevalue("tmp_path"), "ndjson")


def parquet(request: pytest.FixtureRequest) -> Writer:
    return ParquetWriter(request.getfixturevalue("tmp_path"), "parquet")


def valkey(request: pytest.FixtureRequest) -> Writer:
    server = request.getfixturevalue("valkey_server")
    return RedisWriter.from_url("valkey", f"valkey://{server.address}/0?prefix={uuid4().hex}:")


def redis(request: pytest.FixtureRequest) -> Writer:
    server = request.getfixturevalue("redis_server")
    return RedisWriter.from_url("redis", f"redis://{server.address}/0?prefix={uuid4().hex}:")


STORES: dict[str, Callable[[pytest.FixtureRequest], Writer]] = {
    "clickhouse": clickhouse,
    "ndjson": ndjson,
    "parquet": parquet,
    "postgresql": postgresql,
    "redis": redis,
    "sqlite": sqlite,
    "valkey": valkey,
}
KEYS = {"redis", "valkey"}  # keep what lived lately, no history, and have no tables
FILES = {"ndjson", "parquet"}  # answer no queries, and have no tables
# Some delete no rows of their history one by one: the engine does so by itself, or a file goes as a whole.
PRUNED_OTHERWISE = {"clickhouse", *FILES}


def opened(kinds: Iterable[str]) -> Any:
    """A fixture that is each of these kinds of store in turn, open, with the tables above."""

    @pytest.fixture(params=sorted(kinds))
    async def store(request, monkeypatch):
        monkeypatch.setattr(file_writer, "QUICK", 60.0)  # whole files are up to date after every write
        writer = STORES[request.param](request)
        await writer.open()
        await writer.migrate(SCHEMA)
        yield writer
        await writer.close()

    return store


writer = opened(STORES)
history = opened(STORES.keys() - KEYS)  # keep every row
asked = opened(STORES.keys() - FILES)  # answer queries
scripted = opened(STORES.keys() - KEYS - FILES)  # have tables made by scripts


@pytest.fixture
def prunes():
    """Tells whether a store's `prune` deletes row by row."""
    return lambda writer: writer.name not in PRUNED_OTHERWISE


@pytest.fixture
def kept():
    """Tells what a store keeps of rows."""

    def choose(writer: Writer, table: Table, rows: Sequence[Row]) -> list[Row]:
        if writer.name not in KEYS:
            return list(rows)
        return [row for row in rows if table is STATE and row[table.names.index("seen")] is not None]

    return choose
