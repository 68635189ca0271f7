"""How a protocol core talks to whatever moves its bytes.

A core is a generator: it yields bytes to send (perhaps none) and is sent bytes received, or `None` at the end
of the stream. One chunk is never taken for one message: `Stream` buffers until a core has what it needs.
"""

from collections.abc import Generator
from typing import TypeVar

from eagleray.pipelines.proxies.outcome import Outcome

T = TypeVar("T")
Exchange = Generator[bytes, bytes | None, T]

EARLY = "answered before it was asked"


class ProbeFailed(Exception):
    """Raised when a core can't go on: how the check ended, and a word on the step where."""

    def __init__(self, outcome: Outcome, detail: str = "") -> None:
        super().__init__(outcome, detail)
        self.outcome = outcome
        self.detail = detail


class Stream:
    """Bytes received and not yet consumed, and when the steps of the exchange were reached.

    The shell sets `now` (its clock, in seconds) before it hands over a chunk; cores copy it to the marks.
    """

    __slots__ = ("buffer", "first_byte_at", "local", "now", "tunnel_at")

    def __init__(self) -> None:
        self.buffer = b""
        self.now = 0.0
        self.local = ""  # over IPv6, our address on this connection: what the proxy sees of us
        self.tunnel_at: float | None = None  # the proxy has opened the way to the judge
        self.first_byte_at: float | None = None  # the first byte of the judge's answer

    def receive(self, send: bytes = b"") -> Exchange[bool]:
        """Send, and wait for one chunk more; False at the end of the stream.

        Raises:
            ProbeFailed: MALFORMED where bytes are left over: they can't answer what was not sent yet.
        """
        if send and self.buffer:
            raise ProbeFailed(Outcome.MALFORMED, EARLY)
        chunk = yield send
        if chunk is None:
            return False
        self.buffer += chunk
        return True

    def exactly(self, count: int, send: bytes = b"", step: str = "") -> Exchange[bytes]:
        """Send, and wait until `count` bytes are there; they are taken from the buffer.

        Raises:
            ProbeFailed: CLOSED where the stream ends before, and what `receive` raises.
        """
        while send or len(self.buffer) < count:
            if not (yield from self.receive(send)):
                raise ProbeFailed(Outcome.CLOSED, f"closed in {step}")
            send = b""
        return self.take(count)

    def take(self, count: int) -> bytes:
        """The first `count` bytes of the buffer, taken out of it."""
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken
