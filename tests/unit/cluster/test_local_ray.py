"""What is said to a Ray that we start, and only where the user has said nothing."""

import os
from types import SimpleNamespace

import pytest

from eagleray.cluster import topology
from eagleray.cluster.settings import Settings

NAME = "RAY_task_events_max_num_task_in_gcs"


@pytest.fixture
def start(monkeypatch):
    """Start Ray, or join one, without either."""

    def start(**ray):
        monkeypatch.setattr(topology.ray, "init", lambda **_: SimpleNamespace(dashboard_url=""))
        topology.start_ray(Settings.model_validate({"ray": ray}))
        return os.environ.get(NAME)

    for name in topology.LOCAL_RAY:
        monkeypatch.setenv(name, "")  # so that it is taken back afterwards
        monkeypatch.delenv(name)
    return start


def test_a_local_ray_is_bounded(start):
    assert start() == "10000"


def test_the_environment_goes_first(start, monkeypatch):
    monkeypatch.setenv(NAME, "7")
    assert start() == "7"


def test_a_cluster_is_left_alone(start):
    assert start(address="auto") is None
