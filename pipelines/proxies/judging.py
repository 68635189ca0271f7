"""Judges: pages that say how a request reached them. How each kind answers stands in `judges/`."""

import re
from functools import lru_cache
from urllib.parse import SplitResult, urlsplit

import msgspec

from eagleray.pipelines.addresses import is_global
from eagleray.pipelines.proxies.anonymity import OwnAddresses, classify
from eagleray.pipelines.proxies.judges import recognized
from eagleray.pipelines.proxies.judges.base import UNREADABLE, JudgeError, Seen
from eagleray.pipelines.proxies.judges.eagleray import Eagleray
from eagleray.pipelines.proxies.model import Anonymity
from eagleray.pipelines.proxies.outcome import Outcome
from eagleray.pipelines.proxies.protocols.exchange import ProbeFailed
from eagleray.pipelines.proxies.protocols.http1 import OK, Answer
from eagleray.pipelines.proxies.protocols.target import Target
from eagleray.pipelines.secrets import hide_in_url

__all__ = ["Judge", "JudgeError", "JudgeUrl", "Judged", "parse_judge_url", "turned_away"]

REQUEST_HEADERS = b"User-Agent: Mozilla/5.0\r\nAccept: */*\r\nConnection: close\r\n"

VISIBLE = re.compile(r"[!-~]+")  # what may stand in a request line
MAX_OWN = 256  # addresses: a provider's network may show us by another one of its own each time
# Answers that a judge may give to those who come by proxies, and to us not.
MAY_BE_THE_JUDGES = frozenset({Outcome.NOT_A_PROXY, Outcome.FORBIDDEN, Outcome.REFUSED_BY_PROXY})
TURNED_AWAY = tuple(f"HTTP status {status}" for status in (403, 429, 503))
MAX_EVIDENCE = 256  # bytes kept of what a proxy puts into a page: enough to know the injector by


class Judged(msgspec.Struct):
    """What a judge saw of one request through a proxy; no level where the judge tells no headers."""

    anonymity: Anonymity | None
    exit_ip: str  # empty where the judge can't tell


