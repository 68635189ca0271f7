"""The real proxies of servers.py on loopback, each started once; our judge; and aiohttp-socks beside us."""

import asyncio
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import aiohttp
import pytest
from aiohttp_socks import ProxyConnector, ProxyError

from tests.contract.servers import SERVERS, Command, Missing, Place, found, free_port

ORACLE_LIMIT = aiohttp.ClientTimeout(total=5.0)  # seconds: asked in a wrong protocol, servers may wait on
START_LIMIT = 20.0  # seconds until a server listens: all of them start at once


@contextmanager
def process(command: Command, **options: object) -> Iterator[subprocess.Popen[bytes]]:
    """A process that dies with the context, and all that it has started with it."""
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    words = [found(str(command[0])), *map(str, command[1:])]
    with subprocess.Popen(words, start_new_session=True, **(quiet | options)) as started:  # type: ignore[call-overload]
        try:
            yield started
        finally:
            with suppress(ProcessLookupError):  # it has ended by itself, which its rows will say
                os.killpg(started.pid, signal.SIGKILL)


def wait_for_listener(place: Place, started: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_LIMIT
    while True:
        try:
            socket.create_connection((place.host, place.port), timeout=1).close()
            return
        except OSError as error:
            if started.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{started.args} does not listen: {started.returncode}") from error
            time.sleep(0.02)


@pytest.fixture(scope="session")
def judge() -> Iterator[str]:
    """URL of our judge; below it, `get` answers as httpbin does."""
    command = [sys.executable, "-m", "eagleray", "judge", "--port", "0"]
    with process(command, stdout=subprocess.PIPE) as started:
        assert started.stdout is not None
        yield json.loads(started.stdout.readline())["url"]


def place_for(name: str, directory: Path) -> Place:
    host = "::1" if name.endswith("::1") else "127.0.0.1"
    try:
        port = free_port(host)
    except OSError as error:
        raise Missing(f"no {host} on this machine") from error
    directory.mkdir()
    return Place(host, port, directory)


Servers = Mapping[str, Place | Missing | RuntimeError]


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """Where each server listens, or why it does not: all are started at once."""
    places: dict[str, Place | Missing | RuntimeError] = {}
    with ExitStack() as stack:
        top = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="eagleray-contract-")))
        top.chmod(0o755)  # some drop their privileges before they read
        starting: dict[str, subprocess.Popen[bytes]] = {}
        for number, (name, server) in enumerate(SERVERS.items()):
            try:
                places[name] = place = place_for(name, top / str(number))
                starting[name] = stack.enter_context(process(server(place), cwd=top))
            except Missing as reason:
                places[name] = reason
        for name, started in starting.items():
            try:
                wait_for_listener(places[name], started)
            except RuntimeError as failure:  # its own rows fail by it
                places[name] = failure
        yield places


Oracle = Callable[[str, str, str], Awaitable[bool]]


@pytest.fixture(scope="session")
def oracle() -> Oracle:
    """Whether aiohttp-socks reaches a judge's `/get` by a protocol through `[user:password@]host:port`."""

    async def works(protocol: str, authority: str, url: str) -> bool:
        nonce = secrets.token_hex(8)
        scheme = "http" if protocol == "https" else protocol
        connector = None if protocol == "http" else ProxyConnector.from_url(f"{scheme}://{authority}")
        proxy = f"http://{authority}" if protocol == "http" else None
        try:
            async with (
                aiohttp.ClientSession(connector=connector, timeout=ORACLE_LIMIT) as session,
                session.get(f"{url}?n={nonce}", proxy=proxy, allow_redirects=False) as answer,
            ):
                return answer.status == 200 and nonce in (await answer.json(content_type=None))["url"]
        except (aiohttp.ClientError, ProxyError, OSError, ValueError, asyncio.IncompleteReadError):
            return False

    return works
