import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eagleray.pipelines import frontier as module
from eagleray.pipelines.charge import UNDECIDED
from eagleray.pipelines.frontier import Frontier
from eagleray.pipelines.leases import NUMBER_BITS, Acks
from eagleray.pipelines.pipeline import Restored

START = 1_700_000_000
SECONDS = 60.0
NEVER = bytes(3)  # the state of what was never settled


def new_frontier(incarnation=START, began=None):
    return Frontier(
        incarnation,
        began=began,
        hint_size=2,
        state_size=3,
        merge=lambda old, new: bytes(a | b for a, b in zip(old, new, strict=True)),
        lease_seconds=SECONDS,
    )


@pytest.fixture
def frontier():
    return new_frontier()


def keys(n, first=0):
    return [b"key %d" % number for number in range(first, first + n)]


def offer(frontier, n, first=0):
    return frontier.offer(keys(n, first), [b"\1\0"] * n)


def lease(frontier, worker="a", incarnation=1, limit=100, now=START, due_before=None):
    return frontier.lease(worker, incarnation, limit, now, now if due_before is None else due_before)


def acks_for(lease, picked=None, state=b"new", due=START + 1000.0, lease_id=None, code=1):
    """Acks of the picked positions of a lease, by default of all."""
    picked = range(len(lease)) if picked is None else picked
    slots = np.frombuffer(lease.slots, "<u4")[list(picked)]
    return Acks(
        lease_ids=np.full(len(slots), lease_id or lease.id, "<u8").tobytes(),
        slots=slots.tobytes(),
        states=state * len(slots),
        due=np.full(len(slots), due, "<f8").tobytes(),
        codes=bytes([code]) * len(slots),
    )


def known(keys, hints, states, due, codes=None, records=None, lease_ids=None):
    """What a store has, by default of work that an earlier run did once."""
    n = len(keys)
    return Restored(keys, hints, states, due, codes or [1] * n, records or [1] * n, lease_ids or [1] * n)


def test_offer_counts_new_keys_and_merges_hints(frontier):
    assert frontier.offer([b"x", b"y", b"x"], [b"\1\0", b"\2\0", b"\4\0"]) == 2
    assert frontier.offer([b"y", b"z"], [b"\0\7", b"\0\0"]) == 1
    assert [(key, hint, state) for _, key, hint, state in lease(frontier).items()] == [
        (b"x", b"\5\0", NEVER),
        (b"y", b"\2\7", NEVER),
        (b"z", b"\0\0", NEVER),
    ]


def test_offer_turns_keys_away_when_full(frontier, monkeypatch):
    monkeypatch.setattr(module, "MAX_KNOWN", 3)
    assert offer(frontier, 5) == 3
    assert frontier.offer([b"key 9", b"key 1"], [b"\2\2", b"\2\2"]) == 0
    assert frontier.stats(START).known == 3
    hints = {key: hint for _, key, hint, _ in lease(frontier).items()}
    assert hints == {b"key 0": b"\1\0", b"key 1": b"\3\2", b"key 2": b"\1\0"}  # who is known gets its hint
    assert frontier.stats(START).turned_away == 3


def test_columns_grow_with_their_content(frontier):
    n = 2 * module.FIRST_CAPACITY + 1
    first = lease(frontier) if offer(frontier, 10) else None
    frontier.ack(acks_for(first, due=START))
    assert offer(frontier, n, first=10) == n
    states = [state for _, _, _, state in lease(frontier, limit=n + 10).items()]
    assert sorted(states) == [NEVER] * n + [b"new"] * 10


def test_a_lease_names_itself(frontier):
    offer(frontier, 5)
    first, second = lease(frontier, limit=3), lease(frontier, limit=3)
    assert [first.id, second.id] == [START << NUMBER_BITS | 1, START << NUMBER_BITS | 2]
    assert (first.fence, first.expires_at, first.keys) == (START, START + SECONDS, keys(3))
    assert second.keys == keys(2, first=3)
    assert first.id < 2**63
    assert lease(frontier) is None


def test_lease_ids_run_out(frontier, monkeypatch):
    monkeypatch.setattr(module, "MAX_NUMBER", 1)
    offer(frontier, 2)
    lease(frontier, limit=1)
    with pytest.raises(module.NumbersUsedUp):
        lease(frontier)
    assert frontier.stats(START).due == 1


