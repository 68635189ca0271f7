"""Puts the actors together: which there are, what each is told, and in what order they start."""

import logging
import os
import socket
import time
from pathlib import Path
from typing import Any, NamedTuple

import ray

from eagleray.actors import ray_classes
from eagleray.actors.sink import read_fence
from eagleray.actors.sinks.migrations import schema_of
from eagleray.actors.source import Feed
from eagleray.cluster.checking import auto_concurrency
from eagleray.cluster.paths import log_dir
from eagleray.cluster.proxy_settings import ProxiesSettings, ProxySource
from eagleray.cluster.settings import Settings
from eagleray.pipelines.proxies.packing import source_id
from eagleray.pipelines.proxies.parse import Labels
from eagleray.pipelines.proxies.pipeline import ProxyPipeline
from eagleray.pipelines.proxies.quality import Weights
from eagleray.pipelines.proxies.schedule import ScheduleRules
from eagleray.pipelines.proxies.scoring import ScoringRules

PIPELINE = ProxyPipeline()
SCHEMA = schema_of(PIPELINE)
REACH_LIMIT = 5.0  # seconds for a cluster's head to take a connection


class Fleet(NamedTuple):
    """Handles of the actors."""

    sink: Any
    frontier: Any
    collector: Any
    scorers: list[Any]
    checkers: list[Any]

    def kill(self) -> None:
        """End every actor at once."""
        for actor in (self.collector, *self.checkers, *self.scorers, self.frontier, self.sink):
            ray.kill(actor)


def start_ray(settings: Settings) -> str:
    """Join the cluster of the settings, or start Ray on this machine; the dashboard's URL, if there is one.

    Raises:
        ConnectionError: there is no cluster at the address.
    """
    local = settings.ray.address is None
    require_reachable(settings.ray.address or "")
    context = ray.init(
        address="local" if local else settings.ray.address,
        namespace=settings.ray.namespace,
        num_cpus=checkers_wanted(settings) if local else None,
        include_dashboard=settings.ray.dashboard if local else None,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    url = context.dashboard_url
    return f"http://{url}" if url else ""


def require_reachable(address: str) -> None:
    """Refuse an address of `[ray://]host:port` where nobody listens: Ray itself would try for minutes.

    Raises:
        ConnectionError: nobody does.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        try:
            socket.create_connection((host, int(port)), REACH_LIMIT).close()
        except OSError as error:
            raise ConnectionError(f"{address}: {error.strerror or error}") from error


def checkers_wanted(settings: Settings) -> int:
    """Checker actors: one for each core that the cluster has, or this machine before Ray has started."""
    if settings.ray.checkers != "auto":
        return settings.ray.checkers
    if not ray.is_initialized():
        return os.cpu_count() or 1
    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    return max(1, int(resources.get("CPU", 1)))


def launch(settings: Settings, once: bool) -> Fleet:
    """Start every actor; a single run checks what is due now and no more."""
    proxies, namespace = settings.pipelines.proxies, settings.ray.namespace
    data = settings.data_dir.resolve()
    sink = ray_classes.start_sink(
        namespace,
        log=log_dir(data),
        log_options=settings.log.model_dump(),
        stores=settings.store_urls(),
        schema=SCHEMA,
    )
    frontier = ray_classes.start_frontier(
        namespace,
        pipeline=PIPELINE,
        lease_seconds=proxies.lease.seconds,
        due_before=time.time() if once else None,
        began=max(int(time.time()), read_fence(log_dir(data) / "fence") + 1),
    )
    scorers = ray_classes.start_scorers(
        settings.ray.scorers,
        namespace,
        rules=scoring_rules(proxies),
        sources={source_id(source.name): source.name for source in proxies.sources},
    )
    checkers = ray_classes.start_checkers(
        checkers_wanted(settings),
        namespace,
        settings.ray.scorers,
        judges=proxies.judges,
        allow=proxies.allow,
        rules=proxies.check.rules(),
        concurrency=concurrency(proxies),
        lease_size=proxies.lease.size,
        lease_seconds=proxies.lease.seconds,
    )
    collector = ray_classes.start_collector(
        namespace, pipeline=PIPELINE.name, feeds=feeds(proxies), allow=proxies.allow
    )
    return Fleet(sink, frontier, collector, scorers, checkers)


def feeds(proxies: ProxiesSettings) -> list[Feed]:
    """The sources; a relative path means the directory that the command was typed in."""
    return [Feed(absolute(source), labels(source)) for source in proxies.sources]


def absolute(source: ProxySource) -> ProxySource:
    """The source with its path made absolute: actors have working directories of their own."""
    if source.path is None or source.path == "-":
        return source
    return source.model_copy(update={"path": str(Path(source.path).resolve())})


def labels(source: ProxySource) -> Labels:
    """What the source's owner says of all its entries."""
    return Labels(source.protocols, source.country, source.anonymity, source.credentials_last)


def scoring_rules(proxies: ProxiesSettings) -> ScoringRules:
    """How evidence ages, what counts as quality, and when to check again."""
    return ScoringRules(
        half_life=proxies.score.half_life,
        weights=Weights(**proxies.score.weights.model_dump()),
        schedule=ScheduleRules(**proxies.schedule.model_dump()),
    )


def concurrency(proxies: ProxiesSettings) -> int:
    """Connections in flight of one checker."""
    wanted = proxies.check.concurrency
    return auto_concurrency() if wanted == "auto" else wanted
