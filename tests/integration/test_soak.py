"""What a run against hostile servers leaves behind; `python -m tests.bench soak` is the long one."""

CHECKS = 5_000
GROWTH = 8.0  # MB after the first tenth: what caches and the allocator still take


async def test_a_long_run_leaves_nothing_behind(soaking):
    soaked = await soaking(CHECKS)
    assert soaked.checks == CHECKS
    assert len(soaked.outcomes) > 5  # it met more than closed doors
    assert (soaked.descriptors, soaked.tasks, soaked.timers, soaked.connections) == (0, 0, 0, 0)
    assert soaked.complaints == []
    assert soaked.memory_end - soaked.memory_tenth < GROWTH