@pytest.mark.parametrize(
    ("due", "due_before", "given_out"),
    [
        (START + 10.0, START + 9.9, False),
        (START + 10.0, START + 10.0, True),
        (START + 9.5, START + 9.9, False),
        (START + 9.5, START + 10.0, True),
        (-5.0, 0.0, True),
        (float("nan"), 0.0, True),
        (float("inf"), 2.0**32 - 2, False),
    ],
    ids=["before", "at the second", "rounded up", "never early", "negative", "no number", "infinite"],
)
def test_due_times(frontier, due, due_before, given_out):
    offer(frontier, 1)
    frontier.ack(acks_for(lease(frontier), due=due))
    assert (lease(frontier, due_before=due_before) is not None) is given_out


def test_a_frozen_clock_gives_each_item_out_once(frontier):
    offer(frontier, 3)
    frontier.ack(acks_for(lease(frontier), due=START + 1.0))
    assert lease(frontier, now=START + 500, due_before=START) is None


def test_earliest_first(frontier):
    frontier.restore(known(keys(3), [b"hh"] * 3, [b"sss"] * 3, [START + 5.0, START + 3.0, START + 4.0]))
    offer(frontier, 1, first=3)
    assert lease(frontier, now=START + 9).keys == [b"key 3", b"key 1", b"key 2", b"key 0"]


def test_restore_brings_back_states_and_keeps_what_is_known(frontier):
    frontier.restore(
        known([b"x", b"y", b"x"], [b"h1", b"h2", b"h3"], [b"st1", b"st2", b"st3"], [5.0, 6.0, 1.0])
    )
    frontier.restore(known([b"y", b"z"], [b"h4", b"h5"], [b"st4", b"st5"], [0.0, 9.0]))
    assert frontier.stats(START).next_due == 5.0
    assert [item[1:] for item in lease(frontier).items()] == [
        (b"x", b"h1", b"st1"),
        (b"y", b"h2", b"st2"),
        (b"z", b"h5", b"st5"),
    ]


def test_ack_is_idempotent_and_settles_in_parts(frontier):
    offer(frontier, 5)
    held = lease(frontier)
    part = acks_for(held, [0, 2, 2])
    assert [frontier.ack(part), frontier.ack(part)] == [2, 0]
    assert frontier.stats(START).leases == 1
    assert frontier.ack(acks_for(held)) == 3
    stats = frontier.stats(START)
    assert (stats.acked, stats.leased, stats.leases, stats.due, stats.next_due) == (
        5,
        0,
        0,
        0,
        START + 1000.0,
    )


def test_an_ack_after_the_item_was_leased_anew_changes_nothing(frontier):
    offer(frontier, 1)
    old = lease(frontier)
    frontier.ack(acks_for(old, due=START))
    new = lease(frontier)
    assert new.id > old.id
    assert frontier.ack(acks_for(old, state=b"old")) == 0
    assert frontier.ack(acks_for(new, state=b"yes")) == 1


@pytest.mark.parametrize(
    ("lease_id", "slot"),
    [(1 << NUMBER_BITS | 1, 0), (START << NUMBER_BITS, 0), (0, 0), (START << NUMBER_BITS | 1, 4_000_000_000)],
    ids=["another incarnation", "no number", "zero", "unknown slot"],
)
def test_acks_of_nothing_held(frontier, lease_id, slot):
    offer(frontier, 2)
    lease(frontier, limit=1)
    ids, slots = np.array([lease_id], "<u8").tobytes(), np.array([slot], "<u4").tobytes()
    assert frontier.ack(Acks(ids, slots, b"abc", bytes(8), b"\1")) == 0
    assert frontier.stats(START).leased == 1


@pytest.mark.parametrize(
    "acks",
    [
        Acks(bytes(8), bytes(4), b"abc", b"", b"\1"),
        Acks(bytes(8), bytes(4), b"ab", bytes(8), b"\1"),
        Acks(b"", bytes(4), b"abc", bytes(8), b"\1"),
        Acks(bytes(8), bytes(4), b"abc", bytes(8), b""),
    ],
    ids=["no due time", "short state", "no lease id", "no code"],
)
def test_ragged_acks_are_refused(frontier, acks):
    offer(frontier, 1)
    with pytest.raises(ValueError, match=r"differ in length|reshape"):
        frontier.ack(acks)


def test_no_acks(frontier):
    assert frontier.ack(Acks(b"", b"", b"", b"", b"")) == 0


@pytest.mark.parametrize(
    ("worker", "incarnation", "now", "again"),
    [
        ("b", 1, START + 59, False),
        ("b", 1, START + 60, True),
        ("a", 1, START + 59, False),
        ("a", 2, START + 1, True),
    ],
    ids=["held", "expired", "asks for more", "came back"],
)
def test_redelivery(frontier, worker, incarnation, now, again):
    """A lost lease keeps its id and holds what is not settled; whoever lost it may still ack."""
    offer(frontier, 4)
    held = lease(frontier)
    frontier.ack(acks_for(held, [1]))
    second = lease(frontier, worker, incarnation, now=now, limit=1)
    if not again:
        assert second is None
        return
    assert (second.id, second.keys) == (held.id, [b"key 0", b"key 2", b"key 3"])
    assert second.expires_at == now + SECONDS
    assert frontier.ack(acks_for(held, [0])) == 1
    assert frontier.ack(acks_for(second)) == 2
    assert frontier.stats(START).redelivered == 1


