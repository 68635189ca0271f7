"""The one place with `ray.remote`: options, names, and how actors find and call each other."""

import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any, Self

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # before Ray is imported: nothing is sent home

import ray
from ray.util.metrics import Counter, Gauge
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from eagleray.actors import checker, collector, frontier, scorer, sink
from eagleray.actors.process import end_when_orphaned
from eagleray.actors.sinks.base import Schema
from eagleray.actors.sinks.log.log import Log
from eagleray.actors.sinks.registry import StoreUrl, create_writer

AT_ONCE = "at_once"  # calls that have a thread of their own: the actor may wait for a head that is lost

# A killed actor comes back with empty memory, and calls that were under way are made again: every call
# between actors is idempotent, so that is safe. Only checkers use a core; `num_cpus` is always said, because
# an actor without it takes one to be placed.
DURABLE: dict[str, Any] = {
    "max_restarts": -1,
    "max_task_retries": -1,
    "max_concurrency": 1000,
    "concurrency_groups": {AT_ONCE: 1},
    "num_cpus": 0,
}

FRONTIER, SINK, COLLECTOR = "frontier", "sink", "collector"


def scorer_name(number: int) -> str:
    """Name of a scorer on the dashboard and for look-ups."""
    return f"scorer-{number}"


def checker_name(number: int) -> str:
    """Name of a checker on the dashboard and for look-ups."""
    return f"checker-{number}"


class Remote:
    """Calls a named actor as if it were here: `await Remote("sink").put(batch)`.

    Handles must not be passed to actors that restart, so the name travels and is looked up at the first call.
    """

    def __init__(self, name: str, namespace: str) -> None:
        self._name, self._namespace = name, namespace
        self._handle: Any = None

    def __reduce__(self) -> tuple[type["Remote"], tuple[str, str]]:
        return Remote, (self._name, self._namespace)

    def __getattr__(self, method: str) -> Callable[..., Awaitable[Any]]:
        if method.startswith("__"):
            raise AttributeError(method)

        async def call(*args: Any) -> Any:
            if self._handle is None:
                self._handle = ray.get_actor(self._name, namespace=self._namespace)
            return await getattr(self._handle, method).remote(*args)

        return call


class RemoteScorers:
    """The scoring pool, asked in turn. Its results stay references: records travel straight to the sink."""

    def __init__(self, count: int, namespace: str) -> None:
        self._count, self._namespace = count, namespace
        self._turn: Any = None

    def __reduce__(self) -> tuple[type["RemoteScorers"], tuple[int, str]]:
        return RemoteScorers, (self._count, self._namespace)

    async def score(self, checked: bytes) -> tuple[Any, Any]:
        """References to the batch for the sink and to the acks for the frontier."""
        if self._turn is None:
            names = [scorer_name(number) for number in range(self._count)]
            self._turn = cycle([ray.get_actor(name, namespace=self._namespace) for name in names])
        records, acks = next(self._turn).score.options(num_returns=2).remote(checked)
        return records, acks


class RayMetrics:
    """Figures of `ray.util.metrics`, `ray_eagleray_…` to Ray's dashboard, Grafana and Prometheus."""

    def __init__(self) -> None:
        self._counters: dict[str, Counter] = {}
        self._gauges: dict[str, Gauge] = {}

    def __reduce__(self) -> tuple[type["RayMetrics"], tuple[()]]:
        return RayMetrics, ()

    def count(self, name: str, amount: int, **labels: str) -> None:
        """Add to the counter `eagleray_<name>`."""
        if amount <= 0:
            return
        if name not in self._counters:
            self._counters[name] = Counter(f"eagleray_{name}", tag_keys=tuple(sorted(labels)))
        self._counters[name].inc(amount, tags=labels)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Set the gauge `eagleray_<name>`."""
        if name not in self._gauges:
            self._gauges[name] = Gauge(f"eagleray_{name}", tag_keys=tuple(sorted(labels)))
        self._gauges[name].set(value, tags=labels)


class EndsWithRay:
    """What the process of each actor does beside its work."""

    def __new__(cls, *_args: Any, **_kwargs: Any) -> Self:
        """Before anything else: an actor whose raylet was killed is left by Ray, and holds the log's lock."""
        end_when_orphaned()
        return super().__new__(cls)

    @ray.method(concurrency_group=AT_ONCE)
    def end(self) -> None:
        """End at once: the driver's word where there is no GCS that could pass it on."""
        os._exit(0)


