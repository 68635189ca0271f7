"""Input that Hypothesis makes of a target's pieces."""

import time

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS

BATCH = 1000  # executions between two looks at the clock


def chunks_of(pieces: list[bytes]) -> st.SearchStrategy[list[bytes]]:
    """Chunks that are pieces, and of any bytes: they lead deep into a parser, and then astray."""
    return st.lists(st.sampled_from(pieces) | st.binary(min_size=1, max_size=64), max_size=40)


def fuzz(name: str, seconds: float) -> int:
    """Run a target for so many seconds, new input each time; the number of executions."""
    executions, deadline, target = 0, time.monotonic() + seconds, TARGETS[name]

    @settings(max_examples=BATCH, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(chunks_of(target.pieces))
    def batch(chunks: list[bytes]) -> None:
        nonlocal executions
        executions += 1
        target.check(chunks)

    while time.monotonic() < deadline:
        batch()
    return executions
