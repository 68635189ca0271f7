import pytest
from hypothesis import given
from hypothesis import strategies as st

from eagleray.pipelines.proxies.packing import State
from eagleray.pipelines.proxies.schedule import JITTER, ScheduleRules, interval, next_due
from eagleray.pipelines.proxies.score import Evidence
from eagleray.pipelines.proxies.tables import FRESH

NOW = 1_700_000_000
HOUR = 3600
RULES = ScheduleRules()
STATES = st.builds(
    State,
    evidence=st.just(Evidence()),
    first_ok=st.integers(0, NOW),
    checks=st.integers(0, 2**32 - 1),
    failures_in_row=st.integers(0, 2**16 - 1),
)


@pytest.mark.parametrize(
    ("age", "failures", "seconds"),
    [
        (0, 0, 300),
        (10 * 60, 0, 300),
        (HOUR, 0, 900),
        (3 * HOUR, 0, 2700),
        (30 * 24 * HOUR, 0, 3000.0),
        (HOUR, 1, 1800),
        (HOUR, 2, 3600),
        (HOUR, 10, 7 * 24 * HOUR),
        (HOUR, 65_535, 7 * 24 * HOUR),
    ],
    ids=["new", "young", "an hour", "three hours", "old", "failed", "twice", "ten times", "for ever"],
)
def test_interval(age, failures, seconds):
    assert interval(State(Evidence(), first_ok=NOW - age, failures_in_row=failures), NOW, RULES) == seconds


@given(state=STATES, key=st.binary(max_size=30))
def test_due_stays_within_the_jittered_bounds(state, key):
    wait = next_due(state, key, NOW, RULES) - NOW
    low, high = (
        (RULES.dead_min, RULES.dead_max) if state.failures_in_row else (RULES.alive_min, RULES.alive_max)
    )
    assert low * (1 - JITTER) - 1 <= wait <= high * (1 + JITTER) + 1
    assert next_due(state, key, NOW, RULES) - NOW == wait


def test_what_was_listed_together_spreads():
    state = State(Evidence(), failures_in_row=1)
    due = [next_due(state, b"%d" % number, NOW, RULES) - NOW for number in range(1000)]
    assert max(due) - min(due) > 1.9 * JITTER * RULES.dead_min
    tenths = [int((wait / RULES.dead_min - 1 + JITTER) / (2 * JITTER) * 10) for wait in due]
    assert min(tenths.count(tenth) for tenth in range(10)) > 50


def test_what_lives_is_checked_again_while_stores_of_keys_vouch_for_it():
    assert RULES.alive_max * (1 + JITTER) < FRESH - 120  # and what a lease and a check take
