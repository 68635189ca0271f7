"""An event loop that is late is no proxy's fault: neither its times nor its verdict show it."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial

import pytest

from eagleray.actors.net.direct import Direct
from eagleray.actors.net.engine import Engine
from eagleray.pipelines.addresses import Allowed
from eagleray.pipelines.proxies.outcome import Outcome
from eagleray.pipelines.proxies.protocols import http1

DELAY = 0.1  # seconds until the server answers
LATE = 0.5  # seconds for which the event loop does not run
CLOSE_ENOUGH = 0.05


@pytest.fixture(params=[2, 50_000], ids=["in one piece", "in several"])
def port(request) -> Iterator[int]:
    """A server in a thread of its own: it answers a request after `DELAY`, whatever this test's loop does."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % request.param + request.param * b"x"
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1024)
                time.sleep(DELAY)
                connection.sendall(answer)
                with suppress(ConnectionResetError):  # as it likes to end connections
                    connection.recv(1024)

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]


@pytest.fixture
async def engine():
    engine = Engine(Allowed(["127.0.0.0/8"]), 10)
    yield engine
    engine.close()


def late_once(request):
    """Keep the event loop from running right after the SYN has left."""
    if request.opened_at and request.connected_at is None:
        time.sleep(LATE)


def ask(stream):
    return http1.read_answer(stream, b"GET / HTTP/1.1\r\n\r\n")


async def test_times_are_the_kernels(engine, port):
    request = Direct("127.0.0.1", port, connect_timeout=2.0, timeout=2.0, begin=ask)
    asyncio.get_running_loop().call_later(DELAY / 2, time.sleep, LATE)
    await request.run(engine)
    assert request.outcome is Outcome.OK
    assert request.late > LATE - DELAY - CLOSE_ENOUGH
    assert abs(request.first_byte_at - request.opened_at - DELAY) < CLOSE_ENOUGH
    assert abs(request.ended_at - request.opened_at - DELAY) < CLOSE_ENOUGH


async def test_a_handshake_that_was_noticed_late_took_no_longer(engine, port):
    request = Direct("127.0.0.1", port, connect_timeout=2.0, timeout=2.0, begin=ask)
    engine.on_short_line = partial(late_once, request)
    await request.run(engine)
    assert request.connected_at - request.opened_at < CLOSE_ENOUGH
    assert abs(request.first_byte_at - request.opened_at - DELAY) < CLOSE_ENOUGH


async def test_what_came_in_time_is_read_although_its_time_is_over(engine, port):
    request = Direct("127.0.0.1", port, connect_timeout=2.0, timeout=DELAY * 2, begin=ask)
    asyncio.get_running_loop().call_later(DELAY / 2, time.sleep, LATE)
    await request.run(engine)
    assert request.outcome is Outcome.OK


async def test_the_limit_gives_way_to_lateness_and_comes_back(engine):
    most = engine.limit
    engine.concurrency.felt(LATE, 5, time.monotonic() + 10)
    assert engine.limit <= most
    assert "event loop" in engine.concurrency.reason
