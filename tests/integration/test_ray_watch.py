"""When Ray counts as lost. Nothing here starts Ray: any HTTP/2 server answers as its parts do."""

import asyncio
import errno
import socket
from contextlib import closing

import pytest
from ray.exceptions import RayError

from eagleray.cluster import ray_watch
from eagleray.cluster.ray_watch import Part, RayLost, answers, unless_lost


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(ray_watch, "ROUND", 0.2)


def part_at(sock):
    return Part("a part", *sock.getsockname())


@pytest.fixture
async def alive():
    """A part that answers the greeting."""

    async def greet(reader, writer):
        if await reader.readexactly(len(ray_watch.GREETING)) == ray_watch.GREETING:
            writer.write(b"settings")
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        yield part_at(server.sockets[0])


@pytest.fixture
def frozen():
    """A part whose process takes connections no more; the kernel still does."""
    with closing(socket.create_server(("127.0.0.1", 0))) as sock:
        yield part_at(sock)


@pytest.fixture
def gone():
    """A part that has ended."""
    with closing(socket.socket()) as sock:
        sock.bind(("127.0.0.1", 0))  # nobody else gets the port
        yield part_at(sock)


async def test_work_ends_as_it_would(alive):
    assert await unless_lost([alive], asyncio.sleep(2.0, "done")) == "done"


@pytest.mark.parametrize("name", ["frozen", "gone"])
async def test_lost(name, alive, request):
    part, cancelled = request.getfixturevalue(name), asyncio.Event()

    async def work():
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    with pytest.raises(RayLost, match=f"Ray is lost: a part at 127.0.0.1:{part.port} does not answer"):
        await unless_lost([alive, part], work())
    assert cancelled.is_set()


async def fail():
    raise RayError("an actor has died")


async def test_what_fails_without_ray_has_failed_for_that(gone):
    with pytest.raises(RayLost):
        await unless_lost([gone], fail())


async def test_what_fails_beside_ray_is_told(alive):
    with pytest.raises(RayError, match="an actor has died"):
        await unless_lost([alive], fail())


async def test_one_that_is_slow_is_not_lost(monkeypatch):
    """It answers every third greeting."""
    turns = iter(range(1000))

    async def answer(_part):
        return next(turns) % 3 == 2

    monkeypatch.setattr(ray_watch, "answers", answer)
    assert await unless_lost([Part("slow", "", 0)], asyncio.sleep(2.4, "done")) == "done"


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS])
async def test_what_this_machine_lacks_is_no_word_on_ray(number, monkeypatch):
    async def lack(*_):
        raise OSError(number, "")

    monkeypatch.setattr(asyncio, "open_connection", lack)
    assert await answers(Part("any", "127.0.0.1", 1))