class JudgeUrl(msgspec.Struct, frozen=True):
    """A judge's URL, checked and split."""

    host: str
    port: int
    path: str  # with its query; begins with a slash

    def __str__(self) -> str:
        """The URL, with what sounds secret hidden: for messages."""
        return hide_in_url(f"http://{self.authority}{self.path}")

    @property
    def authority(self) -> str:
        """`host`, or `host:port` where the port is not HTTP's own."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == 80 else f"{name}:{self.port}"

    def request(self, nonce: str = "", absolute: bool = False, extra: bytes = b"") -> bytes:
        """GET with the nonce as `n` in the query; absolute for a forward proxy (RFC 9112 section 3.2.2)."""
        before, after = request_around_nonce(self, absolute)
        if not nonce:
            before = before.removesuffix(b"&n=").removesuffix(b"?n=")
        return b"%b%b%b%b\r\n" % (before, nonce.encode(), after, extra)


@lru_cache(maxsize=64)  # every check asks the same few judges
def request_around_nonce(url: JudgeUrl, absolute: bool) -> tuple[bytes, bytes]:
    """What stands before and behind the nonce in a request."""
    uri = f"http://{url.authority}{url.path}" if absolute else url.path
    before = f"GET {uri}{'&' if '?' in uri else '?'}n=".encode()
    return before, f" HTTP/1.1\r\nHost: {url.authority}\r\n".encode() + REQUEST_HEADERS


def parse_judge_url(text: str) -> JudgeUrl:
    """Check and split a judge's URL.

    Raises:
        JudgeError: not an `http://` URL with a host and in ASCII, or one with credentials.
    """
    try:
        parts: SplitResult = urlsplit(text)
        port = 80 if parts.port is None else parts.port
    except ValueError as error:
        raise JudgeError(f"not a judge's URL: {error}") from error
    if "@" in parts.netloc:
        raise JudgeError("a judge's URL takes no credentials")
    if parts.scheme != "http" or not parts.hostname or port == 0:
        raise JudgeError(f"{text!r} is not an http:// URL")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not VISIBLE.fullmatch(parts.netloc + path):
        raise JudgeError(f"{text!r} holds what has to be escaped in a URL")
    return JudgeUrl(parts.hostname, port, path)


class Judge:
    """A judge that was asked directly: how to ask it through a proxy, and how to read what it says."""

    def __init__(self, url: JudgeUrl, address: str, direct: Answer) -> None:
        """Learn kind, own address and headers from the direct answer of `address`.

        Raises:
            JudgeError: the answer is of no known kind, or does not tell who we are.
        """
        self.url = url
        self.target = Target(address, url.port)
        if direct.status != 200:
            raise JudgeError(f"it answers with status {direct.status}")
        self._kind = recognized(direct.body)
        self.own = self._kind.own  # our addresses, as this judge sees them
        if is_global(address) and not any(map(is_global, self.own)):
            seen = f"it sees us at {', '.join(self.own)}, which is no global address"
            raise JudgeError(f"{seen}: a front end of its own must append to X-Forwarded-For whom it serves")
        self._own: frozenset[str] = frozenset()  # as all judges see them
        self.share_own(self.own)
        ours = isinstance(self._kind, Eagleray)
        known = url.path.partition("?")[0].rpartition("/")[0] + "/known"
        # Whoever uses it makes sure that it comes: a front end may lead elsewhere.
        self.known_url = msgspec.structs.replace(url, path=known) if ours else None

    @property
    def kind(self) -> str:
        """The name of its kind."""
        return self._kind.name

    def share_own(self, addresses: frozenset[str]) -> None:
        """Take all of `addresses` for ours: what any judge sees of us must not leak to another one."""
        if addresses == self._own:
            return
        self._own = addresses
        self._own_addresses = OwnAddresses(addresses)
        self._own_is_global = any(map(is_global, addresses))

    def nonce(self, random: str) -> str:
        """A nonce that this judge takes, from fresh random text."""
        return f"{self._kind.session}.{random}" if self._kind.session else random

    def read(self, answer: Answer, nonce: str, endpoint_host: str, local: str = "") -> Judged:
        """What the judge saw, once the answer is proven to be its own and to belong to `nonce`.

        `local` is our address on the connection to the proxy, where no NAT lies between: a judge that was
        asked over IPv4 has not told us our IPv6 address.

        Raises:
            ProbeFailed: NOT_A_PROXY.
        """
        seen = self._seen(answer, nonce)
        return Judged(self._level(seen, endpoint_host, local), seen.client)

    def confirms(self, answer: Answer, nonce: str) -> bool:
        """True where a direct answer to `nonce` shows the judge as it was learned; we may have moved."""
        try:
            seen = self._seen(answer, nonce)
        except ProbeFailed:
            return False
        if seen.client and len(self.own) < MAX_OWN:
            self.own |= {seen.client}
        return True

    def _seen(self, answer: Answer, nonce: str) -> Seen:
        if answer.status not in OK:
            raise ProbeFailed(Outcome.NOT_A_PROXY, f"HTTP status {answer.status} for the judge's page")
        try:
            return self._kind.read(answer.body, nonce)
        except UNREADABLE as error:
            raise ProbeFailed(Outcome.NOT_A_PROXY, "a page that is not the judge's") from error

    def _level(self, seen: Seen, endpoint_host: str, local: str) -> Anonymity | None:
        """The level by headers and exit address.

        Our own address as exit is a leak on the internet, but not where proxy and client share addresses.
        """
        if seen.client in self._own and self._own_is_global and endpoint_host not in self._own:
            return Anonymity.TRANSPARENT
        if seen.headers is None:
            return None
        if not seen.headers:
            return Anonymity.ELITE
        own = OwnAddresses(self._own | {local}) if local else self._own_addresses
        return classify(seen.headers, own, self._kind.baseline)

    def refuse_tampered(self, answer: Answer, nonce: str) -> None:
        """Compare the known page, byte for byte.

        Raises:
            ProbeFailed: TAMPERED; its detail is what was put in, or what stands in place of the page.
        """
        assert isinstance(self._kind, Eagleray)
        if change := difference(self._kind.known_page(nonce), answer.body):
            raise ProbeFailed(Outcome.TAMPERED, change)


def turned_away(outcome: Outcome, detail: str) -> bool:
    """True for what may be the judge's own answer: it turns away who comes by proxies, or is overloaded."""
    return outcome in MAY_BE_THE_JUDGES and detail.startswith(TURNED_AWAY)


def difference(expected: bytes, got: bytes) -> str:
    """What `got` has between the beginning and the end that it shares with `expected`, cut; empty: equal."""
    if got == expected:
        return ""
    start = shared(expected, got)
    end = shared(expected[start:][::-1], got[start:][::-1])
    stop = len(got) - end
    if start + end == len(expected):  # nothing is missing: a tag that was put in may begin before
        while start and got[start : start + 1] != b"<" and got[start - 1] == got[stop - 1]:
            start, stop = start - 1, stop - 1
    put_in = got[start : min(stop, start + MAX_EVIDENCE)]
    return put_in.decode("utf-8", "backslashreplace") or f"{len(expected) - len(got)} bytes are missing"


def shared(a: bytes, b: bytes) -> int:
    """How many bytes two texts have in common at their beginning."""
    pairs = enumerate(zip(a, b, strict=False))
    return next((at for at, (x, y) in pairs if x != y), min(len(a), len(b)))
