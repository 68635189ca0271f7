"""The epoll engine: thousands of sans-IO exchanges over TCP inside one event loop.

An edge-triggered epoll of its own hangs in the loop as one reader, one timer wheel holds every deadline: a
connection costs no task, no transport and no timer handle. A connection that is made sends and receives for
its exchange until that returns or fails; its owner hears of it by `ended`.

Whatever a callback raises ends that connection only, as `internal_error`. Where the process has stood still
(SIGSTOP, a suspended laptop), what was open then and fails ends as `suspended`: others waited for us in vain.
"""

import asyncio
import errno
import select
import socket
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from math import inf

from eagleray.actors.faults import contain
from eagleray.actors.net.connection import Connection, Priority, clock
from eagleray.actors.net.dial import DialFailed, dial, meaning
from eagleray.actors.net.wheel import TICK, TimerWheel
from eagleray.pipelines.addresses import Allowed
from eagleray.pipelines.concurrency import Concurrency
from eagleray.pipelines.proxies.outcome import OK, Outcome
from eagleray.pipelines.proxies.protocols.exchange import ProbeFailed

NEW = Priority.NEW
EVENTS = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET
WRITABLE = select.EPOLLOUT
BROKEN = select.EPOLLERR | select.EPOLLHUP
ENDING = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
READABLE = select.EPOLLIN | ENDING
RECEIVE = 8192  # bytes a recv: an honest answer fits
EVENTS_A_TURN = 128  # the loop gets to run between turns, so its lag stays in milliseconds
STARTS_A_TURN = 64
SHORT_LINE = 512  # new connections that wait: a tenth of a second's, for more to come meanwhile
STARTS_A_SECOND = 12_000  # an unpaced burst of SYNs inflates every connect time measured meanwhile
MOST_SILENT = 10_000  # connections to silent servers that let new ones go first: seconds, not a whole run
BURST = 0.05  # seconds of starts that may be made up for
STANDSTILL = 3.0  # seconds without a turn after which the other ends may have given us up

awake = partial(time.clock_gettime, time.CLOCK_BOOTTIME)  # goes on while the machine is suspended


