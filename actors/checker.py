"""The checker actor: pulls leases, checks what they hold, pushes reports, acks what the sink has taken."""

import asyncio
import logging
import os
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial

import msgspec

from eagleray.actors import faults
from eagleray.actors.checks import Checks
from eagleray.actors.dnsbl import BlockLists, open_block_lists
from eagleray.actors.judges import JudgePool
from eagleray.actors.net.engine import Engine
from eagleray.actors.ports import Bytes, FrontierPort, Metrics, ScorerPort, SinkPort
from eagleray.actors.process import collect_garbage_rarely
from eagleray.actors.sink import StaleFence
from eagleray.actors.sinks.log.log import AppendFailed
from eagleray.actors.tls_target import without_dead_target
from eagleray.pipelines.addresses import Allowed
from eagleray.pipelines.leases import Lease
from eagleray.pipelines.proxies.check_rules import CheckRules
from eagleray.pipelines.proxies.model import Candidate, Checked, CheckReport
from eagleray.pipelines.proxies.packing import Hint, State, endpoint_of

logger = logging.getLogger(__name__)

BATCH_RECORDS = 2_000  # a batch costs about 5 ms over its four calls whatever is in it,
BATCH_SECONDS = 0.2  # so it is flushed by size or by age
DELIVERIES = 4  # batches between checker and sink at a time: beyond, pulling stops
IDLE = 0.2  # seconds until the frontier is asked again where nothing was due, or no judge was up
LOG_RETRY = 1.0  # seconds until a batch is put again that the log had no room for
RENEWALS = 3  # within the life of a lease

_encode = msgspec.msgpack.Encoder().encode
_decode_lease = msgspec.msgpack.Decoder(Lease).decode


class CheckerStats(msgspec.Struct, frozen=True):
    """How a checker fares."""

    name: str
    pid: int
    judge: str  # why there is none, or empty
    running: int  # checks in flight
    lag: float  # seconds by which the event loop was late
    held_back: str = ""  # why it holds fewer connections than it might