class Frontier(EndsWithRay, frontier.Frontier):
    """The frontier."""


class Collector(EndsWithRay, collector.Collector):
    """The collector."""


class Scorer(EndsWithRay, scorer.Scorer):
    """A scorer."""


class Checker(EndsWithRay, checker.Checker):
    """A checker."""


class Sink(EndsWithRay, sink.Sink):
    """The sink with a log and stores of its own, opened anew by each life of the actor."""

    def __init__(
        self, log: Path, log_options: Mapping[str, Any], stores: Sequence[StoreUrl], schema: Schema
    ) -> None:
        writers = [create_writer(store) for store in stores]
        super().__init__(Log.open(log, **log_options), writers, schema)
        self._metrics = RayMetrics()

    async def put(self, batch: bytes) -> None:
        """Take a batch, and count it."""
        await super().put(batch)
        self._metrics.count("sink_batches", 1)

    async def stats(self) -> sink.SinkStats:
        """Where it stands; the supervisor asks all the time, so the gauges follow."""
        stats = await super().stats()
        self._metrics.gauge("log_bytes", stats.log_bytes)
        self._metrics.gauge("log_blocked", bool(stats.log_blocked))
        for name, store in stats.stores.items():
            self._metrics.gauge("store_lag_rows", store.lag_rows, store=name)
            self._metrics.gauge("store_lag_seconds", store.lag_seconds, store=name)
            self._metrics.gauge("store_failing", bool(store.failing), store=name)
            self._metrics.gauge("store_rejected_rows", store.rejected, store=name)
            self._metrics.gauge("store_unkept_rows", store.unkept, store=name)
        return stats


def on_this_node() -> NodeAffinitySchedulingStrategy:
    """Where the caller runs: its files are there."""
    return NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)


def start_sink(namespace: str, **kwargs: Any) -> Any:
    """The sink, beside the data directory of the caller."""
    options = {**DURABLE, "scheduling_strategy": on_this_node()}
    return ray.remote(**options)(Sink).options(name=SINK, namespace=namespace).remote(**kwargs)


def start_frontier(namespace: str, **kwargs: Any) -> Any:
    """The frontier."""
    actor = ray.remote(**DURABLE)(Frontier).options(name=FRONTIER, namespace=namespace)
    return actor.remote(sink=Remote(SINK, namespace), metrics=RayMetrics(), **kwargs)


def start_collector(namespace: str, **kwargs: Any) -> Any:
    """The collector, beside the files that the caller's configuration names."""
    options = {**DURABLE, "scheduling_strategy": on_this_node()}
    actor = ray.remote(**options)(Collector).options(name=COLLECTOR, namespace=namespace)
    return actor.remote(Remote(FRONTIER, namespace), Remote(SINK, namespace), RayMetrics(), **kwargs)


def start_scorers(count: int, namespace: str, **kwargs: Any) -> list[Any]:
    """The scoring pool."""
    actor = ray.remote(**DURABLE)(Scorer)
    return [
        actor.options(name=scorer_name(number), namespace=namespace).remote(**kwargs)
        for number in range(count)
    ]


def start_checkers(count: int, namespace: str, scorers: int, **kwargs: Any) -> list[Any]:
    """Checkers, one a core, over all nodes."""
    actor = ray.remote(**{**DURABLE, "num_cpus": 1, "scheduling_strategy": "SPREAD"})(Checker)
    ports = Remote(FRONTIER, namespace), RemoteScorers(scorers, namespace), Remote(SINK, namespace)
    return [
        actor.options(name=name, namespace=namespace).remote(name, *ports, RayMetrics(), **kwargs)
        for name in map(checker_name, range(count))
    ]
