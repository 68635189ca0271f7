"""Puts the actors together: which there are, what each is told, and in what order they start."""

import logging
import os
import socket
import time
from pathlib import Path
from tempfile import TemporaryFile
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
RAY_BYTES = 4 << 20  # that Ray's folder must have room for: its logs of a short run have 2 MB
SHARED_MEMORY = "/dev/shm"  # noqa: S108 - where Ray keeps objects
QUIET: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}

# The bounds of what Ray's head remembers of calls: 250 MB by its own. A user's environment goes first.
LOCAL_RAY = {
    "RAY_task_events_max_num_task_in_gcs": "10000",  # calls; a tenth of Ray's own
    "RAY_enable_timeline": "0",  # no profile of each
}


class Fleet(NamedTuple):
    """Handles of the actors."""

    sink: Any
    frontier: Any
    collector: Any
    scorers: list[Any]
    checkers: list[Any]

    @property
    def actors(self) -> list[Any]:
        """All of them, from the one that brings work to the one that stores it."""
        return [self.collector, *self.checkers, *self.scorers, self.frontier, self.sink]

    def kill(self) -> None:
        """End every actor at once."""
        for actor in self.actors:
            ray.kill(actor)


class RayNotStarted(Exception):
    """Raised when Ray does not start on this machine: one sentence, and one on what to do."""

    def __init__(self, sentence: str, advice: str) -> None:
        super().__init__(sentence)
        self.advice = advice


class NamespaceTaken(Exception):
    """Raised when the actors of another run are in the namespace."""


def start_ray(settings: Settings) -> str:
    """Join the cluster of the settings, or start Ray on this machine; the dashboard's URL, if there is one.

    Raises:
        ConnectionError: there is no cluster at the address.
        ValueError: it is no address.
        RayNotStarted: Ray does not start here.
    """
    address = settings.ray.address
    if address is None:
        return start_local_ray(settings)
    require_reachable(address)
    return dashboard(ray.init(address=address, namespace=settings.ray.namespace, **QUIET))


def start_local_ray(settings: Settings) -> str:
    """Start Ray on this machine; the dashboard's URL, if there is one.

    Raises:
        RayNotStarted: it does not start.
    """
    require_room_for_ray()
    for name, value in LOCAL_RAY.items():
        os.environ.setdefault(name, value)
    try:
        context = ray.init(
            address="local",
            namespace=settings.ray.namespace,
            num_cpus=checkers_wanted(settings),
            include_dashboard=settings.ray.dashboard,
            **QUIET,
        )
    except Exception as error:  # it raises plain ones, too
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise RayNotStarted(f"Ray does not start: {reason}", f"Its logs are below {ray_folder()}.") from error
    return dashboard(context)


def dashboard(context: Any) -> str:
    """The dashboard's URL, if there is one."""
    return f"http://{context.dashboard_url}" if context.dashboard_url else ""


def ray_folder() -> Path:
    """Where Ray puts its sockets and logs."""
    return Path(os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp", "ray")  # noqa: S108 - Ray's own


def require_room_for_ray() -> None:
    """Refuse what Ray itself would try for half a minute, and then call a timeout.

    Raises:
        RayNotStarted: its folder can't be written or is full, or there is no shared memory.
    """
    folder = ray_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder) as probe:
            probe.write(bytes(RAY_BYTES))
    except OSError as error:
        advice = "Make room there, or set RAY_TMPDIR to a folder that you may write to."
        raise RayNotStarted(f"Ray cannot write to {folder}: {error.strerror}", advice) from error
    if not os.access(SHARED_MEMORY, os.W_OK):
        advice = f"Mount it: `mount -t tmpfs -o size=1g tmpfs {SHARED_MEMORY}`; Docker: --shm-size=1g."
        raise RayNotStarted(f"Ray cannot write to {SHARED_MEMORY}, the shared memory", advice)


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
    """Start every actor; a single run checks what is due now and no more.

    Raises:
        NamespaceTaken: another run is at work in the namespace.
    """
    proxies, namespace = settings.pipelines.proxies, settings.ray.namespace
    sink = launch_sink(settings)
    fence = read_fence(log_dir(settings.data_dir.resolve()) / "fence")
    frontier = ray_classes.start_frontier(
        namespace,
        pipeline=PIPELINE,
        lease_seconds=proxies.lease.seconds,
        due_before=time.time() if once else None,
        began=max(int(time.time()), fence + 1),
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


def launch_sink(settings: Settings) -> Any:
    """Start the sink, the first of all actors.

    Raises:
        NamespaceTaken: there is one.
    """
    namespace = settings.ray.namespace
    try:
        return ray_classes.start_sink(
            namespace,
            log=log_dir(settings.data_dir.resolve()),
            log_options=settings.log.model_dump(),
            stores=settings.store_urls(),
            schema=SCHEMA,
        )
    except ValueError as error:  # Ray's, for a name that is taken
        raise NamespaceTaken(
            f"another run is at work in the namespace {namespace!r} of this cluster"
        ) from error


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
