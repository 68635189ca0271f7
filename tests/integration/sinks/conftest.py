from collections.abc import Sequence

import pytest

from eagleray.actors.sinks.base import StoreError
from eagleray.actors.sinks.registry import create_writer
from eagleray.pipelines.tables import Column, Envelope, Kind, Query, Row, Table, encode_batch, open_rows, seal

STATE = Table(
    "state",
    1,
    (
        Column("host", Kind.ADDRESS),
        Column("port", Kind.INTEGER),
        Column("tags", Kind.TEXT),
        Column("alive", Kind.BOOLEAN),
        Column("score", Kind.REAL, nullable=True),
        Column("version", Kind.INTEGER),
    ),
    key=("host", "port"),
    newest="version",
    indexes=(("alive", "score"),),
)
EVENTS = Table(
    "events",
    1,
    (Column("id", Kind.INTEGER), Column("at", Kind.TIME), Column("note", Kind.JSON)),
    key=("id",),
    partition="at",
    time_to_live=100.0,
)


class MemoryStore:
    """A store that fails or waits at will."""

    def __init__(self, name: str = "memory") -> None:
        self.name = name
        self.error: StoreError | None = None
        self.rows: list[list[object]] = []
        self.opened = self.writes = 0

    async def open(self) -> None:
        if self.error:
            raise self.error
        self.opened += 1

    async def migrate(self, tables: Sequence[Table]) -> None:
        pass

    async def write(self, envelopes: Sequence[Envelope]) -> None:
        self.writes += 1
        if self.error:
            raise self.error
        self.rows += [row for envelope in envelopes for row in open_rows(envelope)]

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


@pytest.fixture(params=["sqlite"])
async def writer(request, tmp_path):
    """Each kind of store, open, with the tables above."""
    options = {"sqlite": {"path": tmp_path / "store.sqlite"}}[request.param]
    store = create_writer(request.param, **options)
    await store.open()
    await store.migrate([STATE, EVENTS])
    yield store
    await store.close()
