import pytest
from hypothesis import given
from hypothesis import strategies as st

from eagleray.actors.net.wheel import TICK, TimerWheel

START = 1000.0


@pytest.mark.parametrize(
    ("when", "early", "late"),
    [
        (START + 1, START + 1 - TICK, START + 1 + TICK),
        (START + 3600, START + 3600 - TICK, START + 3600 + TICK),
    ],
    ids=["soon", "in an hour"],
)
def test_due_after_its_time_and_not_before(when, early, late):
    wheel = TimerWheel(START)
    wheel.add(when, "item")
    assert list(wheel.due(early)) == []
    assert list(wheel.due(late)) == ["item"]
    assert list(wheel.due(late + 1)) == []


def test_oldest_first():
    wheel = TimerWheel(START)
    for offset in (0.5, 0.1, 0.3):
        wheel.add(START + offset, offset)
    assert list(wheel.due(START + 1)) == [0.1, 0.3, 0.5]


def test_a_past_time_means_the_next_turn():
    wheel = TimerWheel(START)
    list(wheel.due(START + 10))
    wheel.add(START, "late")
    assert list(wheel.due(START + 10 + TICK)) == ["late"]


@pytest.mark.parametrize("delay", [-5.0, 0.0, TICK / 2, 1.0])
def test_what_is_added_while_items_come_out_is_not_lost(delay):
    wheel, now = TimerWheel(START), START + 2
    wheel.add(START + 1, "first")
    for _ in wheel.due(now):
        wheel.add(now + delay, "second")
    assert list(wheel.due(now + max(delay, 0) + TICK)) == ["second"]


def test_items_not_taken_out_come_the_next_turn():
    wheel = TimerWheel(START)
    wheel.add(START + 1, "first")
    wheel.add(START + 2, "second")
    assert next(wheel.due(START + 3)) == "first"
    assert list(wheel.due(START + 3)) == ["second"]


def test_true_while_anything_waits():
    wheel = TimerWheel(START)
    assert not wheel
    wheel.add(START + 1, "item")
    assert wheel
    list(wheel.due(START + 2))
    assert not wheel


TIMES = st.lists(st.floats(START, START + 5), max_size=30)
ROUNDING = 1e-6  # seconds; far below a tick


@given(whens=TIMES, turns=TIMES)
def test_each_item_comes_once_within_a_tick(whens, turns):
    wheel, came = TimerWheel(START), {}
    for item, when in enumerate(whens):
        wheel.add(when, item)
    for now in [*sorted(turns), START + 6]:
        for item in wheel.due(now):
            assert item not in came
            assert now >= whens[item] - ROUNDING
            came[item] = now
        overdue = {item for item, when in enumerate(whens) if when <= now - TICK - ROUNDING}
        assert overdue <= set(came)
    assert len(came) == len(whens)
