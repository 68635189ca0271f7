import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eagleray.pipelines.due_wheel import SPAN, DueWheel


def wheel_of(due):
    wheel = DueWheel()
    add(wheel, range(len(due)), due)
    return wheel


def add(wheel, slots, due):
    wheel.add(np.array(slots, np.uint32), np.array(due, np.uint32))


@pytest.mark.parametrize(
    ("due", "limit", "due_before", "slots"),
    [
        ([], 5, 1e9, []),
        ([0, 0, 0], 2, 0, [0, 1]),
        ([30, 10, 20], 5, 20, [1, 2]),
        ([30, 10, 20], 5, 9.99, []),
        ([30, 10, 20], 0, 100, []),
        ([SPAN * 7, SPAN - 1, SPAN, SPAN + 1], 3, SPAN * 7, [1, 2, 3]),
        ([2**32 - 1, 5], 2, 2.0**32, [1, 0]),
    ],
    ids=[
        "empty",
        "first in first out",
        "earliest first",
        "not yet",
        "no room",
        "several spans",
        "last second",
    ],
)
def test_take(due, limit, due_before, slots):
    assert wheel_of(due).take(limit, due_before).tolist() == slots


def test_an_earlier_one_overtakes_an_opened_span():
    wheel = wheel_of([100, 200])
    assert wheel.take(1, 100).tolist() == [0]
    add(wheel, [2, 3], [150, 0])
    assert wheel.take(9, 1000).tolist() == [3, 2, 1]


def test_a_bucket_is_taken_in_parts():
    wheel = wheel_of([7] * 10)
    assert [wheel.take(4, 7).tolist() for _ in range(4)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9], []]


@given(
    batches=st.lists(st.lists(st.integers(0, 3 * SPAN), max_size=8), max_size=6),
    steps=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 4 * SPAN)), max_size=8),
)
def test_agrees_with_a_sorted_list(batches, steps):
    """Additions and removals in any order give what sorting by due time gives."""
    wheel, waiting, slot = DueWheel(), [], 0
    steps = iter(steps)
    for batch in batches:
        slots = range(slot, slot + len(batch))
        slot += len(batch)
        add(wheel, slots, batch)
        waiting = sorted([*waiting, *zip(batch, slots, strict=True)])
        limit, due_before = next(steps, (3, 4 * SPAN))
        assert wheel.count(due_before) == sum(due <= due_before for due, _ in waiting)
        assert wheel.next_due == (waiting[0][0] if waiting else None)
        taken = [due for due, _ in waiting if due <= due_before][:limit]
        got = wheel.take(limit, due_before).tolist()
        due_of = {slot: due for due, slot in waiting}
        assert [due_of.get(slot) for slot in got] == taken
        waiting = [(due, slot) for due, slot in waiting if slot not in got]
