"""The epoll engine: thousands of sans-IO exchanges over TCP inside one event loop.

An edge-triggered epoll of its own hangs in the loop as one reader, one timer wheel holds every deadline: a
connection costs no task, no transport and no timer handle. A connection that is made sends and receives for
its exchange until that returns or fails; the owner hears of it by `on_end`.
"""

import asyncio
import errno
import select
import socket
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from eagleray.actors.net.dial import DialFailed, dial, failed
from eagleray.actors.net.wheel import TICK, TimerWheel
from eagleray.pipelines.addresses import Allowed
from eagleray.pipelines.proxies.outcome import Outcome
from eagleray.pipelines.proxies.protocols.exchange import Exchange, ProbeFailed, Stream

EVENTS = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET
BROKEN = select.EPOLLERR | select.EPOLLHUP
ENDING = select.EPOLLRDHUP | select.EPOLLHUP
RECEIVE = 8192  # bytes a recv: an honest answer fits
EVENTS_A_TURN = 256  # the loop gets to run between turns, so its lag stays in milliseconds
STARTS_A_TURN = 64
STARTS_A_SECOND = 8_000  # an unpaced burst of SYNs inflates every connect time measured meanwhile
BURST = 0.05  # seconds of starts that may be made up for

clock = time.monotonic


