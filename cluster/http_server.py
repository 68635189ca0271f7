"""A small HTTP/1.1 server on asyncio protocols: one request, one answer, then the connection closes.

It serves the judge and the proving ground, where a web framework would cost more than the answers do.
"""

import asyncio
import math
import re
import signal
from collections.abc import Callable
from http import HTTPStatus
from typing import NamedTuple, cast

from eagleray.actors.faults import contain

MAX_HEAD = 16 * 1024  # bytes of request line and headers: twice what common servers take
MAX_SECONDS = 10.0  # from accept to close: a slow client holds a descriptor no longer
BACKLOG = 4096  # the kernel's usual somaxconn; a burst of thousands of connections waits there

# RFC 9112 section 3, with the target limited to visible ASCII; RFC 9110 sections 5.5 and 5.6.2.
REQUEST_LINE = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([!-~]+) HTTP/1\.[01]")
HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)")


class BadRequestError(ValueError):
    """Raised when a request's head is not HTTP/1.x."""


class Request(NamedTuple):
    """The head of a request; header names as they were sent, values in Latin-1."""

    method: str
    target: str
    headers: list[tuple[str, str]]

    @property
    def origin_form(self) -> str:
        """Path and query: what an absolute target holds after its authority (RFC 9112 section 3.2)."""
        if self.target.startswith("/"):
            return self.target
        path = self.target.partition("://")[2].partition("/")[2]
        return "/" + path

    def values(self, name: str) -> list[str]:
        """Every value of a header, in the order of the request; `name` in lower case."""
        return [value for header, value in self.headers if header.lower() == name]


def parse_request(head: bytes) -> Request:
    """Read a request's head, without the empty line at its end.

    Raises:
        BadRequestError: a line breaks the grammar.
    """
    first, *lines = head.decode("latin-1").split("\r\n")
    request_line = REQUEST_LINE.fullmatch(first)
    if not request_line:
        raise BadRequestError("not an HTTP/1.x request line")
    headers = [HEADER.fullmatch(line) for line in lines]
    if None in headers:
        raise BadRequestError("not a header line")
    return Request(
        request_line[1], request_line[2], [(match[1], match[2].rstrip(" \t")) for match in headers if match]
    )


def response(status: HTTPStatus, body: bytes, content_type: str = "application/json") -> bytes:
    """A whole answer, after which the connection closes."""
    allow = "Allow: GET\r\n" if status is HTTPStatus.METHOD_NOT_ALLOWED else ""  # RFC 9110 section 15.5.6
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\n{allow}Cache-Control: no-store\r\nConnection: close\r\n\r\n"
    )
    return head.encode("ascii") + body


def error(status: HTTPStatus, reason: str) -> bytes:
    """An answer that says what is wrong; `reason` holds nothing that JSON would have to escape."""
    return response(status, f'{{"error":"{reason}"}}'.encode())


Answer = Callable[[Request, str], bytes]  # a request and its client's address -> the whole answer


class Server:
    """What the connections of one listening server share; `connection` is the factory for `create_server`."""

    def __init__(self, answer: Answer, max_connections: float = math.inf) -> None:
        self._answer = answer
        self._max_connections = max_connections
        self.open = 0
        self.answered = 0

    def connection(self) -> "Connection":
        """The protocol for a new connection."""
        return Connection(self)

    @property
    def full(self) -> bool:
        """True while there are more connections than the server takes."""
        return self.open > self._max_connections

    def reply(self, received: bytes, client: str) -> bytes | None:
        """The answer to what a client has sent so far; None while that may still become a head."""
        received = received.removeprefix(b"\r\n")  # an empty line before it is allowed, RFC 9112 section 2.2
        end = received.find(b"\r\n\r\n")
        if 0 <= end <= MAX_HEAD:
            return self._reply(received[:end], client)
        if len(received) > MAX_HEAD:
            return error(HTTPStatus.BAD_REQUEST, "head too long")
        begun = received not in {b"", b"\r"}
        if begun and not received[:1].isalpha():  # a SOCKS or TLS hello never ends as a head does
            return error(HTTPStatus.BAD_REQUEST, "not HTTP")
        return None

    def _reply(self, head: bytes, client: str) -> bytes:
        try:
            request = parse_request(head)
        except BadRequestError as reason:
            return error(HTTPStatus.BAD_REQUEST, str(reason))
        self.answered += 1
        try:
            return self._answer(request, client)
        except Exception as fault:
            contain(fault)
            return error(HTTPStatus.INTERNAL_SERVER_ERROR, "internal error")


class Connection(asyncio.Protocol):
    """Collects one head within `MAX_HEAD` bytes and `MAX_SECONDS`, answers it, closes."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the clock, or turn the client away where the server is full."""
        self._transport = cast(asyncio.Transport, transport)
        self._server.open += 1
        self._deadline = asyncio.get_running_loop().call_later(MAX_SECONDS, self._transport.abort)
        if self._server.full:
            self._finish(error(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections"))

    def data_received(self, data: bytes) -> None:
        """Answer as soon as the head is whole, or cannot become one."""
        self._received += data
        peer = self._transport.get_extra_info("peername")
        if not peer:  # it had gone before we could ask who it is
            self._transport.abort()
            return
        answer = self._server.reply(self._received, peer[0])
        if answer is not None:
            self._finish(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        """Give the place back."""
        self._deadline.cancel()
        self._server.open -= 1

    def _finish(self, answer: bytes) -> None:
        self._transport.write(answer)
        self._transport.close()


def stop_signals() -> asyncio.Queue[signal.Signals]:
    """A queue that gets each SIGINT and SIGTERM from now on: a server waits for the first one."""
    signals: asyncio.Queue[signal.Signals] = asyncio.Queue()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, signals.put_nowait, number)
    return signals