class Engine:
    """Runs connections, at most `limit` at a time, in the running event loop; `close` ends them all."""

    def __init__(self, allowed: Allowed, most: int) -> None:
        """Hold up to `most` connections, fewer where this machine shows that it can't keep up."""
        self.on_short_line: Callable[[], None] | None = None  # called while few new connections wait
        self._allowed = allowed
        self._epoll = select.epoll()
        self._open: dict[int, Connection] = {}
        self._lines: tuple[deque[Connection], ...] = tuple(deque() for _ in Priority)  # that wait
        now = clock()
        self.concurrency = Concurrency(most, now)
        # By descriptor: one that was reused meanwhile has a deadline of its own, and a later one.
        self._deadlines: TimerWheel[int] = TimerWheel(now)
        self._timers: TimerWheel[Callable[[], None]] = TimerWheel(now)
        self._allowance, self._allowed_at = 0.0, now
        self.drained_at = now  # everything that had come by then has been handled
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._epoll.fileno(), self._on_ready)
        self._ticker: asyncio.TimerHandle | None = None
        self._turned_at = awake()
        self.woke_at = -inf  # end of the latest standstill (`clock`)
        self._stood_still = 0.0  # seconds that it took
        self._wait = 0.0  # seconds that what has come since the last tick waited at most
        self.lag = 0.0  # the same at the last tick, or that tick's lateness

    @property
    def new(self) -> int:
        """Connections of `Priority.NEW` that are not open yet."""
        return len(self._lines[NEW])

    @property
    def idle(self) -> bool:
        """No connection waits to be opened."""
        return not any(self._lines)

    @property
    def limit(self) -> int:
        """Connections open at a time, at most."""
        return self.concurrency.limit

    def run(self, connection: Connection) -> None:
        """Take a connection; it is opened as soon as limit, pace and those of higher priority allow."""
        self._lines[connection.priority].append(connection)
        if self._ticker is None:
            self._wake()

    def later(self, delay: float, action: Callable[[], None]) -> None:
        """Call `action` after `delay` seconds."""
        self._timers.add(clock() + delay, action)
        if self._ticker is None:
            self._wake()

    def drop(self, connection: Connection) -> None:
        """End a connection whose result nobody wants any more; `ended` is not called."""
        connection.dropped = True
        if connection.sock is not None:
            self._end(connection, Outcome.CLOSED, "dropped")

    def control_failed(self) -> None:
        """A request without a proxy, which succeeded before, does so no more."""
        self.concurrency.control_failed(len(self._open), clock())

    def close(self) -> None:
        """Close every connection without a call-back, and leave the loop."""
        if self._ticker is not None:
            self._ticker.cancel()
        self._loop.remove_reader(self._epoll.fileno())
        self._epoll.close()
        for line in self._lines:
            line.clear()
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
        room = min(STARTS_A_TURN, int(self._allowance), self.concurrency.limit - len(self._open))
        begun = 0
        urgent, new, silent = self._lines
        first, then = (new, silent) if len(silent) < MOST_SILENT else (silent, new)
        while begun < room and (line := urgent or first or then):
            connection = line.popleft()
            if connection.dropped:
                continue
            begun += 1
            try:
                if not self._begin(connection):
                    line.appendleft(connection)
                    break
            except Exception as error:
                self._fail(connection, error)
        self._allowance -= begun
        if self.on_short_line and len(new) < SHORT_LINE:
            self.on_short_line()

    def _begin(self, connection: Connection) -> bool:
        """Open a connection; False where this machine is short of something and it has to wait."""
        now = connection.opened_at = clock()
        try:
            sock = dial(connection.host, connection.port, self._allowed)
        except DialFailed as failure:
            if failure.shortage and self._open:
                self.concurrency.short_of(failure.detail, len(self._open), now)
                return False
            self._end(connection, failure.outcome, failure.detail)
            return True
        connection.sock = sock
        fd = sock.fileno()
        self._open[fd] = connection
        self._epoll.register(fd, EVENTS)
        connection.deadline = now + connection.connect_timeout
        self._deadlines.add(connection.deadline, fd)
        return True

    # Moving bytes

    def _on_ready(self) -> None:
        """Handle what has come, all of it, whatever fails: of an edge the kernel tells only once."""
        asked_at, connections = clock(), self._open
        self._notice_standstill(asked_at)
        events = self._epoll.poll(0, EVENTS_A_TURN)
        for fd, event in events:
            connection = connections.get(fd)
            if connection is None:  # ended by one before it in this turn
                continue
            try:
                if connection.exchange is None and not self._on_handshake(connection, fd, event):
                    continue
                if connection.unsent and event & WRITABLE and not self._send(connection, b""):
                    continue
                if event & READABLE:
                    self._receive(connection, event & ENDING)
            except Exception as error:
                self._fail(connection, error)
        if len(events) < EVENTS_A_TURN:
            self.drained_at = asked_at
        self._start()

    def _on_handshake(self, connection: Connection, fd: int, event: int) -> bool:
        """The TCP handshake is over: begin the exchange; False where it failed, or the exchange has."""
        sock = connection.sock
        assert sock is not None
        if event & BROKEN:
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) or errno.ECONNRESET
            self._end(connection, *meaning(code))
            return False
        if not event & WRITABLE:
            return False
        if ":" in connection.host:
            connection.local = sock.getsockname()[0].partition("%")[0]
        now = clock()
        connection.establish(sock, now)
        patience, slow = connection.timeout, connection.slow_after
        connection.deadline = now + (patience if slow is None or patience < slow else slow)
        self._deadlines.add(connection.deadline, fd)
        connection.exchange = connection.converse()
        return self._advance(connection, None)

    def _receive(self, connection: Connection, ending: int) -> None:
        """Read until nothing is left: the edge that told of it comes only once."""
        while (sock := connection.sock) is not None:
            try:
                chunk, waited = connection.receive_from(sock, RECEIVE)
            except BlockingIOError:
                return
            except OSError as error:
                self._end(connection, Outcome.RESET, errno.errorcode.get(error.errno or 0, ""))
                return
            if waited > self._wait:
                self._wait = waited
            if not self._advance(connection, chunk or None) or (len(chunk) < RECEIVE and not ending):
                return

    def _advance(self, connection: Connection, chunk: bytes | None) -> bool:
        """Hand over a chunk (None begins and ends), send what the exchange yields; False once it is over."""
        assert connection.exchange is not None
        try:
            out = connection.exchange.send(chunk)
        except StopIteration as result:
            connection.value = result.value
            self._end(connection, OK, "")
            return False
        except ProbeFailed as failure:
            self._end(connection, failure.outcome, failure.detail)
            return False
        return not out or self._send(connection, out)

    def _send(self, connection: Connection, data: bytes) -> bool:
        """Send what the socket takes, keep the rest until it is writable; False where it is broken."""
        assert connection.sock is not None
        connection.late_sent = connection.late
        if connection.unsent:
            data = connection.unsent + data
        try:
            sent = connection.sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._end(connection, Outcome.RESET, errno.errorcode.get(error.errno or 0, ""))
            return False
        connection.unsent = data[sent:]
        return True

    # Time

    def _wake(self) -> None:
        """Begin to tick: there is something to do again."""
        self._turned_at = awake()
        self._arm()

    def _arm(self) -> None:
        self._ticker = self._loop.call_later(TICK, self._on_tick, clock() + TICK)

    def _on_tick(self, expected: float) -> None:
        self._arm()  # first: whatever fails now, there is a next time
        try:
            self._tick(expected)
        except Exception as error:
            contain(error)
        if self._ticker is not None and not (self._open or self._timers or any(self._lines)):
            self._ticker.cancel()
            self._ticker = None

    def _tick(self, expected: float) -> None:
        now = clock()
        self._on_ready()
        self.lag, self._wait = max(self._wait, now - expected), 0.0
        if now - self.lag > self.woke_at:  # else it was not the load that made us late
            self.concurrency.felt(self.lag, len(self._open), now)
        for fd in self._deadlines.due(self.drained_at):
            connection = self._open.get(fd)
            if connection is not None and connection.deadline <= self.drained_at:
                try:
                    self._on_deadline(connection, fd)
                except Exception as error:
                    self._fail(connection, error)
        for action in self._timers.due(now):
            try:
                action()
            except Exception as error:
                contain(error)
        self._start()

    def _notice_standstill(self, now: float) -> None:
        """Note how long it is since the last turn: what is due now may be so by our own fault."""
        turn = awake()
        stood_still, self._turned_at = turn - self._turned_at, turn
        if stood_still > STANDSTILL:
            self.woke_at, self._stood_still = now, stood_still

    def _on_deadline(self, connection: Connection, fd: int) -> None:
        """A time is over; what came before it has been handled, so it is no lateness of ours."""
        if connection.opened_at < self.woke_at:  # it would have been over, had we not stood still
            self._end(connection, Outcome.SUSPENDED, "")
            return
        if connection.connected_at is None:
            self._end(connection, Outcome.CONNECT_TIMEOUT, f"no answer in {connection.connect_timeout:g} s")
            return
        last = connection.connected_at + connection.late + connection.timeout
        if last <= connection.deadline:
            self._end(connection, Outcome.TIMEOUT, f"answer not whole in {connection.timeout:g} s")
            return
        more = None if connection.slow_after is None else connection.slow()
        if connection.sock is None:  # meanwhile nobody wants to know any more
            return
        if more == 0:
            silence = self.drained_at - connection.connected_at
            self._end(connection, Outcome.TIMEOUT, f"not a byte in {silence:.1f} s")
            return
        connection.deadline = last if more is None else min(last, connection.deadline + more)
        self._deadlines.add(connection.deadline, fd)

    def _end(self, connection: Connection, outcome: Outcome, detail: str) -> None:
        if (sock := connection.sock) is not None:
            del self._open[sock.fileno()]
            sock.close()
            connection.sock = None
        if outcome is not OK and connection.opened_at < self.woke_at:
            outcome, detail = Outcome.SUSPENDED, f"this process stood still for {self._stood_still:.1f} s"
        connection.has_ended = True
        connection.outcome, connection.detail, connection.ended_at = outcome, detail, connection.now
        if outcome is not OK:
            connection.ended_at = clock()
            if connection.exchange is not None:
                try:
                    connection.exchange.close()
                except Exception as error:
                    contain(error)
        if not connection.dropped:
            connection.ended()

    def _fail(self, connection: Connection, error: Exception) -> None:
        """A callback of this connection has raised: it ends, unless that was it; all others go on."""
        contain(error)
        if not connection.has_ended:
            try:
                self._end(connection, Outcome.INTERNAL_ERROR, type(error).__name__)
            except Exception as another:
                contain(another)
