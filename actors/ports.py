"""What the actors ask of each other: Ray's handles fulfil it from afar, plain classes in one process."""

from collections.abc import Sequence
from typing import Any, Protocol

Key = Sequence[Any]  # the values of a table's key columns
Bytes = Any  # bytes, or Ray's reference to bytes on its way to the next actor


class FrontierPort(Protocol):
    """What checkers and collectors ask of the frontier."""

    async def offer(self, batch: bytes) -> int:
        """Take candidates (msgpack of keys and hints); the frontier's incarnation."""

    async def lease(self, worker: str, incarnation: int, limit: int) -> bytes:
        """A `Lease` in msgpack, or no bytes where nothing is due."""

    async def ack(self, acks: Bytes) -> int:
        """Settle items; how many counted."""

    async def renew(self, lease_ids: Sequence[int]) -> None:
        """Push the deadlines of leases that are worked on."""

    async def release(self, lease_ids: Sequence[int]) -> None:
        """Give leases back: what is not settled is due again."""


class ScorerPort(Protocol):
    """What checkers ask of the scoring pool."""

    async def score(self, checked: bytes) -> tuple[Bytes, Bytes]:
        """A batch of records for the sink, and the acks for the frontier."""


class SinkPort(Protocol):
    """What the others ask of the sink."""

    async def put(self, batch: Bytes) -> None:
        """Make a batch durable."""

    async def fence(self, incarnation: int) -> None:
        """Refuse older incarnations from now on."""

    async def scan(self, table: str, after: Key | None, limit: int) -> tuple[bytes, Key | None]:
        """A page of a table, and where the next one begins."""


class Metrics(Protocol):
    """Counts what happens; called once a batch, never once a record."""

    def count(self, name: str, amount: int, **labels: str) -> None:
        """Add to a counter. Labels never carry an endpoint."""
