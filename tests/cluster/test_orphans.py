"""Whatever ends a command, nothing that it has started outlives it."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from eagleray.cluster.proving_ground import Ready
from tests.processes import PATIENCE, Marked, wait_until

SIGNALS = [signal.SIGKILL, signal.SIGQUIT, signal.SIGHUP]


@pytest.fixture
def marked() -> Iterator[Marked]:
    mark = Marked()
    yield mark
    mark.kill()


@contextmanager
def running(marked: Marked, *words: str, cwd: Path) -> Iterator["subprocess.Popen[str]"]:
    """A command in a process group of its own, so that only it gets the signal."""
    command = [sys.executable, "-m", "eagleray", *words]
    pipe, options = subprocess.PIPE, {"env": marked.environment, "cwd": cwd, "start_new_session": True}
    with subprocess.Popen(command, stdout=pipe, stderr=subprocess.DEVNULL, text=True, **options) as process:
        try:
            yield process
        finally:
            marked.kill()


def end(process: "subprocess.Popen[str]", number: signal.Signals, marked: Marked) -> None:
    """Send the signal; the process ends, and nothing of it is left."""
    memory = marked.shared_memory()
    process.send_signal(number)
    process.wait(PATIENCE)
    print(f"\n{number.name}: nothing left after {marked.seconds_until_gone():.2f} s")
    assert not [path for path in memory if path.exists()]


@pytest.mark.parametrize("number", SIGNALS)
def test_check(number: signal.Signals, ground: Ready, marked: Marked, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(PATIENCE)
        (tmp_path / "list").write_text("127.0.0.1:{1}".format(*silent.getsockname()))
        with Path(ground.everything).open() as file, (tmp_path / "list").open("a") as own:
            own.write("\n" + file.read())
        words = ("list", "--judge", ground.judge, "--allow", "127.0.0.0/8", "--timeout", "300")
        with running(marked, "check", *words, cwd=tmp_path) as process:
            connection, _ = silent.accept()  # it is in the middle of a check that takes five minutes
            with connection:
                workers = set(marked.processes()) - {process.pid}
                assert workers
                if number is signal.SIGKILL:  # one that could not even read the end of a pipe
                    os.kill(min(workers), signal.SIGSTOP)
                end(process, number, marked)


@pytest.mark.parametrize("number", SIGNALS)
def test_proving_ground(number: signal.Signals, marked: Marked, tmp_path: Path) -> None:
    with running(marked, "proving-ground", "--endpoints", "50", cwd=tmp_path) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        workers = set(marked.processes()) - {process.pid}
        assert workers
        if number is signal.SIGKILL:
            os.kill(min(workers), signal.SIGSTOP)
        end(process, number, marked)


@pytest.mark.parametrize("number", SIGNALS)
def test_judge(number: signal.Signals, marked: Marked, tmp_path: Path) -> None:
    with running(marked, "judge", "--port", "0", cwd=tmp_path) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        end(process, number, marked)


def test_demo(marked: Marked, tmp_path: Path) -> None:
    """The proving ground, Ray, and the actors; where a driver is killed, Ray itself leaves its agents."""
    with running(marked, "demo", "--endpoints", "100", cwd=tmp_path) as process:
        wait_until(lambda: actors(marked) >= {"Checker", "Collector", "Frontier", "Scorer", "Sink"})
        end(process, signal.SIGKILL, marked)


def actors(marked: Marked) -> set[str]:
    """The classes of the actors that run."""
    titles = [title for title in marked.processes().values() if title.startswith("ray::")]
    return {title.split("::")[1].split(":")[-1].split(".")[0].strip() for title in titles}
