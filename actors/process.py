"""What a process of ours needs of its interpreter and its system, and what it ends with."""

import ctypes
import gc
import multiprocessing
import os
import resource
import signal
import sys
import threading
import time

YOUNG_OBJECTS = 50_000  # allocations between collections; Python's own 700 suit small programs
PR_SET_PDEATHSIG = 1  # linux/prctl.h
LOOK_EVERY = 0.5  # seconds between looks at who the parent is


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


def end_with_parent() -> None:
    """Let the kernel kill this process, which was forked just now, when its parent ends, however that comes.

    A pipe's end would not do: a process that is busy or stopped does not read it, and every process forked
    later holds it open. The signal comes when the *thread* that forked ends, so that must be the main one.
    """
    parent = multiprocessing.parent_process()
    if sys.platform != "linux" or parent is None:
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent.pid:  # it ended before the kernel was asked
        os._exit(1)


def end_when_orphaned() -> None:
    """End this process at once when the one that started it has ended.

    For a process of which nobody says which thread of the parent forked it, or whether that one lives on.
    """
    parent = os.getppid()

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(LOOK_EVERY)
        os._exit(1)

    threading.Thread(target=look, daemon=True).start()
