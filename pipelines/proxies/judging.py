"""Judges: pages that say how a request reached them, and what their answers mean.

Kinds are told apart by the direct answer: `eagleray` proves each answer (see proof.py); `httpbin` echoes
headers, origin and URL as JSON, its nonce comes back in the URL.
"""

import hmac
import re
from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from urllib.parse import SplitResult, urlsplit

import msgspec

from eagleray.pipelines.addresses import is_global
from eagleray.pipelines.proxies.anonymity import classify, own_address_pattern
from eagleray.pipelines.proxies.model import Anonymity
from eagleray.pipelines.proxies.outcome import Outcome
from eagleray.pipelines.proxies.proof import prove
from eagleray.pipelines.proxies.protocols.exchange import ProbeFailed
from eagleray.pipelines.proxies.protocols.http1 import Answer
from eagleray.pipelines.proxies.protocols.target import Target

REQUEST_HEADERS = b"User-Agent: Mozilla/5.0\r\nAccept: */*\r\nConnection: close\r\n"

VISIBLE = re.compile(r"[!-~]+")  # what may stand in a request line
SESSION = re.compile(r"[A-Za-z0-9_~-]{1,64}")  # unreserved in a URL; the dot ends it in a nonce
# What decoding makes of a hostile page: wrong JSON, types, UTF-8 or addresses, and nesting without end.
UNREADABLE = (msgspec.DecodeError, ValueError, RecursionError)


class JudgeError(ValueError):
    """Raised where a URL or an answer is not that of a judge."""


class JudgeKind(StrEnum):
    """What a judge answers."""

    EAGLERAY = "eagleray"
    HTTPBIN = "httpbin"


class EaglerayAnswer(msgspec.Struct):
    """The body of our own judge."""

    judge: str
    client: str
    headers: list[tuple[str, str]]
    nonce: str = ""
    proof: str = ""
    session: str = ""
    key: str = ""


class HttpbinAnswer(msgspec.Struct):
    """The body of httpbin's `/get` and of those like it; some give each header as a list."""

    url: str
    headers: dict[str, str | list[str]]
    origin: str = ""

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The headers as (name, value)."""
        return [(name, v if isinstance(v, str) else ", ".join(v)) for name, v in self.headers.items()]

    @property
    def origins(self) -> list[str]:
        """The addresses in `origin`: those of `X-Forwarded-For`, then the peer's."""
        return [part.strip() for part in self.origin.split(",") if part.strip()]


class Judged(msgspec.Struct, frozen=True):
    """What a judge saw of one request through a proxy."""

    anonymity: Anonymity
    exit_ip: str


decode_eagleray = msgspec.json.Decoder(EaglerayAnswer).decode
decode_httpbin = msgspec.json.Decoder(HttpbinAnswer).decode


