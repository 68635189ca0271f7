"""The records of the proxy pipeline, in the order in which they arise."""

from collections.abc import Iterable
from enum import StrEnum
from ipaddress import ip_address
from typing import Any
from urllib.parse import quote

import msgspec

from eagleray.pipelines.proxies.outcome import OK, Outcome


class Protocol(StrEnum):
    """What a client speaks to a proxy. `https` is HTTP with CONNECT, dialled in the clear."""

    HTTP = "http"
    HTTPS = "https"
    SOCKS4 = "socks4"
    SOCKS5 = "socks5"


class Anonymity(StrEnum):
    """What the judge learns: our address (transparent), that there is a proxy (anonymous), or neither."""

    TRANSPARENT = "transparent"
    ANONYMOUS = "anonymous"
    ELITE = "elite"


class Credentials(msgspec.Struct, frozen=True):
    """User and password for the proxy itself. The representations hide both."""

    username: str
    password: str = ""

    def __repr__(self) -> str:
        return "Credentials(***)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return []


class Endpoint(msgspec.Struct, frozen=True):
    """Where a proxy listens: a literal IPv4 or IPv6 address in its canonical form, a port 1..65535."""

    host: str
    port: int
    credentials: Credentials | None = None

    def __str__(self) -> str:
        """`host:port` or `[v6]:port`, without credentials: safe for logs."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def authority(self) -> str:
        """`[user:password@]host:port`, percent-encoded by RFC 3986: what a client dials.

        Holds the secret: for stores and output only.
        """
        if self.credentials is None:
            return str(self)
        secret = (self.credentials.username, self.credentials.password)
        return f"{':'.join(quote(part, safe='') for part in secret)}@{self}"


class Candidate(msgspec.Struct, frozen=True):
    """An endpoint as a source claims it to be. Labels are hints, never truth."""

    endpoint: Endpoint
    protocols: frozenset[Protocol] = frozenset()
    country: str = ""  # ISO 3166-1 alpha-2, upper case, or empty
    anonymity: Anonymity | None = None
    source: str = ""
    seen_at: float = 0.0  # Unix seconds
    promising: bool = False  # worth a second, longer try where no connection comes about


class ProtocolReport(msgspec.Struct, omit_defaults=True):
    """One protocol tried on one endpoint; times in milliseconds from the start of the connection."""

    outcome: Outcome
    connect_ms: float | None = None
    handshake_ms: float | None = None
    first_byte_ms: float | None = None
    total_ms: float | None = None
    detail: str = ""  # which step failed, and how
    tls_to_proxy: bool = False  # the proxy itself is spoken to over TLS


class Certificate(msgspec.Struct, frozen=True):
    """What tells one certificate from another; names by RFC 4514, cut; empty where they can't be read."""

    sha256: str  # of the DER, hexadecimal
    subject: str = ""
    issuer: str = ""
    not_after: str = ""  # ISO 8601


class TlsReport(msgspec.Struct):
    """A verified TLS handshake with the TLS target, through the proxy by `protocol`."""

    outcome: Outcome
    protocol: Protocol
    handshake_ms: float | None = None  # from the open tunnel to the end of the handshake
    certificate: Certificate | None = None  # the interceptor's


class TargetReport(msgspec.Struct):
    """One of the user's own targets; `ms` from the start of the connection to the end."""

    ok: bool
    status: int | None
    outcome: Outcome
    ms: float | None


class CheckReport(msgspec.Struct):
    """What one check found out about one endpoint."""

    endpoint: Endpoint
    outcome: Outcome
    protocols: dict[Protocol, ProtocolReport]
    anonymity: Anonymity | None = None
    exit_ip: str = ""
    confirmed: bool = False  # a second request on a new connection succeeded
    tampered: str = ""  # what was put into the known page, cut; empty where nothing was
    tls: TlsReport | None = None  # None: not looked at
    targets: dict[str, TargetReport] = {}  # by URL
    dnsbl: dict[str, str] = {}  # by zone: codes of a listing, "" for none, or "unknown: reason"
    checked_at: float = 0.0  # Unix seconds, start of the check
    node: str = ""

    @property
    def alive(self) -> bool:
        """True where at least one protocol works."""
        return self.outcome is OK

    @property
    def working(self) -> list[Protocol]:
        """The protocols that work, in the order of `Protocol`."""
        return [p for p in Protocol if p in self.protocols and self.protocols[p].outcome is OK]

    @property
    def dialable(self) -> list[Protocol]:
        """Those of them that a plain `scheme://host:port` is enough for: no TLS to the proxy."""
        return [protocol for protocol in self.working if not self.protocols[protocol].tls_to_proxy]


class Checked(msgspec.Struct, array_like=True):
    """A report on its way to the scorer, with what rode along in the lease (see pipelines.frontier)."""

    lease_id: int
    slot: int
    hint: bytes
    state: bytes
    report: CheckReport


def canonical_host(text: str) -> str:
    """Canonical form of a literal address.

    Raises:
        ValueError: `text` is not a literal IPv4 or IPv6 address (leading zeros, names and zones are not).
    """
    if "%" in text:
        raise ValueError(f"{text!r} has a zone, which means nothing elsewhere")
    return str(ip_address(text))


def ordered(protocols: Iterable[Protocol]) -> list[Protocol]:
    """The protocols in the order of `Protocol`, each once."""
    wanted = set(protocols)
    return [p for p in Protocol if p in wanted]
