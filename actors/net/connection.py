"""One TCP connection of the engine, and what the kernel knows of its times."""

import struct
import time
from abc import ABC, abstractmethod
from collections.abc import Hashable
from socket import CMSG_SPACE, IPPROTO_TCP, SOL_SOCKET, TCP_INFO
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
TIMESPEC = struct.Struct("@ll")
ANCILLARY = CMSG_SPACE(TIMESPEC.size)  # bytes of what comes with a chunk: its time


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
        "host",
        "late",
        "late_sent",
        "network",
        "opened_at",
        "outcome",
        "port",
        "silence",
        "sock",
        "timeout",
        "unsent",
        "urgent",
        "value",
    )

    deadline: float
    outcome: Outcome  # it, `detail` and `ended_at` stand once the connection is over
    detail: str
    ended_at: float

    def __init__(
        self, host: str, port: int, connect_timeout: float, timeout: float, silence: float | None = None
    ) -> None:
        Stream.__init__(self)
        self.host = host
        self.port = port
        self.connect_timeout = connect_timeout  # seconds to the end of the TCP handshake
        self.timeout = timeout  # seconds from there to the end of the exchange
        self.network: Hashable = None  # where connections to the host's network are limited; see Admission
        self.silence = silence  # seconds without a byte after which `silent` is called; None: never, or heard
        self.urgent = False  # to be opened before others
        self.sock: Socket | None = None
        self.exchange: Exchange[Any] | None = None  # None until the TCP handshake is over
        self.unsent = b""
        self.dropped = False  # nobody wants to know of it any more
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

    def silent(self) -> float | None:
        """Nothing came for `silence` seconds; how many more to wait: 0 ends it, None: all of `timeout`."""
        return None

    def establish(self, sock: Socket, heard_at: float) -> None:
        """The event loop has heard of the end of the TCP handshake: note when that was.

        Has the kernel say when what comes arrives; where it can't, the event loop's clock has to do.
        """
        self.late = late = self._lateness_of_handshake(sock, heard_at)
        self.connected_at = self.now = heard_at - late
        try:  # noqa: SIM105 - suppress() costs as much as the call
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
