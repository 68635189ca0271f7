"""The collector actor: polls every source on its own clock and offers what it lists to the frontier."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec

from eagleray.actors.ports import FrontierPort, Metrics, SinkPort
from eagleray.actors.sink import StaleFence
from eagleray.actors.source import Feed, Harvest, Poll, poll
from eagleray.pipelines.addresses import Allowed
from eagleray.pipelines.proxies.model import Candidate
from eagleray.pipelines.proxies.packing import endpoint_key, hint_of
from eagleray.pipelines.proxies.tables import SOURCE_POLLS
from eagleray.pipelines.tables import encode_batch, seal

BATCH = 2_000  # candidates offered at a time
MAX_POLLS = 16  # at a time: politeness to hosts that many lists share, and documents held in memory

_encode = msgspec.msgpack.Encoder().encode


class CollectorStats(msgspec.Struct, frozen=True):
    """Where the collector stands."""

    polls: list[Poll]  # the latest of each source that was polled
    candidates: int  # listed now, each source counted for itself
    incarnation: int  # of the frontier that the last `start` named
    settled: bool  # every source was polled, and that frontier knows what it lists


class Collector:
    """Polls each feed at its interval, and keeps the latest harvest to offer it again to a new frontier."""

    def __init__(
        self,
        frontier: FrontierPort,
        sink: SinkPort,
        metrics: Metrics,
        *,
        pipeline: str,
        feeds: Sequence[Feed],
        allow: Sequence[str],
    ) -> None:
        self._frontier, self._sink, self._metrics = frontier, sink, metrics
        self._pipeline = pipeline
        self._feeds = list(feeds)
        self._allowed = Allowed(allow)
        self._worker = ThreadPoolExecutor(max_workers=1)  # one parser at a time: the loop needs its turns
        self._polling = asyncio.Semaphore(MAX_POLLS)
        self._publishing = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []
        self._polls: dict[str, Poll] = {}
        self._batches: dict[str, list[bytes]] = {}
        self._offered_to: dict[str, int] = {}  # source -> incarnation that took its harvest
        self._incarnation = 0

    async def start(self, incarnation: int) -> None:
        """Begin to poll, once; offer again what another incarnation of the frontier had taken."""
        self._incarnation = incarnation
        if not self._tasks:
            self._tasks = [asyncio.create_task(self._follow(feed)) for feed in self._feeds]
        for task in self._tasks:
            if task.done():
                task.result()  # what ended it is raised where somebody sees it
        if not self._publishing.locked():
            for source in [s for s in self._polls if self._offered_to.get(s) != incarnation]:
                await self._publish(source)

    async def stats(self) -> CollectorStats:
        """The latest polls."""
        offered = [self._offered_to.get(feed.settings.name) for feed in self._feeds]
        return CollectorStats(
            polls=list(self._polls.values()),
            candidates=sum(poll.candidates for poll in self._polls.values()),
            incarnation=self._incarnation,
            settled=all(incarnation == self._incarnation for incarnation in offered),
        )

    async def _follow(self, feed: Feed) -> None:
        while True:
            async with self._polling:
                harvest = await poll(feed, self._allowed, self._worker)
            self._keep(harvest)
            await self._publish(harvest.poll.source)
            await asyncio.sleep(feed.settings.interval)

    def _keep(self, harvest: Harvest) -> None:
        """Remember a harvest, packed; one that failed leaves the candidates of the one before."""
        result = harvest.poll
        self._polls[result.source] = result
        self._metrics.count(
            "source_polls", 1, source=result.source, result="failed" if result.error else "ok"
        )
        self._metrics.count("source_candidates", result.candidates, source=result.source)
        if harvest.candidates or not result.error:
            found = harvest.candidates
            self._batches[result.source] = [
                packed(found[at : at + BATCH]) for at in range(0, len(found), BATCH)
            ]

    async def _publish(self, source: str) -> None:
        """Offer a source's candidates, and record its poll."""
        async with self._publishing:
            taken = {await self._frontier.offer(batch) for batch in self._batches.get(source, [])}
            incarnation = min(taken, default=self._incarnation)
            row = list(msgspec.structs.astuple(self._polls[source]))
            row[SOURCE_POLLS.names.index("refused")] = msgspec.json.encode(
                self._polls[source].refused
            ).decode()
            try:
                await self._sink.put(encode_batch([seal(self._pipeline, SOURCE_POLLS, [row], incarnation)]))
            except StaleFence:
                return  # the frontier has a new life; the next `start` publishes again
            self._offered_to[source] = incarnation


def packed(candidates: Sequence[Candidate]) -> bytes:
    """Keys and hints as the frontier takes them."""
    keys = [endpoint_key(candidate.endpoint) for candidate in candidates]
    return _encode((keys, [hint_of(candidate) for candidate in candidates]))
