"""The command line as a process, and one small proving ground for all tests that check something."""

import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from eagleray.cluster.cli.failures import VARIABLE
from eagleray.cluster.proving_ground import Ready, started
from tests.bench.soak import Soaked, soak
from tests.hostile import BEHAVIOURS, Behaviour, Hostile, serving

LIMIT = 60.0  # seconds for one command on a busy machine


@pytest.fixture(scope="session")
def ground() -> Iterator[Ready]:
    with started(endpoints=60, seed=7) as ready:
        yield ready


@pytest.fixture(scope="session")
def hostile() -> Iterator[Hostile]:
    """The hostile servers, all of them."""
    with serving() as servers:
        yield servers


@pytest.fixture(scope="session", params=BEHAVIOURS.values(), ids=BEHAVIOURS)
def behaviour(request: pytest.FixtureRequest) -> Behaviour:
    """One hostile server after the other."""
    return request.param


@pytest.fixture
def soaking(hostile: Hostile) -> Callable[[int], Awaitable[Soaked]]:
    """`await soaking(checks)`: a soak in the hostile servers."""
    return partial(soak, hostile)


class CommandLine:
    """Runs `eagleray` in a directory of its own, as a program does: all streams are pipes."""

    def __init__(self, directory: Path) -> None:
        self.options: dict[str, Any] = {
            "cwd": directory,
            "env": {name: value for name, value in os.environ.items() if not name.startswith("EAGLERAY")}
            # Where no nameserver answers, that is soon known; and no bug hides behind a sentence.
            | {"RES_OPTIONS": "timeout:1 attempts:1", VARIABLE: "1"},
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
        }

    def __call__(self, *words: object, **options: Any) -> subprocess.CompletedProcess[str]:
        """The result of a command line, without a traceback."""
        return self.python("-m", "eagleray", *words, **options)

    def python(self, *words: object, **options: Any) -> subprocess.CompletedProcess[str]:
        """The result of Python's command line."""
        command = [sys.executable, *map(str, words)]
        result = subprocess.run(command, text=True, timeout=LIMIT, **(self.options | options))
        assert "Traceback" not in (result.stderr or "")
        return result

    @contextmanager
    def running(self, *words: object, **options: Any) -> Iterator[subprocess.Popen[str]]:
        """A command that runs while the context lasts."""
        command = [sys.executable, "-m", "eagleray", *map(str, words)]
        with subprocess.Popen(command, text=True, **(self.options | options)) as process:
            try:
                yield process
            finally:
                process.kill()


@pytest.fixture
def eagleray(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path)
