"""A world of proxies on loopback whose truth is known: the demo, tests and benchmarks check against it."""

from eagleray.cluster.proving_ground.process import (
    GroundError,
    Ready,
    Source,
    read_truth,
    running,
    started,
)
from eagleray.cluster.proving_ground.world import Kind, Mix, Truth

__all__ = ["GroundError", "Kind", "Mix", "Ready", "Source", "Truth", "read_truth", "running", "started"]
