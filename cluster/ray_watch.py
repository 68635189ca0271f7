"""Notices when Ray is gone: calls would wait for minutes, and then end in lines that are not for users."""

import asyncio
import errno
from collections.abc import Coroutine
from typing import Any, NamedTuple, TypeVar

import ray
from ray.exceptions import RayError

T = TypeVar("T")

# A client's first words to an HTTP/2 server, as gRPC's are: preface, empty SETTINGS (RFC 9113 section 3.4).
# It answers with its own SETTINGS as soon as a thread of its process runs; one that is frozen does not.
GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
ROUND = 2.0  # seconds for an answer, and from one greeting to the next
ROUNDS = 4  # without an answer until Ray counts as gone; time itself jumps where a machine was asleep

# What this process or machine lacks says nothing about Ray.
OWN_LACK = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EADDRNOTAVAIL}


class RayLost(Exception):
    """Raised when a part of Ray that every call needs does not answer any more."""


class Part(NamedTuple):
    """A process of Ray that the driver can't do without."""

    name: str
    host: str
    port: int


def vital_parts(address: str | None) -> list[Part]:
    """What a driver that has joined the cluster at `address` depends on."""
    if address and address.startswith("ray://"):
        host, _, port = address.removeprefix("ray://").rpartition(":")
        return [Part("its client server", host, int(port))]
    context = ray.get_runtime_context()
    host, _, port = context.gcs_address.rpartition(":")
    here = next(node for node in ray.nodes() if node["NodeID"] == context.get_node_id())  # type: ignore[no-untyped-call]
    return [
        Part("the raylet of this machine", here["NodeManagerAddress"], here["NodeManagerPort"]),
        Part("its head (the GCS)", host.strip("[]"), int(port)),
    ]


async def unless_lost(parts: list[Part], work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which is cancelled where Ray is lost.

    Raises:
        RayLost: it is.
    """
    working = asyncio.create_task(work)
    watching = [asyncio.create_task(silence(part)) for part in parts]
    try:
        await asyncio.wait((working, *watching), return_when=asyncio.FIRST_COMPLETED)
        for watch in watching:
            if watch.done() and not working.done():
                working.cancel()
                await asyncio.wait([working])
                raise watch.result()
        return await blaming_ray(working, parts)
    finally:
        for task in (working, *watching):
            task.cancel()


async def blaming_ray(working: "asyncio.Task[T]", parts: list[Part]) -> T:
    """The result; a call that failed while a part of Ray is silent has failed for that."""
    try:
        return await working
    except RayError as error:
        for part in parts:
            if not await answers(part):
                raise lost(part) from error
        raise


async def silence(part: Part) -> RayLost:
    """Wait until a part has not answered for `ROUNDS` rounds."""
    missed = 0
    while missed < ROUNDS:
        answer, _ = await asyncio.gather(answers(part), asyncio.sleep(ROUND))
        missed = 0 if answer else missed + 1
    return lost(part)


def lost(part: Part) -> RayLost:
    """The sentence."""
    return RayLost(f"Ray is lost: {part.name} at {part.host}:{part.port} does not answer")


async def answers(part: Part) -> bool:
    """True if somebody is at work there, or if it can't be told here."""
    try:
        async with asyncio.timeout(ROUND):
            reader, writer = await asyncio.open_connection(part.host, part.port)
            try:
                writer.write(GREETING)
                await reader.read(1)
            finally:
                writer.close()
    except OSError as error:
        return error.errno in OWN_LACK
    return True
