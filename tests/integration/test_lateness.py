"""An event loop that is late is no proxy's fault: neither its times nor its verdict show it.

The server answers while the event loop stands still, and the loop goes on `LATE` seconds later. So what is
compared is what came before what, however slow this machine is.
"""

import asyncio
import socket
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial

import pytest

from eagleray.actors.net import engine as engine_module
from eagleray.actors.net.connection import ANCILLARY, SO_TIMESTAMPNS, TIMESPEC
from eagleray.actors.net.direct import Direct
from eagleray.actors.net.engine import Engine
from eagleray.pipelines import concurrency
from eagleray.pipelines.addresses import Allowed
from eagleray.pipelines.proxies.outcome import Outcome
from eagleray.pipelines.proxies.protocols import http1

LATE = 0.5  # seconds for which the event loop does not run
GUARD = 20.0  # seconds: a hang is a failure
TIMEOUT = 2.0  # seconds for an answer


class Server:
    """A thread that answers once all of some requests have come, whatever the event loop does.

    It has the loop stand still first, and go on only `LATE` seconds after the answers have left, and not
    before the time that `until` says.
    """

    def __init__(self, requests: int = 1, size: int = 2) -> None:
        self.until: Callable[[], float] = time.monotonic
        self._requests = requests
        self._answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + size * b"x"
        self._standing, self._answered = threading.Event(), threading.Event()
        self._loop = asyncio.get_running_loop()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> "Server":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self._thread.join(GUARD)

    def _serve(self) -> None:
        with ExitStack() as stack:
            stack.callback(self._answered.set)
            accepted = [stack.enter_context(self._listener.accept()[0]) for _ in range(self._requests)]
            for connection in accepted:
                connection.settimeout(GUARD)
                connection.recv(1024)
            self._loop.call_soon_threadsafe(self._stand_still)
            self._standing.wait(GUARD)
            self.answers_at = time.monotonic()
            for connection in accepted:
                connection.sendall(self._answer)
            self._answered.set()
            for connection in accepted:
                with suppress(ConnectionResetError):  # as the engine likes to end connections
                    connection.recv(1024)

    def _stand_still(self) -> None:
        self._standing.set()
        self._answered.wait(GUARD)
        time.sleep(max(LATE, self.until() - time.monotonic()))
        self.goes_on_at = time.monotonic()


@pytest.fixture(autouse=True)
def _kernel_notes_arrivals():
    """It begins a while after the first socket asks for it, and ends with the last: keep one, and wait."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(GUARD)
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        while not arrival_is_noted(sock):
            pass  # the test's time limit bounds it
        yield


def arrival_is_noted(sock):
    sock.sendto(b"x", sock.getsockname())
    sent_at = time.time()
    time.sleep(0.01)
    [(_, _, stamp)] = sock.recvmsg(1, ANCILLARY)[1]
    seconds, nanoseconds = TIMESPEC.unpack(stamp)
    return seconds + nanoseconds * 1e-9 < sent_at + 0.005  # else it is the time of reading


@pytest.fixture
async def engine():
    engine = Engine(Allowed(["127.0.0.0/8"]), 10)
    yield engine
    engine.close()


def asking(port, timeout=GUARD):
    def begin(stream):
        return http1.read_answer(stream, b"GET / HTTP/1.1\r\n\r\n")

    return Direct("127.0.0.1", port, connect_timeout=GUARD, timeout=timeout, begin=begin)


@pytest.mark.parametrize("size", [2, 50_000], ids=["in one piece", "in several"])
async def test_times_are_the_kernels(engine, size):
    with Server(size=size) as server:
        request = asking(server.port)
        await request.run(engine)
    assert request.outcome is Outcome.OK
    assert request.late > LATE * 0.9
    assert server.answers_at - LATE / 2 < request.first_byte_at < server.goes_on_at
    assert request.first_byte_at <= request.ended_at < server.goes_on_at


async def test_a_handshake_that_was_noticed_late_took_no_longer(engine):
    def late_once(request):
        """Keep the event loop from running right after the SYN has left."""
        if request.opened_at and request.connected_at is None:
            time.sleep(LATE)

    with Server() as server:
        request = asking(server.port)
        engine.on_short_line = partial(late_once, request)
        await request.run(engine)
    assert request.connected_at - request.opened_at < LATE
    assert request.first_byte_at < server.answers_at  # as if it had been sent when it could have been


async def test_what_came_in_time_is_read_although_its_time_is_over(engine, monkeypatch):
    monkeypatch.setattr(engine_module, "EVENTS_A_TURN", 1)  # so that not all of it is read in one turn
    with Server(requests=5) as server:
        requests = [asking(server.port, TIMEOUT) for _ in range(5)]
        server.until = lambda: max(request.deadline for request in requests) + LATE
        await asyncio.gather(*(request.run(engine) for request in requests))
    assert [request.outcome for request in requests] == [Outcome.OK] * 5


async def test_the_limit_gives_way_to_lateness_and_comes_back(engine, monkeypatch):
    monkeypatch.setattr(concurrency, "SETTLE", 0.0)
    engine.concurrency = concurrency.Concurrency(1000, time.monotonic())
    with Server() as server, socket.create_server(("127.0.0.1", 0)) as silent:
        waiting = asking(silent.getsockname()[1])
        engine.run(waiting)
        await asking(server.port).run(engine)
        await until(lambda: engine.concurrency.reason)
        assert engine.limit < 1000
        assert "event loop" in engine.concurrency.reason
        await until(lambda: engine.limit == 1000)


async def until(condition):
    async with asyncio.timeout(GUARD):
        while not condition():  # noqa: ASYNC110 (what it waits for has no event)
            await asyncio.sleep(0)
