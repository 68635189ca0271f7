"""The frontier actor: the pure frontier, a clock, and its recovery from the sink's store."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence

import msgspec

from eagleray.actors.ports import Key, Metrics, SinkPort
from eagleray.actors.sink import StaleFence
from eagleray.actors.sinks.base import StoreUnavailable
from eagleray.pipelines import frontier as pure
from eagleray.pipelines.leases import Acks
from eagleray.pipelines.pipeline import Pipeline
from eagleray.pipelines.tables import Row

logger = logging.getLogger(__name__)

PAGE = 10_000  # rows of the store read at a time
RETRY_SECONDS = 1.0  # between attempts to read them

_decode_rows = msgspec.msgpack.Decoder(list[Row]).decode
_decode_offer = msgspec.msgpack.Decoder(tuple[list[bytes], list[bytes]]).decode
_decode_acks = msgspec.msgpack.Decoder(Acks).decode
_encode = msgspec.msgpack.Encoder().encode


class Frontier:
    """Gives out leases on what is due and takes what became of it.

    Every life of the actor is an incarnation, or several: a new one begins where lease numbers run out. Each
    begins with a fence at the sink, which from then on refuses work leased before, and with the store's state
    behind that fence: what was recorded is known, what was not is leased again, so nothing is lost or counted
    twice. Every call waits for that.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        sink: SinkPort,
        metrics: Metrics,
        *,
        lease_seconds: float,
        due_before: float | None = None,
        began: int | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._pipeline = pipeline
        self._sink = sink
        self._metrics = metrics
        self._lease_seconds = lease_seconds
        self._due_before = due_before  # Unix seconds: a single run checks what was due when it began
        self._began = began  # the first incarnation of this run; None: whichever comes
        self._clock = clock
        self._recovery: asyncio.Task[pure.Frontier] | None = None

    async def offer(self, batch: bytes) -> int:
        """Take candidates: msgpack of (keys, hints). The incarnation says to whom they were offered."""
        frontier = await self._ready()
        keys, hints = _decode_offer(batch)
        before = frontier.turned_away
        new = frontier.offer(keys, hints)
        self._metrics.count("candidates_new", new)
        self._metrics.count("candidates_turned_away", frontier.turned_away - before)
        return frontier.stats(0).incarnation

    async def lease(self, worker: str, incarnation: int, limit: int) -> bytes:
        """A lease of at most `limit` items in msgpack; no bytes where nothing is due."""
        frontier = await self._ready()
        now = self._clock()
        try:
            lease = frontier.lease(worker, incarnation, limit, now, self._horizon(now))
        except pure.NumbersUsedUp:
            self._end(frontier)
            return await self.lease(worker, incarnation, limit)
        if lease is None:
            return b""
        self._metrics.count("leases", 1)
        self._metrics.count("leased_items", len(lease))
        return _encode(lease)

    async def ack(self, acks: bytes) -> int:
        """Settle items; those of a lease that is no longer held change nothing."""
        frontier = await self._ready()
        before = Counter(frontier.ended)
        settled = frontier.ack(_decode_acks(acks))
        self._metrics.count("acked_items", settled)
        for code, amount in (Counter(frontier.ended) - before).items():
            self._metrics.count("checks", amount, outcome=self._pipeline.outcomes[code])
        return settled

    async def renew(self, lease_ids: Sequence[int]) -> None:
        """Push the deadlines of leases that are worked on."""
        (await self._ready()).renew(lease_ids, self._clock())

    async def release(self, lease_ids: Sequence[int]) -> None:
        """Give leases back."""
        frontier = await self._ready()
        for lease_id in lease_ids:
            frontier.release(lease_id)

    async def stats(self) -> pure.Stats:
        """Where it stands."""
        return (await self._ready()).stats(self._horizon(self._clock()))

    def _horizon(self, now: float) -> float:
        return now if self._due_before is None else self._due_before

    def _end(self, frontier: pure.Frontier) -> None:
        """Let the next call begin a new incarnation, unless one has since begun."""
        if self._recovery is not None and self._recovery.done() and self._recovery.result() is frontier:
            logger.warning("the frontier's lease numbers are used up, a new incarnation begins")
            self._recovery = None

    async def _ready(self) -> pure.Frontier:
        """The frontier, once it has recovered; a recovery that failed is tried again by the next call."""
        if self._recovery is None or (self._recovery.done() and self._recovery.exception()):
            self._recovery = asyncio.create_task(self._recover())
        return await asyncio.shield(self._recovery)

    async def _recover(self) -> pure.Frontier:
        frontier = pure.Frontier(
            await self._fence(max(int(self._clock()), self._began or 0)),  # no clock gives one before it
            hint_size=self._pipeline.hint_size,
            state_size=self._pipeline.state_size,
            merge=self._pipeline.merge,
            lease_seconds=self._lease_seconds,
            began=self._began,
        )
        after: Key | None = None
        while True:
            page, after = await self._page(after)
            frontier.restore(self._pipeline.restore(_decode_rows(page)))
            if after is None:
                return frontier

    async def _page(self, after: Key | None) -> tuple[bytes, Key | None]:
        """A page of the store's state; while it does not answer, this waits for it."""
        while True:
            try:
                return await self._sink.scan(self._pipeline.state_table.name, after, PAGE)
            except StoreUnavailable:  # the sink connects again, and says why it can't
                await asyncio.sleep(RETRY_SECONDS)

    async def _fence(self, incarnation: int) -> int:
        """Register an incarnation newer than any before, and return it."""
        try:
            await self._sink.fence(incarnation)
        except StaleFence as stale:  # two lives in one second, or a clock that was set back
            return await self._fence(stale.current + 1)
        return incarnation
