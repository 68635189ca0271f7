"""Real proxies on loopback, each started from its package, and our judge."""

import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

START_LIMIT = 10.0  # seconds until a server listens


@contextmanager
def process(command: Sequence[str | Path], **options: object) -> Iterator[subprocess.Popen[bytes]]:
    """A process that dies with the context."""
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([str(part) for part in command], **(quiet | options)) as started:  # type: ignore[call-overload]
        try:
            yield started
        finally:
            started.kill()


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def wait_for_listener(port: int) -> None:
    deadline = time.monotonic() + START_LIMIT
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            assert time.monotonic() < deadline, f"nothing listens on port {port}"
            time.sleep(0.02)


@pytest.fixture(scope="session")
def judge() -> Iterator[str]:
    """URL of our judge; below it, `get` answers as httpbin does."""
    command = [sys.executable, "-m", "eagleray", "judge", "--port", "0"]
    with process(command, stdout=subprocess.PIPE) as started:
        assert started.stdout is not None
        yield json.loads(started.stdout.readline())["url"]


Start = Callable[[str, Callable[[int], str], Callable[[Path], Sequence[str | Path]]], int]


@pytest.fixture(scope="session")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Start a server: its binary, its configuration for a port, its arguments; returns the port."""
    with ExitStack() as stack:

        def run(
            binary: str,
            configuration: Callable[[int], str],
            arguments: Callable[[Path], Sequence[str | Path]],
        ) -> int:
            path = shutil.which(binary, path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            if path is None:
                pytest.skip(f"{binary} is not installed: apt-get install {PACKAGE[binary]}")
            port = free_port()
            file = tmp_path_factory.mktemp(binary) / "configuration"
            file.write_text(configuration(port))
            file.parent.chmod(0o755)  # some drop their privileges before they read it
            stack.enter_context(process([path, *arguments(file)], cwd="/"))
            wait_for_listener(port)
            return port

        yield run


PACKAGE = {
    "squid": "squid",
    "tinyproxy": "tinyproxy",
    "microsocks": "microsocks",
    "danted": "dante-server",
}
