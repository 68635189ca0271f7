"""Processes that a test has started, and all that those started: found by a mark in their environment."""

import os
import secrets
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

PATIENCE = 60.0  # seconds until something must have happened, on however slow a machine


class Marked:
    """A mark for one command; `environment` is what to start it with."""

    def __init__(self) -> None:
        self._entry = f"_TEST_MARK={secrets.token_hex(16)}"
        name, value = self._entry.split("=")
        self.environment = {**os.environ, name: value}

    def processes(self) -> dict[int, str]:
        """The command lines of those that run, by PID. Zombies have no environment, so they do not count."""
        found = {}
        for path in Path("/proc").glob("[1-9]*"):
            with suppress(OSError):
                if self._entry.encode() in (path / "environ").read_bytes():
                    found[int(path.name)] = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        return found

    def shared_memory(self) -> set[Path]:
        """Files in /dev/shm that one of them has mapped."""
        found: set[Path] = set()
        for pid in self.processes():
            with suppress(OSError):
                lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
                found |= {Path(line.split(maxsplit=5)[5]) for line in lines if " /dev/shm/" in line}
        return {path for path in found if path.exists()}

    def kill(self) -> None:
        """End what is left."""
        for pid in self.processes():
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)

    def seconds_until_gone(self) -> float:
        """How long it takes until none is left."""
        started = time.monotonic()
        wait_until(lambda: not self.processes())
        return time.monotonic() - started


def wait_until(condition: Callable[[], object]) -> None:
    """Wait for what has to come."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.02)
