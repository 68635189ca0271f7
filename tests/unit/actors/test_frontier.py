import asyncio
from collections import Counter
from typing import ClassVar

import msgspec
import pytest

from eagleray.actors.frontier import Frontier
from eagleray.actors.sink import StaleFence
from eagleray.pipelines import frontier as pure
from eagleray.pipelines.charge import UNDECIDED
from eagleray.pipelines.leases import Acks, Lease
from eagleray.pipelines.pipeline import Restored

NOW = 1_700_000_000


class Metrics:
    def __init__(self) -> None:
        self.counted: Counter[str] = Counter()

    def count(self, name: str, amount: int, **labels: str) -> None:
        self.counted[" ".join((name, *labels.values()))] += amount


class Pipeline:
    """Keys of one byte; a state is one byte, and is all that the store keeps of a row."""

    hint_size = state_size = 1
    outcomes: ClassVar = {1: "good", UNDECIDED: "unknown"}

    class state_table:  # noqa: N801 (stands for a value)
        name = "state"

    def merge(self, old: bytes, new: bytes) -> bytes:
        return new

    def restore(self, rows):
        keys, states, zeros = [row[0] for row in rows], [row[1] for row in rows], [0] * len(rows)
        return Restored(keys, [b"h"] * len(rows), states, [0.0] * len(rows), zeros, zeros, zeros)


class Sink:
    """Registers fences as the real one does, and knows three keys."""

    def __init__(self) -> None:
        self.fences = [0]

    async def fence(self, incarnation: int) -> None:
        await asyncio.sleep(0)
        if incarnation <= self.fences[-1]:
            raise StaleFence(incarnation, self.fences[-1])
        self.fences.append(incarnation)

    async def scan(self, table, after, limit):
        await asyncio.sleep(0)
        return msgspec.msgpack.encode([[bytes([key]), b"s"] for key in (1, 2, 3)]), None

    async def put(self, batch) -> None:
        raise AssertionError


@pytest.fixture
def sink():
    return Sink()


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
def frontier(sink, metrics):
    return Frontier(Pipeline(), sink, metrics, lease_seconds=60, clock=lambda: NOW)


async def leased(frontier: Frontier) -> Lease:
    return msgspec.msgpack.decode(await frontier.lease("worker", 1, 1), type=Lease)


async def test_it_goes_on_by_a_new_incarnation_where_lease_numbers_run_out(frontier, sink, monkeypatch):
    monkeypatch.setattr(pure, "MAX_NUMBER", 2)
    leases = [await leased(frontier) for _ in range(5)]
    assert [lease.fence - NOW for lease in leases] == [0, 0, 1, 1, 2]
    assert len({lease.id for lease in leases}) == 5
    assert [lease.id for lease in leases] == sorted(lease.id for lease in leases)
    assert sink.fences == [0, NOW, NOW + 1, NOW + 2]
    void = leases[0]
    ids = void.id.to_bytes(8, "little")
    acks = Acks(lease_ids=ids, slots=void.slots, states=b"s", due=bytes(8), codes=b"\1")
    assert await frontier.ack(msgspec.msgpack.encode(acks)) == 0


async def test_calls_at_the_same_time_begin_one_new_incarnation(frontier, sink, monkeypatch):
    monkeypatch.setattr(pure, "MAX_NUMBER", 3)
    for _ in range(2):
        await leased(frontier)
    leases = await asyncio.gather(*(leased(frontier) for _ in range(3)))
    assert sorted(lease.fence - NOW for lease in leases) == [0, 1, 1]
    assert sink.fences == [0, NOW, NOW + 1]


def acks_for(lease: Lease, code: int) -> bytes:
    ids = lease.id.to_bytes(8, "little")
    return msgspec.msgpack.encode(Acks(ids, lease.slots, states=b"s", due=bytes(8), codes=bytes([code])))


async def test_the_metric_counts_each_check_once(frontier, metrics):
    for code in (1, UNDECIDED):
        lease = await leased(frontier)
        for _ in range(2):
            await frontier.ack(acks_for(lease, code))
    assert metrics.counted["checks good"] == metrics.counted["checks unknown"] == 1
    assert metrics.counted["acked_items"] == 2


async def test_a_clock_that_is_behind_gives_no_incarnation_of_an_earlier_run(sink, metrics):
    frontier = Frontier(Pipeline(), sink, metrics, lease_seconds=60, began=NOW + 5, clock=lambda: float(NOW))
    assert (await leased(frontier)).fence == NOW + 5
