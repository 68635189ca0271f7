"""The proving ground as a process of its own: how to start it, and what it says when it is ready."""

import asyncio
import select
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import msgspec

from eagleray.cluster.proving_ground.world import Mix, Truth, decode_truth
from eagleray.pipelines.proxies.model import Protocol

START_TIMEOUT = 60.0  # seconds to the ready line: a large world on a busy machine takes some
STOP_TIMEOUT = 10.0  # seconds from SIGTERM to SIGKILL


class GroundError(RuntimeError):
    """Raised when the proving ground does not start; its stderr says why."""


class Source(msgspec.Struct, frozen=True):
    """A list source; `protocols` are what its whole list is said to hold, empty where entries say it."""

    name: str
    url: str
    protocols: tuple[Protocol, ...] = ()


class Ready(msgspec.Struct, frozen=True):
    """The line on stdout when everything listens. Files and servers live as long as the process."""

    judge: str  # URL of a judge of kind eagleray
    httpbin: str  # URL of a judge of kind httpbin
    sources: list[Source]
    tls_target: str  # host:port of a TLS server that the file of certificates vouches for
    ca_file: str  # path of that file, PEM
    stats: str  # URL of the counters
    truth: str  # path of the NDJSON file of `Truth`
    everything: str = msgspec.field(name="list")  # path of a text file, `ip:port` a line, shuffled
    allow: list[str]  # the ranges that a dial guard must allow
    endpoints: int
    alive: int


def command(endpoints: int, seed: int, mix: Mix) -> list[str]:
    """The command line that starts a proving ground which ends with its stdin."""
    options = [f"--endpoints={endpoints}", f"--seed={seed}", f"--mix={mix}", "--exit-with-stdin"]
    return [sys.executable, "-m", "eagleray", "proving-ground", *options]


@contextmanager
def started(endpoints: int = 400, seed: int = 1, mix: Mix = Mix.DEMO) -> Iterator[Ready]:
    """Run a proving ground while the context lasts.

    Raises:
        GroundError: it did not get ready.
    """
    pipe = subprocess.PIPE
    with subprocess.Popen(command(endpoints, seed, mix), stdin=pipe, stdout=pipe) as process:  # noqa: S603 - our own
        assert process.stdout is not None
        try:
            readable, _, _ = select.select([process.stdout], [], [], START_TIMEOUT)
            yield parse_ready(process.stdout.readline() if readable else b"")
        finally:
            process.terminate()
            try:
                process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()


@asynccontextmanager
async def running(endpoints: int = 400, seed: int = 1, mix: Mix = Mix.DEMO) -> AsyncIterator[Ready]:
    """Run a proving ground while the context lasts, without blocking the event loop.

    Raises:
        GroundError: it did not get ready.
    """
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command(endpoints, seed, mix), stdin=pipe, stdout=pipe)
    assert process.stdout is not None
    try:
        yield parse_ready(await asyncio.wait_for(process.stdout.readline(), START_TIMEOUT))
    finally:
        await stop(process)


async def stop(process: asyncio.subprocess.Process) -> None:
    """SIGTERM, and SIGKILL for one that does not heed it."""
    if process.returncode is None:
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_TIMEOUT)
    except TimeoutError:
        process.kill()
        await process.wait()


def parse_ready(line: bytes) -> Ready:
    """The ready line.

    Raises:
        GroundError: it is no such line.
    """
    try:
        return msgspec.json.decode(line, type=Ready)
    except msgspec.DecodeError as error:
        raise GroundError("the proving ground did not get ready") from error


def read_truth(path: str) -> list[Truth]:
    """The truth file of a running proving ground."""
    return decode_truth(Path(path).read_bytes())