def test_renewal_and_release(frontier):
    offer(frontier, 2)
    kept, returned = lease(frontier, limit=1), lease(frontier, limit=1)
    frontier.renew([kept.id, 5, kept.id + 99], START + 50)
    frontier.release(returned.id)
    frontier.release(returned.id)
    again = lease(frontier, "b", now=START + 100)
    assert (again.id, again.keys) == (returned.id, returned.keys)
    assert lease(frontier, "b", now=START + 100) is None
    assert lease(frontier, "b", now=START + 110).id == kept.id
    stats = frontier.stats(START)
    assert (stats.redelivered, stats.expired) == (2, 1)


def test_work_counts_once_and_by_how_it_ended_last(frontier):
    offer(frontier, 4)
    held = lease(frontier)
    frontier.ack(acks_for(held, [0, 1], due=START, code=1))
    frontier.ack(acks_for(held, [0, 1, 2], code=2))  # of the first two it is told twice
    stats = frontier.stats(START)
    assert (stats.recorded, stats.standing, stats.settled) == (3, {1: 2, 2: 1}, {1: 2, 2: 1})
    frontier.ack(acks_for(lease(frontier), [0], code=2))
    stats = frontier.stats(START)
    assert (stats.recorded, stats.standing, stats.ended) == (4, {1: 1, 2: 2}, {1: 2, 2: 2})


def test_what_has_no_record_leaves_everything_as_it_was(frontier):
    offer(frontier, 2)
    frontier.ack(acks_for(lease(frontier), due=START, code=1))
    frontier.ack(acks_for(lease(frontier), [0], code=UNDECIDED))
    stats = frontier.stats(START)
    assert (stats.recorded, stats.standing, stats.settled) == (2, {1: 2}, {1: 2})
    assert stats.ended == {1: 2, UNDECIDED: 1}


def test_a_new_life_counts_on_from_what_the_store_has():
    """Of three endpoints that an earlier run knew this run has checked one, twice, before it was killed."""
    earlier, ours = START - 50 << NUMBER_BITS | 7, START << NUMBER_BITS | 9
    frontier = new_frontier(START + 30, began=START)
    rows = known(
        keys(3), [b"hh"] * 3, [b"sss"] * 3, [0.0] * 3, [1, 1, 2], [5, 3, 4], [earlier, ours, earlier]
    )
    frontier.restore(rows)
    frontier.restore(rows)  # a page that comes twice
    stats = frontier.stats(START)
    assert (stats.recorded, stats.standing, stats.settled) == (12, {1: 2, 2: 1}, {1: 1})
    frontier.ack(acks_for(lease(frontier), code=2))
    stats = frontier.stats(START)
    assert (stats.recorded, stats.standing, stats.settled) == (15, {2: 3}, {2: 3})


def test_messages_survive_the_wire(frontier):
    offer(frontier, 2)
    held = lease(frontier)
    for message in (held, acks_for(held), frontier.stats(START)):
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(message), type=type(message)) == message


ACTIONS = st.lists(
    st.tuples(st.sampled_from(["offer", "lease", "ack", "release", "restart", "wait"]), st.integers(0, 9)),
    max_size=40,
)


@given(actions=ACTIONS)
def test_nothing_is_lost_and_nothing_is_held_twice(actions):
    """Whatever workers do, every key waits or is held once, and all are settled in the end."""
    frontier, now, incarnation, held = new_frontier(), float(START), 1, []
    for action, number in actions:
        if action == "offer":
            offer(frontier, number, first=5 * number)
        elif action == "lease":
            if given_out := lease(frontier, "a", incarnation, number, now):
                held.append(given_out)
        elif action == "restart":
            incarnation += 1
        elif action == "wait":
            now += 10 * number
        elif held and action == "ack":
            target = held[number % len(held)]
            frontier.ack(acks_for(target, range(min(number % 3, len(target))), due=now + number))
        elif held:
            frontier.release(held.pop(number % len(held)).id)
        stats = frontier.stats(2.0**32)
        assert stats.due + stats.leased == stats.known
    now += 1000
    seen = []
    while given_out := lease(frontier, "b", 1, 3, now):
        seen += given_out.keys
        assert frontier.ack(acks_for(given_out, due=now + 1)) == len(given_out)
    assert len(seen) == len(set(seen)) == frontier.stats(0).known
