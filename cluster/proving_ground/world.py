"""The plan of the proving ground: which endpoints there are, and how each one behaves. Pure and seeded."""

import random
from collections.abc import Iterable, Mapping
from enum import StrEnum
from ipaddress import IPv4Address
from socket import inet_ntoa  # four times as fast as ipaddress
from typing import NamedTuple

import msgspec

from eagleray.pipelines.proxies.model import Anonymity, Protocol
from eagleray.pipelines.proxies.outcome import Outcome

FIRST_ADDRESS = int(IPv4Address("127.1.0.0"))  # above 127.0.x.x, where a machine's own servers listen
LAST_ADDRESS = int(IPv4Address("127.254.255.255"))  # below the broadcast address 127.255.255.255
OTHER_EXIT = 0.28  # share of live proxies that exit from another address than they listen on
DELAY_SIGMA = 0.8  # of the logarithm: spreads a median of 0.7 s up to some 7 s
DELAY_LIMIT = 10  # medians; no answer takes longer


class Kind(StrEnum):
    """How an endpoint behaves. The first nine are alive, the others must not be taken for a proxy."""

    HTTP = "http"  # forwards requests, answers 405 to CONNECT
    HTTP_CONNECT = "http_connect"  # forwards requests and tunnels
    CONNECT = "connect"  # tunnels, answers 405 to a request to forward
    SOCKS4 = "socks4"  # addresses only; closes on any other protocol
    SOCKS4_SILENT = "socks4_silent"  # the same, but hangs on any other protocol
    SOCKS5 = "socks5"  # without authentication; closes on any other protocol
    MIXED = "mixed"  # SOCKS5, HTTP and CONNECT on one port
    INTERCEPTOR = "interceptor"  # as http_connect, but shows a certificate of its own for the TLS target
    TLS_TO_PROXY = "tls_to_proxy"  # as http_connect, but over TLS only
    REFUSED = "refused"  # nothing listens
    LOST_SYN = "lost_syn"  # no answer to a SYN, ever
    HANG = "hang"  # accepts and says nothing
    CLOSE = "close"  # accepts and closes
    CLOSE_AFTER_REQUEST = "close_after_request"  # closes on the first byte
    GARBAGE = "garbage"  # answers bytes of no protocol
    WEB_SERVER = "web_server"  # 404 for any URL
    CAPTIVE = "captive"  # 200 with its own page for any URL
    CAPTIVE_ECHO = "captive_echo"  # its page repeats the URL, nonce and all
    FORGED = "forged"  # answers in the judge's own shape, with a made-up proof
    ONCE = "once"  # an HTTP proxy that forwards one request and then closes for ever
    INJECTOR = "injector"  # an HTTP proxy that puts a script into every HTML page
    DRIP = "drip"  # one byte of an answer a second
    ENDLESS_HEADERS = "endless_headers"  # headers without end
    ENDLESS_BODY = "endless_body"  # a body without end
    SOCKS5_AUTH = "socks5_auth"  # SOCKS5, wants a user and a password and takes none


HTTP, HTTPS, SOCKS4, SOCKS5 = Protocol.HTTP, Protocol.HTTPS, Protocol.SOCKS4, Protocol.SOCKS5

LIVE: Mapping[Kind, frozenset[Protocol]] = {
    Kind.HTTP: frozenset({HTTP}),
    Kind.HTTP_CONNECT: frozenset({HTTP, HTTPS}),
    Kind.CONNECT: frozenset({HTTPS}),
    Kind.SOCKS4: frozenset({SOCKS4}),
    Kind.SOCKS4_SILENT: frozenset({SOCKS4}),
    Kind.SOCKS5: frozenset({SOCKS5}),
    Kind.MIXED: frozenset({HTTP, HTTPS, SOCKS5}),
    Kind.INTERCEPTOR: frozenset({HTTP}),
    Kind.TLS_TO_PROXY: frozenset({HTTP, HTTPS}),
}