class Checker:
    """Holds at most `concurrency` checks in flight; `start` is idempotent and begins a new life's work."""

    def __init__(
        self,
        name: str,
        frontier: FrontierPort,
        scorer: ScorerPort,
        sink: SinkPort,
        metrics: Metrics,
        *,
        judges: Sequence[str],
        allow: Sequence[str],
        rules: CheckRules,
        concurrency: int,
        lease_size: int,
        lease_seconds: float,
    ) -> None:
        self._name = name
        self._frontier, self._scorer, self._sink = frontier, scorer, sink
        self._metrics = metrics
        self._judge_urls = list(judges)
        self._allowed = Allowed(allow)
        self._rules = rules
        self._concurrency = concurrency
        self._lease_size = lease_size
        self._lease_seconds = lease_seconds
        self._incarnation = time.time_ns()
        self._engine: Engine | None = None
        self._judges: JudgePool | None = None
        self._lists: BlockLists | None = None
        self._checks: Checks | None = None
        self._work: asyncio.Task[None] | None = None
        self._batch: list[Checked] = []
        self._leases: Counter[int] = Counter()  # lease id -> items not delivered yet
        self._deliveries: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()  # a check or a delivery has ended
        self._faults = 0

    async def start(self) -> None:
        """Begin to work, if that has not happened yet."""
        if self._work is None:
            self._work = asyncio.create_task(self._run())
        elif self._work.done():
            self._work.result()  # what ended it is raised where somebody sees it

    async def stop(self) -> None:
        """Stop pulling, deliver what is done, give back what is not."""
        if self._work is not None:
            self._work.cancel()
            await asyncio.gather(self._work, return_exceptions=True)
        if self._judges is not None:
            await self._judges.close()
        if self._lists is not None:
            await self._lists.close()
        if self._engine is not None:
            self._engine.close()
        self._flush()
        await asyncio.gather(*self._deliveries)
        await self._frontier.release(list(self._leases))

    async def stats(self) -> CheckerStats:
        """How it fares."""
        return CheckerStats(
            name=self._name,
            pid=os.getpid(),
            judge=self._judges.problem if self._judges and self._judges.given_up else "",
            running=self._checks.running if self._checks else 0,
            lag=self._engine.lag if self._engine else 0.0,
            held_back=self._engine.concurrency.held_back if self._engine else "",
        )

    async def _run(self) -> None:
        collect_garbage_rarely()
        self._engine = Engine(self._allowed, self._concurrency)
        self._judges = JudgePool(self._judge_urls, self._engine, self._allowed)
        await self._judges.start()
        rules = await without_dead_target(self._rules, self._engine, self._allowed, logger.warning)
        self._lists = await open_block_lists(rules, self._allowed, logger.warning)
        self._checks = Checks(self._engine, self._judges, rules, self._lists, self._name)
        self._checks.tell_of_room(self._changed.set)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._pull(self._checks))
            tasks.create_task(self._flush_by_age())
            tasks.create_task(self._renew())

    async def _pull(self, checks: Checks) -> None:
        while True:
            room = checks.room
            if room <= 0 or len(self._deliveries) >= DELIVERIES:
                self._changed.clear()
                await self._changed.wait()
                continue
            if checks.judges.given_up:  # nothing can be said of any proxy, however long that takes
                await asyncio.sleep(IDLE)
                continue
            data = await self._frontier.lease(self._name, self._incarnation, min(room, self._lease_size))
            if data:
                self._begin(checks, _decode_lease(data))
            else:
                await asyncio.sleep(IDLE)

    def _begin(self, checks: Checks, lease: Lease) -> None:
        """Start a check for each item of a lease."""
        self._leases[lease.id] += len(lease)
        for slot, key, hint, state in lease.items():
            claimed = Hint.unpack(hint)
            promising = claimed.well_listed or worked(state)
            candidate = Candidate(endpoint_of(key), claimed.protocols, promising=promising)
            checks.begin(candidate, partial(self._done, lease.id, slot, hint, state))

    def _done(self, lease_id: int, slot: int, hint: bytes, state: bytes, report: CheckReport) -> None:
        """Put a finished item into the batch, with what rode along in its lease."""
        self._batch.append(Checked(lease_id, slot, hint, state, report))
        self._changed.set()
        if len(self._batch) >= BATCH_RECORDS:
            self._flush()

    async def _flush_by_age(self) -> None:
        while True:
            await asyncio.sleep(BATCH_SECONDS)
            self._flush()
            self._count_faults()

    def _count_faults(self) -> None:
        """Errors of our own that this process has met since the last time."""
        met = faults.counts.total()
        self._metrics.count("internal_errors", met - self._faults)
        self._faults = met

    def _flush(self) -> None:
        if self._batch:
            batch, self._batch = self._batch, []
            delivery = asyncio.create_task(self._deliver(batch))
            self._deliveries.add(delivery)
            delivery.add_done_callback(self._delivered)

    def _delivered(self, delivery: asyncio.Task[None]) -> None:
        self._deliveries.discard(delivery)
        self._changed.set()
        if not delivery.cancelled() and (error := delivery.exception()):
            logger.error("%s: a batch was not taken, its leases will expire: %s", self._name, error)

    async def _deliver(self, batch: list[Checked]) -> None:
        """Score, make durable, then ack: an item is settled only once its record can't be lost."""
        try:
            records, acks = await self._scorer.score(_encode(batch))
            await self._put(records)
            await self._frontier.ack(acks)
        except StaleFence:
            logger.info("%s: the frontier has a new life, %d results are void", self._name, len(batch))
        finally:
            for checked in batch:
                self._leases[checked.lease_id] -= 1
            self._leases = +self._leases

    async def _put(self, records: Bytes) -> None:
        """Put until the sink has room: meanwhile this delivery is open, and pulling stops."""
        while True:
            try:
                return await self._sink.put(records)
            except AppendFailed as error:
                logger.warning("%s waits for the log: %s", self._name, error)
                await asyncio.sleep(LOG_RETRY)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._lease_seconds / RENEWALS)
            await self._frontier.renew(list(self._leases))


def worked(state: bytes) -> bool:
    """True where the state of an endpoint says that it has ever worked: it is worth a longer try."""
    return bool(state) and State.unpack(state).last_ok > 0
