"""One Ray for all tests of this folder, and one proving ground; both die with the test process."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from eagleray.cluster.proving_ground import Ready, started
from eagleray.cluster.settings import Settings

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # else Ray warns, and warnings are errors

ENDPOINTS = 240


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[None]:
    import ray

    ray.init(address="local", num_cpus=8, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.fixture(scope="session")
def ground() -> Iterator[Ready]:
    with started(ENDPOINTS, seed=7) as ready:
        yield ready


@pytest.fixture
def settings_of(ground: Ready, tmp_path: Path) -> Callable[..., Settings]:
    """Settings that point at the proving ground; slow enough for something to happen in the middle."""

    def make(**ray_settings: Any) -> Settings:
        sources = [
            {"name": s.name, "kind": "http", "url": s.url, "protocols": s.protocols} for s in ground.sources
        ]
        proxies = {
            "sources": sources,
            "judges": [ground.judge],
            "allow": ground.allow,
            "check": {
                "connect_timeout": 1.5,
                "timeout": 3.0,
                "concurrency": 40,
                "tls_target": ground.tls_target,  # else nothing tells a tunnel that is intercepted
                "ca_file": ground.ca_file,
            },
            "lease": {"size": 20, "seconds": 20.0},
        }
        return Settings.model_validate(
            {"data_dir": tmp_path / "data", "ray": ray_settings, "pipelines": {"proxies": proxies}}
        )

    return make
