"""One TCP connection of the engine, and what the kernel knows of its times."""

import struct
import time
from abc import ABC, abstractmethod
from collections.abc import Hashable
from enum import IntEnum
from math import inf
from socket import CMSG_SPACE, IPPROTO_TCP, SO_LINGER, SOL_SOCKET, TCP_INFO
from typing import Any

from eagleray.actors.net.dial import Socket
from eagleray.pipelines.proxies.outcome import Outcome
from eagleray.pipelines.proxies.protocols.exchange import Exchange, Stream

clock = time.monotonic

# Of struct tcp_info (linux/tcp.h): tcpi_total_retrans, tcpi_min_rtt (µs). It counts the time since the last
# data in ticks of the kernel, 4 ms on many systems; SO_TIMESTAMPNS (asm-generic/socket.h) gives it to the µs.
HANDSHAKE = struct.Struct("=100xI44xI")
HANDSHAKE_SIZE = HANDSHAKE.size
SO_TIMESTAMPNS = 35
RESET = struct.pack("@ii", 1, 0)  # struct linger: no seconds to wait for what is not sent yet
TIMESPEC = struct.Struct("@ll")
ANCILLARY = CMSG_SPACE(TIMESPEC.size)  # bytes of what comes with a chunk: its time


class Priority(IntEnum):
    """Which of the connections that wait is opened first: the lowest."""

    URGENT = 0  # to a judge, or to a server that answers: likelier to live than any other
    NEW = 1  # to an endpoint for the first time
    SILENT = 2  # to a server that has said nothing so far, and may say nothing again for long


URGENT = Priority.URGENT


class Connection(Stream, ABC):
    """One exchange over one TCP connection: where to, how long to wait, and what came of it.

    A subclass says what to talk about. Times are of `clock`, in seconds; `outcome` is OK where the exchange
    returned `value`. They are what they had been if nothing had ever waited for the event loop: the kernel
    says how long the handshake took and when a chunk arrived; by how much later we heard of it is taken off.
    """

    __slots__ = (
        "connect_timeout",
        "connected_at",
        "deadline",
        "detail",
        "dropped",
        "ended_at",
        "exchange",
        "has_ended",
        "host",
        "late",
        "late_sent",
        "network",
        "opened_at",
        "outcome",
        "port",
        "priority",
        "slow_after",
        "sock",
        "timeout",
        "unsent",
        "value",
    )

    outcome: Outcome  # it, `detail` and `ended_at` stand once the connection is over
    detail: str
    ended_at: float

    def __init__(
        self, host: str, port: int, connect_timeout: float, timeout: float, slow_after: float | None = None
    ) -> None:
        Stream.__init__(self)
        self.host = host
        self.port = port
        self.connect_timeout = connect_timeout  # seconds to the end of the TCP handshake
        self.timeout = timeout  # seconds from there to the end of the exchange
        self.network: Hashable = None  # where connections to the host's network are limited; see Admission
        self.slow_after = slow_after  # seconds after which `slow` is called; None: never
        self.priority = URGENT
        self.sock: Socket | None = None
        self.exchange: Exchange[Any] | None = None  # None until the TCP handshake is over
        self.unsent = b""
        self.dropped = False  # nobody wants to know of it any more
        self.has_ended = False
        self.deadline = -inf  # of what it waits for now; none while it waits to be opened
        self.late = 0.0  # seconds that our own lateness has added
        self.late_sent = 0.0  # what it was when we last sent: what comes then comes as much later
        self.connected_at: float | None = None
        self.opened_at = 0.0
        self.value: Any = None

    @abstractmethod
    def converse(self) -> Exchange[Any]:
        """Begin the exchange: the connection is made."""

    @abstractmethod
    def ended(self) -> None:
        """All is over: `outcome`, `detail`, `value` and the times stand."""

    def slow(self) -> float | None:
        """`slow_after` is over; how many more seconds to wait: 0 ends it, None: all of `timeout`."""
        return None

    @property
    def heard(self) -> bool:
        """Something has come since the connection was made."""
        return self.now != self.connected_at

    def establish(self, sock: Socket, heard_at: float) -> None:
        """The event loop has heard of the end of the TCP handshake: note when that was.

        Has the kernel say when what comes arrives; where it can't, the event loop's clock has to do. And has
        it end the connection by a reset: nothing is then kept for it, here, there or in a router between.
        """
        self.late = late = self._lateness_of_handshake(sock, heard_at)
        self.connected_at = self.now = heard_at - late
        try:
            sock.setsockopt(SOL_SOCKET, SO_LINGER, RESET)
            sock.setsockopt(SOL_SOCKET, SO_TIMESTAMPNS, 1)
        except OSError:
            pass

    def _lateness_of_handshake(self, sock: Socket, heard_at: float) -> float:
        info = sock.getsockopt(IPPROTO_TCP, TCP_INFO, HANDSHAKE_SIZE)
        if len(info) < HANDSHAKE_SIZE:  # kernels before 4.6, and sandboxes that stand in for one
            return 0.0
        retransmitted: int
        round_trip: int  # µs
        retransmitted, round_trip = HANDSHAKE.unpack(info)
        late = heard_at - self.opened_at - round_trip * 1e-6
        return 0.0 if retransmitted or late < 0.0 else late  # a lost SYN: only we know how long it took

    def receive_from(self, sock: Socket, size: int) -> tuple[bytes, float]:
        """Up to `size` bytes, empty at the end of the stream, and the seconds for which they had waited.

        Sets the stream's `now` to when they arrived.

        Raises:
            OSError: nothing is there (BlockingIOError), or the connection is broken.
        """
        chunk, ancillary, _, _ = sock.recvmsg(size, ANCILLARY)
        waited = 0.0
        if ancillary:
            seconds, nanoseconds = TIMESPEC.unpack(ancillary[0][2])
            waited = time.time() - seconds - nanoseconds * 1e-9
            if waited < 0.0:  # somebody has set the clock
                waited = 0.0
        self.late = self.late_sent + waited
        self.now = clock() - self.late
        return chunk, waited
