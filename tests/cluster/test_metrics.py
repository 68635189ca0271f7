"""What a run counts reaches Ray's metrics endpoint, where Ray's dashboard and Prometheus find it."""

import asyncio
import os
import re
import signal
import time
from collections.abc import Callable
from urllib.request import urlopen

import pytest

from eagleray.cluster.figures import Progress
from eagleray.cluster.runner import supervise
from eagleray.cluster.settings import Settings

LIMIT = 60.0  # seconds; Ray exports every ten
ENDPOINTS = 240
RAYS_OWN = {"Component", "NodeAddress", "NodeId", "SessionName", "Version", "WorkerId"}
OPEN_TELEMETRYS = {"otel_scope_name", "otel_scope_version", "otel_scope_schema_url"}


def scraped() -> str:
    import ray

    port = ray.nodes()[0]["MetricsExportPort"]
    return urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10).read().decode()


def total(text: str, name: str, label: str = "") -> float:
    """The sum over all workers, as a query would have it."""
    lines = re.findall(rf"^ray_eagleray_{name}_total{{(.*)}} ([0-9.e+]+)$", text, re.MULTILINE)
    return sum(float(value) for labels, value in lines if label in labels)


class StopOnceExported:
    """Shown the progress of a run, it interrupts the run once every check has reached the endpoint."""

    def __init__(self) -> None:
        self._deadline = time.monotonic() + LIMIT
        self._before = total(scraped(), "checks")
        self.text = ""
        self._stopped = False

    def __call__(self, _: Progress) -> None:
        if self._stopped:  # a second interrupt would end this very process
            return
        self.text = scraped()
        if total(self.text, "checks") - self._before >= ENDPOINTS or time.monotonic() > self._deadline:
            self._stopped = True
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.usefixtures("ray_cluster")
def test_counters_are_exported(settings_of: Callable[..., Settings]) -> None:
    stop = StopOnceExported()

    finished = asyncio.run(supervise(settings_of(namespace="metrics", checkers=2), once=False, show=stop))

    assert finished.interrupted
    assert total(stop.text, "checks") >= ENDPOINTS
    assert total(stop.text, "checks", 'outcome="ok"') > 0
    for name in ("leases", "leased_items", "acked_items", "candidates_new", "source_polls", "sink_batches"):
        assert total(stop.text, name) > 0, name
    for name in (
        "store_lag_rows",
        "store_lag_seconds",
        "store_failing",
        "store_rejected_rows",
        "store_unkept_rows",
    ):
        assert re.search(rf'^ray_eagleray_{name}{{.*store="sqlite".*}} ', stop.text, re.MULTILINE), name
    for name in ("log_bytes", "log_blocked"):
        assert re.search(rf"^ray_eagleray_{name}{{", stop.text, re.MULTILINE), name
    labels = set(re.findall(r'(\w+)="', "".join(re.findall(r"^ray_eagleray_.*$", stop.text, re.MULTILINE))))
    assert labels <= {"outcome", "source", "store", "result"} | RAYS_OWN | OPEN_TELEMETRYS
