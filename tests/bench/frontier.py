"""The frontier beside a dict and a heap: memory of a known endpoint; offers, leases and acks a second.

`python -m tests.bench.frontier [ENDPOINTS]`, one million unless told. Every endpoint is offered, leased, and
acked to a due time within a week. Each of the two runs in a process of its own, for its memory's sake.
"""

import heapq
import random
import sys
import time
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path
from resource import getpagesize
from typing import Any, Protocol

import numpy as np
from numpy.random import default_rng

from eagleray.pipelines import frontier
from eagleray.pipelines.leases import Acks, Lease
from eagleray.pipelines.proxies.model import Endpoint
from eagleray.pipelines.proxies.packing import HINT, STATE, endpoint_key, merge

BATCH = 2_000
NOW = 1_700_000_000
WEEK = 7 * 86_400
SEED = 1


class Subject(Protocol):
    """What is measured: `acks` prepares, on nobody's account, what `ack` takes."""

    def offer(self, keys: list[bytes], hints: list[bytes]) -> None: ...
    def lease(self) -> Any | None: ...
    def acks(self, lease: Any) -> Any: ...
    def ack(self, acks: Any) -> int: ...


class Real:
    """The frontier itself."""

    def __init__(self) -> None:
        self._frontier = frontier.Frontier(
            NOW, hint_size=HINT.size, state_size=STATE.size, merge=merge, lease_seconds=60
        )
        self._random = default_rng(SEED)

    def offer(self, keys: list[bytes], hints: list[bytes]) -> None:
        self._frontier.offer(keys, hints)

    def lease(self) -> Lease | None:
        return self._frontier.lease("worker", 1, BATCH, NOW, NOW)

    def acks(self, lease: Lease) -> Acks:
        n = len(lease)
        due = NOW + self._random.uniform(1, WEEK, n)
        ids = np.full(n, lease.id, "<u8").tobytes()
        return Acks(ids, lease.slots, bytes(n * STATE.size), due.tobytes(), b"\1" * n)

    def ack(self, acks: Acks) -> int:
        return self._frontier.ack(acks)


class Plain:
    """What one would write first: a dict of records, a heap of due times, a dict of leases."""

    def __init__(self) -> None:
        self._records: dict[bytes, tuple[bytes, bytes]] = {}
        self._heap: list[tuple[float, bytes]] = []
        self._leases: dict[int, set[bytes]] = {}
        self._last_id = 0
        self._random = random.Random(SEED)

    def offer(self, keys: list[bytes], hints: list[bytes]) -> None:
        for key, hint in zip(keys, hints, strict=True):
            if key not in self._records:
                self._records[key] = (hint, bytes(STATE.size))
                heapq.heappush(self._heap, (0.0, key))

    def lease(self) -> tuple[int, list[tuple[bytes, bytes, bytes]]] | None:
        keys = []
        while self._heap and len(keys) < BATCH and self._heap[0][0] <= NOW:
            keys.append(heapq.heappop(self._heap)[1])
        if not keys:
            return None
        self._last_id += 1
        self._leases[self._last_id] = set(keys)
        return self._last_id, [(key, *self._records[key]) for key in keys]

    def acks(self, lease: tuple[int, list[tuple[bytes, bytes, bytes]]]) -> Any:
        lease_id, items = lease
        return lease_id, [
            (key, bytes(STATE.size), NOW + self._random.uniform(1, WEEK)) for key, _, _ in items
        ]

    def ack(self, acks: tuple[int, list[tuple[bytes, bytes, float]]]) -> int:
        lease_id, items = acks
        held, count = self._leases[lease_id], 0
        for key, state, due in items:
            if key in held:
                held.remove(key)
                self._records[key] = (self._records[key][0], state)
                heapq.heappush(self._heap, (due, key))
                count += 1
        if not held:
            del self._leases[lease_id]
        return count


def batches(endpoints: int) -> Iterator[tuple[list[bytes], list[bytes]]]:
    """Distinct keys and hints, made afresh as a decoder would make them."""
    for first in range(0, endpoints, BATCH):
        numbers = range(first, min(first + BATCH, endpoints))
        hint = HINT.pack(1, 0, b"", 7, 1)
        hosts = (f"{n >> 24}.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}" for n in numbers)
        yield (
            [endpoint_key(Endpoint(host, 80)) for host in hosts],
            [hint for _ in numbers],
        )


def measure(kind: type[Subject], endpoints: int) -> dict[str, float]:
    """Bytes an endpoint, and items a second of CPU time for each of the calls."""
    before = resident()
    subject = kind()
    spent = dict.fromkeys(("offers", "leases", "acks"), 0.0)
    for keys, hints in batches(endpoints):
        start = time.process_time()
        subject.offer(keys, hints)
        spent["offers"] += time.process_time() - start
    del keys, hints
    settled = 0
    while True:
        start = time.process_time()
        lease = subject.lease()
        spent["leases"] += time.process_time() - start
        if lease is None:
            break
        acks = subject.acks(lease)
        start = time.process_time()
        settled += subject.ack(acks)
        spent["acks"] += time.process_time() - start
    assert settled == endpoints
    rates = {f"{name}/s": endpoints / seconds for name, seconds in spent.items()}
    return {"bytes": (resident() - before) / endpoints, **rates}


def resident() -> int:
    """Bytes of memory that this process has in use (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * getpagesize()


def main(endpoints: int = 1_000_000) -> None:
    """Print both and their ratio."""
    print(
        f"frontier: {endpoints:,} endpoints, batches of {BATCH:,}, CPU time; budget 200 bytes, 100 k leases/s"
    )
    with get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        real, plain = (pool.apply(measure, (kind, endpoints)) for kind in (Real, Plain))
    print(f"{'':12}{'frontier':>14}{'dict and heap':>16}{'ratio':>8}")
    for name, value in real.items():
        print(f"{name:12}{value:14,.0f}{plain[name]:16,.0f}{value / plain[name]:8.2f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
