"""Endpoints that are no working proxies, each wrong in a way that public lists are full of."""

import html
import secrets
from collections.abc import Callable
from functools import partial
from http import HTTPStatus

from eagleray.cluster.http_server import Request, Server, response
from eagleray.cluster.judge import common, encode, nonce_of
from eagleray.cluster.proving_ground.pages import Page
from eagleray.cluster.proving_ground.reactor import Timer
from eagleray.cluster.proving_ground.wire import Peer, Wire
from eagleray.cluster.proving_ground.world import Kind

GARBAGE = bytes(range(0x80, 0x100))  # no byte of it can begin HTTP, SOCKS or TLS
DRIP_SECONDS = 1.0
FLOOD_SECONDS = 0.02  # 4 KiB each 20 ms, 200 KiB/s: soon over any bound, yet no load for the machine
FLOOD_BYTES = 4096
OK_LINE = b"HTTP/1.1 200 OK\r\n"
SOCKS5_PASSWORD = 2
NOT_FOUND_PAGE = b"<html><head><title>404 Not Found</title></head><body><h1>Not Found</h1></body></html>"
CAPTIVE_PAGE = b"<html><head><title>Welcome</title></head><body><a href='/login'>Log in</a></body></html>"


class Hang(Peer):
    """Accepts, and never says a word."""


class Close(Peer):
    """Closes at once."""

    def connection_made(self, wire: Wire) -> None:
        """Close."""
        super().connection_made(wire)
        self.finish()


class Burst(Peer):
    """Sends `data` on the first bytes it receives, and closes."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def data_received(self, data: bytes) -> None:
        """Send and close."""
        self.finish(self._data)


class Trickle(Peer):
    """Answers a request with a beginning, and then with `piece` each `seconds`, without end."""

    def __init__(self, beginning: bytes, piece: bytes, seconds: float) -> None:
        self._pending = beginning
        self._piece = piece
        self._seconds = seconds
        self._timer: Timer | None = None

    def data_received(self, data: bytes) -> None:
        """Begin with the first bytes of a request; the rest changes nothing."""
        if self._timer is None:
            self._send()

    def connection_lost(self) -> None:
        """Stop."""
        if self._timer:
            self._timer.cancel()

    def _send(self) -> None:
        if not self.wire.waiting:  # a client that does not read costs no memory
            size = len(self._piece)
            self._pending = self._pending or self._piece
            self.wire.write(self._pending[:size])
            self._pending = self._pending[size:]
        self._timer = self.wire.reactor.call_later(self._seconds, self._send)


class Socks5Auth(Peer):
    """SOCKS5 that wants a user and a password (RFC 1929) and accepts none; closes on any other protocol."""

    _asked = False

    def data_received(self, data: bytes) -> None:
        """Ask for a password where the client offers one; each message comes in one piece on loopback."""
        if self._asked:
            self.finish(b"\x01\x01")
        elif not data.startswith(b"\x05"):
            self.finish()
        elif SOCKS5_PASSWORD in data[2:]:
            self._asked = True
            self.wire.write(bytes([5, SOCKS5_PASSWORD]))
        else:
            self.finish(b"\x05\xff")


def drip() -> Trickle:
    """A byte of an answer a second."""
    return Trickle(OK_LINE, b"-", DRIP_SECONDS)


def endless_headers() -> Trickle:
    """Headers without end."""
    line = b"X-Filler: " + b"-" * 52 + b"\r\n"
    return Trickle(OK_LINE, line * (FLOOD_BYTES // len(line)), FLOOD_SECONDS)


def endless_body() -> Trickle:
    """A body without end, which begins as a judge's answer does."""
    beginning = OK_LINE + b'Content-Type: application/json\r\n\r\n{"judge":"eagleray","client":"'
    return Trickle(beginning, b"-" * FLOOD_BYTES, FLOOD_SECONDS)


def not_found(_request: Request, _client: str) -> bytes:
    """A web server that knows no such page."""
    return response(HTTPStatus.NOT_FOUND, NOT_FOUND_PAGE, "text/html")


def captive(_request: Request, _client: str) -> bytes:
    """A page of its own, whatever was asked for."""
    return response(HTTPStatus.OK, CAPTIVE_PAGE, "text/html")


def captive_echo(request: Request, _client: str) -> bytes:
    """A page of its own that repeats the URL: a nonce alone proves nothing."""
    page = f"<html><body>Log in to reach {html.escape(request.target)}</body></html>"
    return response(HTTPStatus.OK, page.encode(), "text/html")


def forged(request: Request, client: str) -> bytes:
    """The shape of our judge's answer, with the nonce and a proof that is made up."""
    nonce = nonce_of(request.origin_form.partition("?")[2])
    proof = {"nonce": nonce, "proof": secrets.token_hex(16), "headers": request.headers}
    return response(HTTPStatus.OK, encode({**common(client), **proof}))


# Lost SYNs and refusals are the kernel's doing and need no protocol.
DEAD: dict[Kind, Callable[[], Peer]] = {
    Kind.HANG: Hang,
    Kind.CLOSE: Close,
    Kind.CLOSE_AFTER_REQUEST: partial(Burst, b""),
    Kind.GARBAGE: partial(Burst, GARBAGE),
    Kind.WEB_SERVER: partial(Page, Server(not_found)),
    Kind.CAPTIVE: partial(Page, Server(captive)),
    Kind.CAPTIVE_ECHO: partial(Page, Server(captive_echo)),
    Kind.FORGED: partial(Page, Server(forged)),
    Kind.DRIP: drip,
    Kind.ENDLESS_HEADERS: endless_headers,
    Kind.ENDLESS_BODY: endless_body,
    Kind.SOCKS5_AUTH: Socks5Auth,
}