class JudgeUrl(msgspec.Struct, frozen=True):
    """A judge's URL, checked and split."""

    host: str
    port: int
    path: str  # with its query; begins with a slash

    @property
    def authority(self) -> str:
        """`host`, or `host:port` where the port is not HTTP's own."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == 80 else f"{name}:{self.port}"

    def request(self, nonce: str = "", absolute: bool = False, extra: bytes = b"") -> bytes:
        """GET with the nonce as `n` in the query; absolute for a forward proxy (RFC 9112 section 3.2.2)."""
        path = self.path + (("&" if "?" in self.path else "?") + "n=" + nonce if nonce else "")
        uri = f"http://{self.authority}{path}" if absolute else path
        line = f"GET {uri} HTTP/1.1\r\nHost: {self.authority}\r\n".encode()
        return line + REQUEST_HEADERS + extra + b"\r\n"


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
            JudgeError: the answer is of no known kind.
        """
        self.url = url
        self.target = Target(address, url.port)
        if direct.status != 200:
            raise JudgeError(f"it answers with status {direct.status}")
        self.session, self._key = "", b""
        try:
            own = self._learn_eagleray(decode_eagleray(direct.body))
        except UNREADABLE:
            own = self._learn_httpbin(direct.body)
        self._own = frozenset(own)
        self._own_pattern = own_address_pattern(own)
        self._own_is_global = any(map(is_global, own))

    def _learn_eagleray(self, answer: EaglerayAnswer) -> list[str]:
        if not SESSION.fullmatch(answer.session) or not answer.key:
            raise ValueError("no session: its proofs would prove nothing")
        self.kind = JudgeKind.EAGLERAY
        own = [canonical(answer.client)]
        self._key, self.session = bytes.fromhex(answer.key), answer.session
        self._baseline = frozenset(name.lower() for name, _ in answer.headers)
        return own

    def _learn_httpbin(self, body: bytes) -> list[str]:
        try:
            answer = decode_httpbin(body)
            own = [canonical(origin) for origin in answer.origins]
        except UNREADABLE as error:
            raise JudgeError("its answer is neither our judge's nor httpbin's") from error
        if not own:
            raise JudgeError("it does not say where a request comes from")
        self.kind = JudgeKind.HTTPBIN
        self._baseline = frozenset(name.lower() for name in answer.headers)
        return own

    def nonce(self, random: str) -> str:
        """A nonce that this judge takes, from fresh random text."""
        return f"{self.session}.{random}" if self.session else random

    def read(self, answer: Answer, nonce: str, endpoint_host: str) -> Judged:
        """What the judge saw, once the answer is proven to be its own and to belong to `nonce`.

        Raises:
            ProbeFailed: NOT_A_PROXY.
        """
        if answer.status != 200:
            raise ProbeFailed(Outcome.NOT_A_PROXY, f"HTTP status {answer.status} for the judge's page")
        try:
            if self.kind is JudgeKind.EAGLERAY:
                return self._read_eagleray(decode_eagleray(answer.body), nonce, endpoint_host)
            return self._read_httpbin(decode_httpbin(answer.body), nonce, endpoint_host)
        except UNREADABLE as error:
            raise ProbeFailed(Outcome.NOT_A_PROXY, "a page that is not the judge's") from error

    def _read_eagleray(self, answer: EaglerayAnswer, nonce: str, endpoint_host: str) -> Judged:
        proven = hmac.compare_digest(answer.proof.encode(), prove(self._key, nonce).encode())
        if answer.nonce != nonce or not proven:
            raise ProbeFailed(Outcome.NOT_A_PROXY, "the judge's proof is missing or wrong")
        return self._judged(answer.headers, canonical(answer.client), endpoint_host)

    def _read_httpbin(self, answer: HttpbinAnswer, nonce: str, endpoint_host: str) -> Judged:
        if f"n={nonce}" not in answer.url.partition("?")[2].split("&"):
            raise ProbeFailed(Outcome.NOT_A_PROXY, "the nonce did not come back")
        *forwarded, peer = answer.origins or [""]
        # httpbin hides X-Forwarded-For from the headers and shows it here
        headers = [*answer.pairs, *(("X-Forwarded-For", address) for address in forwarded)]
        return self._judged(headers, canonical(peer), endpoint_host)

    def _judged(self, headers: list[tuple[str, str]], exit_ip: str, endpoint_host: str) -> Judged:
        """The level by headers and exit address.

        Our own address as exit is a leak on the internet, but not where proxy and client share addresses.
        """
        if exit_ip in self._own and self._own_is_global and endpoint_host not in self._own:
            return Judged(Anonymity.TRANSPARENT, exit_ip)
        return Judged(classify(headers, self._own_pattern, self._baseline), exit_ip)


@lru_cache(maxsize=4096)  # an exit comes again with each protocol and each confirmation of a proxy
def canonical(text: str) -> str:
    """A literal address in its canonical form; IPv4 out of IPv6, as dual-stack servers see it.

    Raises:
        ValueError: `text` is not an address, or one with a zone: any text may stand there.
    """
    if "%" in text:
        raise ValueError("an address with a zone")
    address = ip_address(text)
    return str((isinstance(address, IPv6Address) and address.ipv4_mapped) or address)