class Connection:
    """One exchange over one TCP connection: what to do before, what came of it after.

    Times are of `clock`, in seconds. `outcome` is OK where the exchange returned `value`.
    """

    __slots__ = (
        "connect_timeout",
        "connected_at",
        "deadline",
        "detail",
        "ended_at",
        "exchange",
        "host",
        "on_end",
        "on_silence",
        "opened_at",
        "outcome",
        "port",
        "silence",
        "sock",
        "stream",
        "timeout",
        "unsent",
        "value",
    )

    def __init__(
        self,
        host: str,
        port: int,
        stream: Stream,
        exchange: Exchange[Any],
        on_end: Callable[["Connection"], None],
        *,
        connect_timeout: float,
        timeout: float,
        silence: float | None = None,
        on_silence: Callable[[], None] | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self.stream = stream
        self.exchange = exchange
        self.on_end = on_end
        self.connect_timeout = connect_timeout  # seconds to the end of the TCP handshake
        self.timeout = timeout  # seconds from there to the end of the exchange
        self.silence = silence  # seconds without a byte after which `on_silence` is called; None: heard
        self.on_silence = on_silence
        self.sock: socket.socket | None = None
        self.unsent = b""
        self.deadline = self.opened_at = 0.0
        self.connected_at: float | None = None
        self.ended_at = 0.0
        self.outcome: Outcome | None = None
        self.detail = ""
        self.value: Any = None

    def release(self) -> None:
        """Let go of everything large: the wheel keeps the connection itself until its deadline is past."""
        del self.stream, self.exchange, self.on_end


class Engine:
    """Runs connections, at most `limit` at a time, in the running event loop; `close` ends them all."""

    def __init__(self, allowed: Allowed, limit: int) -> None:
        self._allowed = allowed
        self._limit = limit
        self._epoll = select.epoll()
        self._open: dict[int, Connection] = {}
        self._waiting: deque[Connection] = deque()
        now = clock()
        self._deadlines: TimerWheel[Connection] = TimerWheel(now)
        self._timers: TimerWheel[Callable[[], None]] = TimerWheel(now)
        self._allowance, self._allowed_at = 0.0, now
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._epoll.fileno(), self._on_ready)
        self._ticker: asyncio.TimerHandle | None = None
        self.lag = 0.0  # the latest tick's lateness, seconds

    @property
    def load(self) -> int:
        """Connections open or waiting to be."""
        return len(self._open) + len(self._waiting)

    @property
    def limit(self) -> int:
        """Connections open at a time, at most."""
        return self._limit

    def run(self, connection: Connection) -> None:
        """Take a connection; it is opened as soon as limit and pace allow."""
        self._waiting.append(connection)
        self._arm()

    def later(self, delay: float, action: Callable[[], None]) -> None:
        """Call `action` after `delay` seconds."""
        self._timers.add(clock() + delay, action)
        self._arm()

    def drop(self, connection: Connection) -> None:
        """End a connection whose result nobody wants any more; `on_end` is not called."""
        connection.on_end = ignore
        if connection.sock is not None:
            self._end(connection, Outcome.CLOSED, "dropped")

    def close(self) -> None:
        """Close every connection without a call-back, and leave the loop."""
        if self._ticker is not None:
            self._ticker.cancel()
        self._loop.remove_reader(self._epoll.fileno())
        self._epoll.close()
        self._waiting.clear()
        for connection in self._open.values():
            if connection.sock is not None:
                connection.sock.close()
        self._open.clear()

    # Starting

    def _start(self) -> None:
        """Open waiting connections as limit and pace allow."""
        now = clock()
        earned = (now - self._allowed_at) * STARTS_A_SECOND
        self._allowance, self._allowed_at = min(self._allowance + earned, BURST * STARTS_A_SECOND), now
        for _ in range(STARTS_A_TURN):
            if not self._waiting or self._allowance < 1 or len(self._open) >= self._limit:
                return
            self._allowance -= 1
            if not self._begin(self._waiting.popleft()):
                return

    def _begin(self, connection: Connection) -> bool:
        """Open a connection; False where this machine is short of something and it has to wait."""
        if connection.on_end is ignore:
            return True
        connection.opened_at = clock()
        try:
            sock = dial(connection.host, connection.port, self._allowed)
        except DialFailed as failure:
            if failure.shortage and self._open:
                self._waiting.appendleft(connection)
                return False
            self._end(connection, failure.outcome, failure.detail)
            return True
        connection.sock = sock
        self._open[sock.fileno()] = connection
        self._epoll.register(sock.fileno(), EVENTS)
        self._expire_at(connection, connection.opened_at + connection.connect_timeout)
        return True

    # Moving bytes

    def _on_ready(self) -> None:
        for fd, events in self._epoll.poll(0, EVENTS_A_TURN):
            if connection := self._open.get(fd):
                self._on_event(connection, events)
        self._start()

    def _on_event(self, connection: Connection, events: int) -> None:
        if connection.connected_at is None and not self._on_connect(connection, events):
            return
        if connection.unsent and events & select.EPOLLOUT and not self._send(connection, b""):
            return
        if events & (select.EPOLLIN | ENDING | select.EPOLLERR):
            self._receive(connection, bool(events & (ENDING | select.EPOLLERR)))

    def _on_connect(self, connection: Connection, events: int) -> bool:
        """The TCP handshake is over: begin the exchange; False where there is none."""
        assert connection.sock is not None
        if events & BROKEN:
            code = connection.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            failure = failed(code or errno.ECONNRESET)
            self._end(connection, failure.outcome, failure.detail)
            return False
        if not events & select.EPOLLOUT:
            return False
        if ":" in connection.host:
            connection.stream.local = connection.sock.getsockname()[0].partition("%")[0]
        now = connection.connected_at = connection.stream.now = clock()
        patience = connection.timeout if connection.silence is None else connection.silence
        self._expire_at(connection, now + min(patience, connection.timeout))
        return self._advance(connection, None, first=True)

    def _receive(self, connection: Connection, ending: bool) -> None:
        """Read until nothing is left: the edge that told of it comes only once."""
        while connection.sock is not None:
            try:
                chunk = connection.sock.recv(RECEIVE)
            except BlockingIOError:
                return
            except OSError as error:
                self._end(connection, Outcome.RESET, errno.errorcode.get(error.errno or 0, ""))
                return
            connection.stream.now = clock()
            connection.silence = None
            if not self._advance(connection, chunk or None):
                return
            if len(chunk) < RECEIVE and not ending:
                return

    def _advance(self, connection: Connection, chunk: bytes | None, first: bool = False) -> bool:
        """Hand a chunk to the exchange and send what it yields; False once it is over."""
        try:
            out = next(connection.exchange) if first else connection.exchange.send(chunk)
        except StopIteration as result:
            connection.value = result.value
            self._end(connection, Outcome.OK, "")
            return False
        except ProbeFailed as failure:
            self._end(connection, failure.outcome, failure.detail)
            return False
        return self._send(connection, out) if out else True

    def _send(self, connection: Connection, data: bytes) -> bool:
        """Send what the socket takes, keep the rest until it is writable; False where it is broken."""
        assert connection.sock is not None
        if connection.unsent:
            data = connection.unsent + data
        try:
            sent = connection.sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._end(connection, Outcome.RESET, errno.errorcode.get(error.errno or 0, ""))
            return False
        connection.unsent = data[sent:] if sent < len(data) else b""
        return True

    # Time

    def _arm(self) -> None:
        if self._ticker is None:
            self._ticker = self._loop.call_later(TICK, self._on_tick, clock() + TICK)

    def _on_tick(self, expected: float) -> None:
        now = clock()
        self.lag = max(0.0, now - expected)
        self._ticker = None
        for connection in self._deadlines.due(now):
            if connection.sock is not None and connection.deadline <= now:
                self._on_deadline(connection, now)
        for action in self._timers.due(now):
            action()
        self._start()
        if self._open or self._waiting or self._timers:
            self._arm()

    def _expire_at(self, connection: Connection, when: float) -> None:
        connection.deadline = when
        self._deadlines.add(when, connection)

    def _on_deadline(self, connection: Connection, now: float) -> None:
        if connection.connected_at is None:
            self._end(connection, Outcome.CONNECT_TIMEOUT, f"no answer in {connection.connect_timeout:g} s")
            return
        last = connection.connected_at + connection.timeout
        if last <= now:
            self._end(connection, Outcome.TIMEOUT, f"answer not whole in {connection.timeout:g} s")
            return
        self._expire_at(connection, last)  # the silence is over, one way or the other
        if connection.silence is not None and connection.on_silence:
            connection.on_silence()

    def _end(self, connection: Connection, outcome: Outcome, detail: str) -> None:
        if connection.sock is not None:
            del self._open[connection.sock.fileno()]
            connection.sock.close()
            connection.sock = None
        connection.exchange.close()
        connection.outcome, connection.detail, connection.ended_at = outcome, detail, clock()
        on_end, connection.on_end, connection.on_silence = connection.on_end, ignore, None
        on_end(connection)
        connection.release()


def ignore(_: Connection) -> None:
    """Nobody wants to know."""
