"""Ends what a local Ray leaves behind; where its driver was killed, this module as a process does it.

Where its driver is killed, Ray's agents stay for a minute or more; where its raylet is, all the others do.
All of them inherit a variable of the environment, by which they are found.
"""

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

VARIABLE = "_EAGLERAY_RUN"  # what begins with EAGLERAY_ are settings
KILL_LIMIT = 5.0  # seconds until all are gone; they need some milliseconds
PAUSE = 0.02  # seconds between looks: one that was just starting another has done so


@contextmanager
def reaping() -> Iterator[None]:
    """Leave nothing running that is started meanwhile, however the context or this process ends."""
    mark = secrets.token_hex(16)
    command = [sys.executable, "-m", "eagleray.cluster.reaper", mark]
    # A session of its own: what a terminal sends to all its processes is not for this one.
    pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL
    with subprocess.Popen(  # noqa: S603 - our own
        command, stdin=pipe, stdout=nowhere, stderr=nowhere, start_new_session=True
    ) as reaper:
        os.environ[VARIABLE] = mark
        try:
            yield
        finally:
            del os.environ[VARIABLE]
            kill(mark)
            reaper.kill()


def kill(mark: str) -> None:
    """Kill every process with the mark, but this one."""
    deadline = time.monotonic() + KILL_LIMIT
    while (found := marked(mark)) and time.monotonic() < deadline:
        for pid in found:
            with suppress(OSError):  # it has ended meanwhile
                os.kill(pid, signal.SIGKILL)
        time.sleep(PAUSE)


def marked(mark: str) -> list[int]:
    """The processes that were started with the mark in their environment."""
    found, entry = [], f"{VARIABLE}={mark}".encode()
    for path in Path("/proc").glob("[1-9]*"):
        with suppress(OSError):  # it has ended, or is another user's
            if entry in (path / "environ").read_bytes():
                found.append(int(path.name))
    return [pid for pid in found if pid != os.getpid()]


if __name__ == "__main__":
    sys.stdin.buffer.read()  # until the driver has ended, or its context
    kill(sys.argv[1])
