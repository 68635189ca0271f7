"""Proxies that work, by the protocols they speak. They dial nothing but 127.0.0.0/8, whoever asks."""

import re
from http import HTTPStatus
from ipaddress import AddressValueError, IPv4Address

from eagleray.cluster.http_server import BadRequestError, Request, error, parse_request
from eagleray.cluster.proving_ground.relay import Proxy, Upstream
from eagleray.cluster.proving_ground.world import Kind
from eagleray.pipelines.proxies.model import Anonymity, Protocol

# A proxy takes these out of what it forwards (RFC 9110 section 7.6.1), and its own credentials.
HOP_BY_HOP = {"connection", "proxy-connection", "keep-alive", "proxy-authorization"}
BAD_REQUEST = error(HTTPStatus.BAD_REQUEST, "not a request to a proxy")
NOT_ALLOWED = error(HTTPStatus.METHOD_NOT_ALLOWED, "this proxy does not do that")
FORBIDDEN = error(HTTPStatus.FORBIDDEN, "only 127.0.0.0/8 can be reached from here")
BAD_GATEWAY = error(HTTPStatus.BAD_GATEWAY, "the target cannot be reached")
ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"

MAX_PAGE = 1 << 16  # bytes; the judge's known page has 3 KB
SCRIPT = b'<script src="http://ads.example/inject.js"></script>'
LENGTH = re.compile(rb"Content-Length: \d+")

SOCKS4_GRANTED = b"\x00\x5a" + bytes(6)
SOCKS4_REJECTED = b"\x00\x5b" + bytes(6)
SOCKS5_NO_AUTH = b"\x05\x00"
SOCKS5_NO_METHOD = b"\x05\xff"
SOCKS5_NO_BIND = b"\x00\x01" + bytes(
    6
)  # the end of a reply: reserved, then an IPv4 address and port of zeros
SOCKS5_GRANTED = b"\x05\x00" + SOCKS5_NO_BIND
SOCKS5_NOT_ALLOWED = b"\x05\x02" + SOCKS5_NO_BIND
SOCKS5_UNREACHABLE = b"\x05\x04" + SOCKS5_NO_BIND
SOCKS5_BAD_COMMAND = b"\x05\x07" + SOCKS5_NO_BIND
SOCKS5_BAD_ADDRESS = b"\x05\x08" + SOCKS5_NO_BIND


class HttpProxy(Proxy):
    """Forwards absolute-form requests and tunnels CONNECT, as far as `speaks` goes."""

    @property
    def speaks(self) -> frozenset[Protocol]:
        """What it takes requests for."""
        return self.truth.protocols

    def read_request(self) -> None:
        """Read the head of a request."""
        head, end, rest = self.buffer.partition(b"\r\n\r\n")
        if end:
            self._answer(head, rest)
        elif not head[:1].isalpha():  # a SOCKS hello
            self.finish(BAD_REQUEST)

    def _answer(self, head: bytes, rest: bytes) -> None:
        try:
            request = parse_request(head)
        except BadRequestError:
            self.finish(BAD_REQUEST)
            return
        tunnel = request.method == "CONNECT"
        target = target_of(request, tunnel)
        if (Protocol.HTTPS if tunnel else Protocol.HTTP) not in self.speaks:
            self.finish(NOT_ALLOWED)
        elif target is None:
            self.finish(BAD_REQUEST)
        elif not is_loopback(target[0]):
            self.finish(FORBIDDEN)
        else:
            self.buffer = rest if tunnel else self._forwarded(request) + rest
            self.dial(*target, ESTABLISHED if tunnel else b"", BAD_GATEWAY)

    def _forwarded(self, request: Request) -> bytes:
        """The request as the target gets it, with what this proxy tells of itself and of its client."""
        headers = [(name, value) for name, value in request.headers if name.lower() not in HOP_BY_HOP]
        if self.truth.anonymity in (Anonymity.TRANSPARENT, Anonymity.ANONYMOUS):
            headers.append(("Via", "1.1 proxy"))
        if self.truth.anonymity is Anonymity.TRANSPARENT:
            headers.append(("X-Forwarded-For", self.wire.client))
        headers.append(("Connection", "close"))
        lines = [f"{request.method} {request.origin_form} HTTP/1.1", *(": ".join(pair) for pair in headers)]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


class OnceProxy(HttpProxy):
    """Forwards one request, ever; then closes each connection."""

    @property
    def speaks(self) -> frozenset[Protocol]:
        """The truth names no protocol, since none works for long."""
        return frozenset({Protocol.HTTP})

    def read_request(self) -> None:
        """Close where the one request is spent."""
        if self.truth.ip in self.ledger.spent:
            self.finish()
        else:
            super().read_request()

    def dial(self, host: str, port: int, granted: bytes, failed: bytes) -> None:
        """Spend the one request."""
        self.ledger.spent.add(self.truth.ip)
        super().dial(host, port, granted, failed)


class Injecting(Upstream):
    """A connection to a target whose HTML pages get a script; their length is put right, as injectors do."""

    _page = b""

    def data_received(self, data: bytes) -> None:
        """Collect the answer, up to the largest page that is changed."""
        self._page += data
        if len(self._page) > MAX_PAGE:
            self.wire.abort()

    def connection_lost(self) -> None:
        """Pass the answer on: it is whole."""
        if self.other:
            self.other.wire.write(injected(self._page))
        super().connection_lost()


