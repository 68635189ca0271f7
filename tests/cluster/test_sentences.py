"""What Ray's actors raise, as a sentence."""

import os
import uuid

import pytest
import ray

from eagleray.actors.sinks.log.log import take_lock
from eagleray.cluster.cli.failures import sentence
from eagleray.cluster.paths import log_dir
from eagleray.cluster.topology import NamespaceTaken, launch_sink

pytestmark = pytest.mark.usefixtures("ray_cluster")


def test_two_runs_in_one_namespace(settings_of):
    settings = settings_of(namespace=uuid.uuid4().hex)
    sink = launch_sink(settings)
    with pytest.raises(NamespaceTaken, match="another run is at work in the namespace"):
        launch_sink(settings)
    ray.kill(sink)


def test_an_actor_that_can_not_start_says_why(settings_of):
    settings = settings_of(namespace=uuid.uuid4().hex)
    log = log_dir(settings.data_dir.resolve())
    log.mkdir(parents=True)
    lock = take_lock(log)
    sink = launch_sink(settings)
    with pytest.raises(ray.exceptions.RayActorError) as raised:
        ray.get(sink.stats.remote(), timeout=60)
    assert raised.value.actor_init_failed
    assert sentence(raised.value) == f"another process has the log in {log} open"
    ray.kill(sink)
    os.close(lock)
