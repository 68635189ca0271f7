"""What a process that checks needs of its interpreter and its system."""

import gc
import resource
import sys

YOUNG_OBJECTS = 50_000  # allocations between collections; Python's own 700 suit small programs


def collect_garbage_rarely() -> None:
    """Leave what exists now out of every collection, and collect seldom.

    Checks in flight are many small objects that live for seconds and die without cycles: looking through them
    again and again costs a fifth of all user time and frees nothing.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 20, 20)


def raise_descriptor_limit() -> int:
    """Raise the soft limit on open descriptors to the hard one, and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return sys.maxsize if hard == resource.RLIM_INFINITY else hard
