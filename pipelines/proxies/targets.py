"""Targets beyond the judge: a TLS site, and the user's own pages with what is expected of them.

Names are never resolved here: they travel through the proxy.
"""

import re
from collections.abc import Callable
from urllib.parse import SplitResult, parse_qs, urlencode, urlsplit

import msgspec

from eagleray.pipelines.proxies.judging import REQUEST_HEADERS
from eagleray.pipelines.proxies.model import Endpoint, Protocol
from eagleray.pipelines.proxies.probe import TUNNELS
from eagleray.pipelines.proxies.protocols import coding, http1, http_proxy
from eagleray.pipelines.proxies.protocols.exchange import Exchange, Stream
from eagleray.pipelines.proxies.protocols.target import Target

MAX_PAGE = 64 * 1024  # bytes of an answer in which a marker is looked for: a page's head is in them
MAX_PAGES = 16  # targets of a check: each costs every surviving proxy a connection
DEFAULT_PORTS = {"http": 80, "https": 443}
VISIBLE = re.compile(r"[!-~]+")  # what may stand in a request line

Secure = Callable[[Exchange["Fetched"]], Exchange["Fetched"]]  # carries an exchange through TLS, verified


class Fetched(msgspec.Struct, frozen=True):
    """How one of the user's targets answered."""

    status: int
    as_wanted: bool


class TargetPage(msgspec.Struct, frozen=True):
    """A page of the user, and what its answer must be; no `status`: any of 2xx and 3xx."""

    url: str  # as it was given, without its fragment: its name in reports
    tls: bool
    target: Target
    path: str
    status: frozenset[int] = frozenset()
    contains: str = ""  # among the first `MAX_PAGE` bytes
    rules: str = ""  # as they were given, in the form of a URL's fragment

    @property
    def with_rules(self) -> str:
        """Its name in reports where another page has the same URL."""
        return f"{self.url}#{self.rules}" if self.rules else self.url

    def request(self, absolute: bool, extra: bytes = b"") -> bytes:
        """GET; absolute for a forward proxy (RFC 9112 section 3.2.2)."""
        default = self.target.port == (443 if self.tls else 80)
        authority = str(self.target).rpartition(":")[0] if default else str(self.target)
        uri = f"http://{authority}{self.path}" if absolute else self.path
        return f"GET {uri} HTTP/1.1\r\nHost: {authority}\r\n".encode() + REQUEST_HEADERS + extra + b"\r\n"


def parse_tls_target(text: str) -> Target:
    """`host:port`, or `[v6]:port`.

    Raises:
        ValueError: it is not.
    """
    host, _, port = text.rpartition(":")
    if not re.fullmatch("[0-9]{1,5}", port):
        raise ValueError(f"{text!r} is not HOST:PORT")
    return checked_target(host.removeprefix("[").removesuffix("]"), int(port))


def parse_target_page(text: str, status: frozenset[int] = frozenset(), contains: str = "") -> TargetPage:
    """A URL; its fragment may hold the rules: `#status=200&status=204&contains=Welcome`.

    Raises:
        ValueError: not such a URL, one with credentials, or an unknown rule.
    """
    parts = urlsplit(text)
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname or "@" in parts.netloc:
        raise ValueError("a target is an http:// or https:// URL without credentials")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not VISIBLE.fullmatch(path):
        raise ValueError(f"{text!r} holds what has to be escaped in a URL")
    target = checked_target(parts.hostname, parts.port or DEFAULT_PORTS[parts.scheme])
    rules = rules_of(parts)
    given = [("status", code) for code in sorted(status)] + [("contains", contains)] * bool(contains)
    return TargetPage(
        url=text.partition("#")[0],
        tls=parts.scheme == "https",
        target=target,
        path=path,
        status=status | {parse_status(code) for code in rules.pop("status", [])},
        contains=rules.pop("contains", [contains])[0],
        rules="&".join(filter(None, [parts.fragment, urlencode(given)])),
    )


def rules_of(parts: SplitResult) -> dict[str, list[str]]:
    """The rules in a URL's fragment.

    Raises:
        ValueError: there is one that we don't know.
    """
    rules = parse_qs(parts.fragment, strict_parsing=True) if parts.fragment else {}
    if unknown := rules.keys() - {"status", "contains"}:
        raise ValueError(f"unknown rule {sorted(unknown)[0]!r}: there are status and contains")
    return rules


def parse_status(text: str) -> int:
    """A status of HTTP.

    Raises:
        ValueError: it is none.
    """
    if not re.fullmatch("[1-5][0-9]{2}", text):
        raise ValueError(f"{text!r} is not an HTTP status")
    return int(text)


def checked_target(host: str, port: int) -> Target:
    """A target whose name TLS can carry, too.

    Raises:
        ValueError: the host or the port can't be one.
    """
    if not host or host.startswith(".") or len(host.encode("idna")) > 253:  # empty and long labels raise
        raise ValueError(f"{host!r} is not a name")
    return Target(host, port)


def open_tunnel(stream: Stream, endpoint: Endpoint, protocol: Protocol, target: Target) -> Exchange[None]:
    """A way through the proxy to `target`.

    Raises:
        ProbeFailed: the proxy does not open it.
    """
    yield from TUNNELS[protocol](stream, target, endpoint.credentials)
    stream.tunnel_at = stream.now


def fetch(
    stream: Stream, endpoint: Endpoint, protocol: Protocol, page: TargetPage, secure: Secure
) -> Exchange[Fetched]:
    """Ask for a page and hold it against its rules; `secure` is used for https.

    Raises:
        ProbeFailed: how it failed.
    """
    if protocol is Protocol.HTTP:
        extra = http_proxy.authorization(endpoint.credentials)
        return (yield from read_page(stream, page, page.request(absolute=True, extra=extra)))
    yield from open_tunnel(stream, endpoint, protocol, page.target)
    reading = read_page(stream, page, page.request(absolute=False))
    return (yield from (secure(reading) if page.tls else reading))


def read_page(stream: Stream, page: TargetPage, request: bytes) -> Exchange[Fetched]:
    """Ask, and hold the answer against the rules."""
    head = yield from http1.read_head(stream, request)
    as_wanted = head.status in page.status if page.status else 200 <= head.status < 400
    if as_wanted and page.contains:
        as_wanted = yield from find(stream, head, page.contains.encode())
    return Fetched(head.status, as_wanted)


def find(stream: Stream, head: http1.Head, marker: bytes) -> Exchange[bool]:
    """True where the marker is among the first `MAX_PAGE` bytes of the page; no more than needed is read."""
    page, coded = bytearray(), coding.applied(head.lower)

    def enough(piece: bytes) -> bool:
        start = max(0, len(page) - len(marker))
        page.extend(piece)
        return len(page) >= MAX_PAGE or (not coded and page.find(marker, start) >= 0)

    yield from http1.pass_body(stream, head, enough)
    return marker in coding.decode(head.lower, bytes(page[:MAX_PAGE]), MAX_PAGE, whole=False)
