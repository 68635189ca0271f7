"""The first seconds of `python -m tests.fuzz engine` hold already."""

from tests.fuzz.engine import fuzz

SECONDS = 5.0
CONCURRENCY = 50  # what one event loop for both sides does in time on a busy machine


def test_nonsense_of_every_protocol_stops_nothing():
    fuzzed = fuzz(SECONDS, seed=1, concurrency=CONCURRENCY)
    assert fuzzed.checks > 100
    assert {"ok", "malformed"} <= set(fuzzed.outcomes)
    assert {"tls_intercepted", "tls_failed", "unknown: "} <= set(fuzzed.steps)
