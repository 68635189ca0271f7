"""When to check an endpoint again: the more probably its answer has changed, the sooner."""

from zlib import crc32

import msgspec

from eagleray.pipelines.proxies.packing import State

AGE_SHARE = (
    0.25  # of the age: with a hazard that falls as 1 / age, the same risk of serving a dead one at any age
)
JITTER = 0.1  # either way
MOST_DOUBLINGS = 30  # beyond every `dead_max` that makes sense, and far from an overflow


class ScheduleRules(msgspec.Struct, frozen=True):
    """Bounds of the intervals between checks, in seconds, before jitter."""

    alive_min: float = 300.0
    alive_max: float = 3_000.0  # with jitter below the hour for which `tables.FRESH` vouches
    dead_min: float = 1_800.0
    dead_max: float = 7 * 86_400.0


def next_due(state: State, key: bytes, now: float, rules: ScheduleRules) -> float:
    """When the endpoint that was checked at `now` is due again (both Unix seconds).

    `key` tells the endpoint from others: jitter by it and by the number of checks keeps those that were
    listed together from being checked together.
    """
    spread = crc32(key, state.checks) / 2**31 - 1  # -1..1
    return now + interval(state, now, rules) * (1 + JITTER * spread)


def interval(state: State, now: float, rules: ScheduleRules) -> float:
    """Seconds to the next check.

    Alive: a share of the age since the first success, for 85 % of those that drop off do so within an hour of
    it, while old survivors live long. Dead: doubled with every failure in a row.
    """
    if not state.failures_in_row:
        return min(max(AGE_SHARE * (now - state.first_ok), rules.alive_min), rules.alive_max)
    doublings = min(state.failures_in_row - 1, MOST_DOUBLINGS)
    return min(rules.dead_min * 2.0**doublings, rules.dead_max)