# What a TLS handshake through a live proxy comes to, where it is not OK.
TLS = {Kind.HTTP: Outcome.FORBIDDEN, Kind.INTERCEPTOR: Outcome.TLS_INTERCEPTED}


class Mix(StrEnum):
    """Which share of the endpoints is of which kind."""

    DEMO = "demo"  # a quarter alive, quick answers: something to see in seconds
    FIELD = "field"  # the proportions of public lists: 1.1 % alive, most SYNs lost, slow answers


# Per cent of the endpoints.
SHARES: Mapping[Mix, Mapping[Kind, float]] = {
    Mix.DEMO: {
        Kind.HTTP: 5,
        Kind.HTTP_CONNECT: 5,
        Kind.INTERCEPTOR: 1,
        Kind.TLS_TO_PROXY: 1,
        Kind.CONNECT: 2,
        Kind.SOCKS4: 3,
        Kind.SOCKS4_SILENT: 1,
        Kind.SOCKS5: 5,
        Kind.MIXED: 2,
        Kind.REFUSED: 18,
        Kind.LOST_SYN: 22,
        Kind.HANG: 6,
        Kind.CLOSE: 4,
        Kind.CLOSE_AFTER_REQUEST: 3,
        Kind.GARBAGE: 2,
        Kind.WEB_SERVER: 3,
        Kind.CAPTIVE: 3,
        Kind.CAPTIVE_ECHO: 2,
        Kind.FORGED: 2,
        Kind.ONCE: 5,
        Kind.INJECTOR: 1,
        Kind.DRIP: 1,
        Kind.ENDLESS_HEADERS: 1,
        Kind.ENDLESS_BODY: 1,
        Kind.SOCKS5_AUTH: 1,
    },
    Mix.FIELD: {
        Kind.HTTP: 0.22,
        Kind.HTTP_CONNECT: 0.36,
        Kind.INTERCEPTOR: 0.01,
        Kind.TLS_TO_PROXY: 0.01,
        Kind.CONNECT: 0.06,
        Kind.SOCKS4: 0.12,
        Kind.SOCKS4_SILENT: 0.045,
        Kind.SOCKS5: 0.22,
        Kind.MIXED: 0.055,
        Kind.REFUSED: 20,
        Kind.LOST_SYN: 55,
        Kind.HANG: 10,
        Kind.CLOSE: 4,
        Kind.CLOSE_AFTER_REQUEST: 2,
        Kind.GARBAGE: 1,
        Kind.WEB_SERVER: 4,
        Kind.CAPTIVE: 0.9,
        Kind.CAPTIVE_ECHO: 0.35,
        Kind.FORGED: 0.2,
        Kind.ONCE: 1.25,
        Kind.INJECTOR: 0.05,
        Kind.DRIP: 0.04,
        Kind.ENDLESS_HEADERS: 0.03,
        Kind.ENDLESS_BODY: 0.03,
        Kind.SOCKS5_AUTH: 0.05,
    },
}

MEDIAN_DELAY = {Mix.DEMO: 50.0, Mix.FIELD: 700.0}  # milliseconds before a live proxy dials its target

# What a forwarded request tells the judge about its client; CONNECT and SOCKS add nothing to a request.
ANONYMITY = {Anonymity.TRANSPARENT: 40, Anonymity.ANONYMOUS: 20, Anonymity.ELITE: 40}


class Ports(NamedTuple):
    """The ports of the ground: those listened on, one that loses SYNs, one that refuses, one for TLS."""

    open: tuple[int, ...]
    lost: int
    refused: int
    tls: int


