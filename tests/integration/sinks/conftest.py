from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from eagleray.actors.sinks import file_writer
from eagleray.actors.sinks.base import Schema, StoreError, Writer
from eagleray.actors.sinks.clickhouse import ClickHouseWriter
from eagleray.actors.sinks.migrations import KINDS, scripts
from eagleray.actors.sinks.ndjson import NdjsonWriter
from eagleray.actors.sinks.parquet import ParquetWriter
from eagleray.actors.sinks.postgresql import PostgresqlWriter
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
from tests.servers.clickhouse import ClickHouse
from tests.servers.postgresql import MissingServer, PostgreSQL

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


STORES: dict[str, Callable[[pytest.FixtureRequest], Writer]] = {
    "clickhouse": clickhouse,
    "ndjson": ndjson,
    "parquet": parquet,
    "postgresql": postgresql,
    "sqlite": sqlite,
}
PRUNED_BY_THE_ENGINE = {"clickhouse"}  # its tables say how long they keep rows
PRUNED_BY_THE_DAY = {"ndjson", "parquet"}  # a file goes as a whole


@pytest.fixture(params=STORES)
async def writer(request, monkeypatch):
    """Each kind of store, open, with the tables above."""
    monkeypatch.setattr(file_writer, "QUICK", 60.0)  # whole files are up to date after every write
    store = STORES[request.param](request)
    await store.open()
    await store.migrate(SCHEMA)
    yield store
    await store.close()


@pytest.fixture
def prunes(writer: Writer) -> bool:
    """Whether `prune` deletes a row; else the store's engine does so by itself, or it goes with its day."""
    return writer.name not in PRUNED_BY_THE_ENGINE | PRUNED_BY_THE_DAY