class InjectingProxy(HttpProxy):
    """Forwards requests, and changes the pages that come back."""

    upstream = Injecting

    @property
    def speaks(self) -> frozenset[Protocol]:
        """The truth names no protocol, since nobody should use it."""
        return frozenset({Protocol.HTTP})


class Interceptor(HttpProxy):
    """Tunnels, but leads whoever wants the TLS target to a server that pretends to be it."""

    @property
    def speaks(self) -> frozenset[Protocol]:
        """It tunnels, although that works for nobody who verifies."""
        return frozenset({Protocol.HTTP, Protocol.HTTPS})

    def dial(self, host: str, port: int, granted: bytes, failed: bytes) -> None:
        """Take the detour, where there is one."""
        super().dial(*self.ledger.detours.get((host, port), (host, port)), granted, failed)


class Socks4Proxy(Proxy):
    """SOCKS4 CONNECT to an address; a name (SOCKS4a) is rejected, as dante does."""

    def read_request(self) -> None:
        """Read version, command, port, address and a user name that a zero byte ends."""
        if not self.buffer.startswith(b"\x04"):
            if self.truth.kind is not Kind.SOCKS4_SILENT:
                self.finish()
            return
        end = self.buffer.find(b"\x00", 8)
        if end < 0:
            return
        request, self.buffer = self.buffer[:end], self.buffer[end + 1 :]
        host, port = str(IPv4Address(request[4:8])), int.from_bytes(request[2:4], "big")
        if request[1] == 1 and is_loopback(host):
            self.dial(host, port, SOCKS4_GRANTED, SOCKS4_REJECTED)
        else:
            self.finish(SOCKS4_REJECTED)


class Socks5Proxy(Proxy):
    """SOCKS5 CONNECT to an IPv4 address, without authentication (RFC 1928)."""

    _greeted = False

    def read_request(self) -> None:
        """Read the greeting, then the request."""
        if not self.buffer.startswith(b"\x05"):
            self.finish()
        elif not self._greeted:
            self._read_greeting()
        elif len(self.buffer) >= 4:
            self._read_connect()

    def _read_greeting(self) -> None:
        if len(self.buffer) < 2 or len(self.buffer) < 2 + self.buffer[1]:
            return
        methods, self.buffer = self.buffer[2 : 2 + self.buffer[1]], self.buffer[2 + self.buffer[1] :]
        if 0 not in methods:
            self.finish(SOCKS5_NO_METHOD)
            return
        self._greeted = True
        self.wire.write(SOCKS5_NO_AUTH)
        if self.buffer:
            self.read_request()

    def _read_connect(self) -> None:
        command, kind = self.buffer[1], self.buffer[3]
        if command != 1:
            self.finish(SOCKS5_BAD_COMMAND)
        elif kind != 1:
            self.finish(SOCKS5_BAD_ADDRESS)
        elif len(self.buffer) >= 10:
            host, port = str(IPv4Address(self.buffer[4:8])), int.from_bytes(self.buffer[8:10], "big")
            self.buffer = self.buffer[10:]
            if is_loopback(host):
                self.dial(host, port, SOCKS5_GRANTED, SOCKS5_UNREACHABLE)
            else:
                self.finish(SOCKS5_NOT_ALLOWED)


class MixedProxy(Socks5Proxy, HttpProxy):
    """SOCKS5 or HTTP, as the first byte says; every message of SOCKS5 begins with its version."""

    def read_request(self) -> None:
        """Read on in the protocol that the client speaks."""
        if self.buffer.startswith(b"\x05"):
            Socks5Proxy.read_request(self)
        else:
            HttpProxy.read_request(self)


PROXIES: dict[Kind, type[Proxy]] = {
    Kind.HTTP: HttpProxy,
    Kind.HTTP_CONNECT: HttpProxy,
    Kind.CONNECT: HttpProxy,
    Kind.SOCKS4: Socks4Proxy,
    Kind.SOCKS4_SILENT: Socks4Proxy,
    Kind.SOCKS5: Socks5Proxy,
    Kind.MIXED: MixedProxy,
    Kind.INTERCEPTOR: Interceptor,
    Kind.TLS_TO_PROXY: HttpProxy,
    Kind.ONCE: OnceProxy,
    Kind.INJECTOR: InjectingProxy,
}


def injected(page: bytes) -> bytes:
    """An HTTP answer as an injector passes it on."""
    head, end, body = page.partition(b"\r\n\r\n")
    if b"text/html" not in head:
        return page
    body = body.replace(b"</body>", SCRIPT + b"</body>")
    return LENGTH.sub(b"Content-Length: %d" % len(body), head) + end + body


def target_of(request: Request, tunnel: bool) -> tuple[str, int] | None:
    """Host and port of an absolute URL or of CONNECT's authority; None where there is none."""
    scheme, separator, rest = request.target.partition("://")
    if tunnel:
        authority = request.target
    elif separator and scheme.lower() == "http":
        authority = rest.partition("/")[0]
    else:
        return None
    host, _, port = authority.partition(":")
    if not port and not tunnel:
        return host, 80
    return (host, int(port)) if port.isdecimal() and 0 < int(port) < 65536 else None


def is_loopback(host: str) -> bool:
    """True for a literal address in 127.0.0.0/8, and for nothing else: no name is resolved."""
    try:
        return IPv4Address(host).is_loopback
    except AddressValueError:
        return False