class Truth(msgspec.Struct, frozen=True):
    """What there is to find out about one endpoint."""

    ip: str
    port: int
    kind: Kind
    alive: bool
    protocols: frozenset[Protocol]  # those that work, again and again; empty for the dead
    tls: Outcome | None  # what a handshake with the TLS target comes to; None for the dead
    anonymity: Anonymity | None  # of the plainest protocol; None for the dead
    exit_ip: str  # the address that targets see; empty for the dead
    delay_ms: float  # before the proxy dials a target; 0 where it never does

    @property
    def address(self) -> str:
        """`ip:port`."""
        return f"{self.ip}:{self.port}"


def plan(mix: Mix, endpoints: int, seed: int, ports: Ports) -> list[Truth]:
    """The world of a seed. Ports apart, which the system gives, it is the same at every start."""
    rng = random.Random(seed)  # noqa: S311 - a reproducible world, not a secret
    kinds = apportioned(SHARES[mix], endpoints)
    rng.shuffle(kinds)
    drawn = rng.sample(range(FIRST_ADDRESS, LAST_ADDRESS), 2 * endpoints)
    addresses = [inet_ntoa(number.to_bytes(4)) for number in drawn]
    places = zip(kinds, addresses[:endpoints], addresses[endpoints:], strict=True)
    return [settled(rng, mix, ports, kind, own, other) for kind, own, other in places]


def settled(rng: random.Random, mix: Mix, ports: Ports, kind: Kind, own: str, other: str) -> Truth:
    """One endpoint of a kind; `other` is an address that no endpoint has, for its exit."""
    alive = kind in LIVE
    dials = alive or kind in (Kind.ONCE, Kind.INJECTOR)
    return Truth(
        ip=own,
        port=port_for(rng, ports, kind),
        kind=kind,
        alive=alive,
        protocols=LIVE.get(kind, frozenset()),
        tls=TLS.get(kind, Outcome.OK) if alive else None,
        anonymity=anonymity_for(rng, LIVE[kind]) if alive else None,
        exit_ip=(other if rng.random() < OTHER_EXIT else own) if alive else "",
        delay_ms=round(delay(rng, MEDIAN_DELAY[mix]), 1) if dials else 0.0,
    )


def port_for(rng: random.Random, ports: Ports, kind: Kind) -> int:
    """The port on which a kind is at home."""
    homes = {Kind.LOST_SYN: ports.lost, Kind.REFUSED: ports.refused, Kind.TLS_TO_PROXY: ports.tls}
    return homes[kind] if kind in homes else rng.choice(ports.open)


def anonymity_for(rng: random.Random, protocols: Iterable[Protocol]) -> Anonymity:
    """Drawn for a proxy that forwards requests; one that tunnels has no way to tell."""
    if HTTP not in protocols:
        return Anonymity.ELITE
    return rng.choices(list(ANONYMITY), list(ANONYMITY.values()))[0]


def delay(rng: random.Random, median: float) -> float:
    """A log-normal time around `median`, cut at `DELAY_LIMIT` medians; in the unit of the median."""
    return median * min(rng.lognormvariate(0, DELAY_SIGMA), DELAY_LIMIT)


def apportioned(shares: Mapping[Kind, float], total: int) -> list[Kind]:
    """`total` kinds in proportion to `shares`, by the largest remainder (Hamilton's method)."""
    whole = sum(shares.values())
    exact = {kind: total * share / whole for kind, share in shares.items()}
    counts = {kind: int(count) for kind, count in exact.items()}
    by_remainder = sorted(exact, key=lambda kind: counts[kind] - exact[kind])
    for kind in by_remainder[: total - sum(counts.values())]:
        counts[kind] += 1
    return [kind for kind, count in counts.items() for _ in range(count)]


def encode_truth(world: Iterable[Truth]) -> bytes:
    """NDJSON: one endpoint a line."""
    return msgspec.json.Encoder(order="deterministic").encode_lines(world)


def decode_truth(data: bytes) -> list[Truth]:
    """The inverse of `encode_truth`.

    Raises:
        msgspec.MsgspecError: a line is not a `Truth`.
    """
    return msgspec.json.Decoder(Truth).decode_lines(data)
