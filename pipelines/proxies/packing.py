"""Endpoints, hints and states as the bytes that a frontier keeps and a lease carries."""

from ipaddress import IPv6Address
from struct import Struct
from zlib import crc32

import msgspec

from eagleray.pipelines.proxies.latency import Latency
from eagleray.pipelines.proxies.model import Anonymity, Candidate, Credentials, Endpoint, Protocol, ordered
from eagleray.pipelines.proxies.score import Evidence

V4, V6 = 4, 6  # the first byte of a key
IPV4 = Struct(">B4BH")  # family, address, port
IPV6 = Struct(">B16sH")
USERNAME_LENGTH = Struct(">H")  # credentials follow as this, the user name and the password, in UTF-8

HINT = Struct("<2B2sIH")  # the fields of Hint
STATE = Struct("<4f5IH3B")  # evidence and latency, evidence.at, and the other fields of State
TLS_MARK = "+tls"  # behind the name of a protocol that is spoken to the proxy over TLS
NO_COUNTRY = bytes(2)
SOURCE_BITS = 16  # sources fall into so many bins
WELL_LISTED = 3  # bins that are many
MOST_CHECKS = 2**32 - 1  # counters stop at the end of their fields
MOST_FAILURES = 2**16 - 1

# A set of protocols is one byte, one bit each in the order of `Protocol`; tables lead there and back.
PROTOCOL_SETS = tuple(
    frozenset(protocol for bit, protocol in enumerate(Protocol) if number >> bit & 1)
    for number in range(1 << len(Protocol))
)
PROTOCOL_BITS = {protocols: number for number, protocols in enumerate(PROTOCOL_SETS)}
PROTOCOL_TEXTS = {protocols: ",".join(ordered(protocols)) for protocols in PROTOCOL_SETS}
TLS_TEXTS = {protocols: ",".join(f"{p}{TLS_MARK}" for p in ordered(protocols)) for protocols in PROTOCOL_SETS}
ANONYMITIES = (None, *Anonymity)  # its position is the code of a level
ANONYMITY_CODES = {level: code for code, level in enumerate(ANONYMITIES)}


class Hint(msgspec.Struct, gc=False):
    """What the sources claim about an endpoint."""

    protocols: frozenset[Protocol] = frozenset()
    anonymity: Anonymity | None = None
    country: str = ""  # ISO 3166-1 alpha-2, or empty
    source_id: int = 0  # see `source_id`; 0 where no source is known
    listed_in: int = 0  # a bit for the bin of each source that lists it: polling one again changes nothing

    @property
    def well_listed(self) -> bool:
        """True where many sources list it: at least `WELL_LISTED`, more where some share a bin."""
        return self.listed_in.bit_count() >= WELL_LISTED

    def pack(self) -> bytes:
        """As `HINT.size` bytes."""
        bits, code = PROTOCOL_BITS[self.protocols], ANONYMITY_CODES[self.anonymity]
        country = self.country.encode("ascii", "replace")
        return HINT.pack(bits, code, country, self.source_id, self.listed_in)

    @classmethod
    def unpack(cls, data: bytes) -> "Hint":
        """The inverse of `pack`."""
        bits, code, packed, source, listed_in = HINT.unpack(data)
        country = packed.rstrip(b"\0").decode("ascii")
        return cls(PROTOCOL_SETS[bits], ANONYMITIES[code], country, source, listed_in)


class State(msgspec.Struct, gc=False):
    """What checks found out about an endpoint. Times are whole Unix seconds, rounded down; 0 is never."""

    evidence: Evidence
    latency: Latency | None = None
    first_seen: int = 0  # start of the first check
    first_ok: int = 0
    last_ok: int = 0
    checks: int = 0
    failures_in_row: int = 0
    protocols: frozenset[Protocol] = frozenset()  # those that worked at the last success
    anonymity: Anonymity | None = None  # measured at the last success that told
    over_tls: frozenset[Protocol] = frozenset()  # those that worked over TLS to the proxy

    def pack(self) -> bytes:
        """As `STATE.size` bytes, floats in single precision."""
        latency = (self.latency.mu, self.latency.variance) if self.latency else (0.0, 0.0)
        return STATE.pack(
            self.evidence.successes,
            self.evidence.failures,
            *latency,
            int(self.evidence.at),
            self.first_seen,
            self.first_ok,
            self.last_ok,
            min(self.checks, MOST_CHECKS),
            min(self.failures_in_row, MOST_FAILURES),
            PROTOCOL_BITS[self.protocols],
            ANONYMITY_CODES[self.anonymity],
            PROTOCOL_BITS[self.over_tls],
        )

    @classmethod
    def unpack(cls, data: bytes) -> "State":
        """The inverse of `pack`; zero bytes are the state of what was never checked."""
        fields = STATE.unpack(data)
        successes, failures, mu, variance, at, first_seen, first_ok, last_ok, checks, in_row = fields[:10]
        evidence = Evidence(successes, failures, at)
        latency = Latency(mu, variance) if variance else None  # a measured variance is never 0
        sets = PROTOCOL_SETS[fields[10]], ANONYMITIES[fields[11]], PROTOCOL_SETS[fields[12]]
        return cls(evidence, latency, first_seen, first_ok, last_ok, checks, in_row, *sets)

    @property
    def spoken(self) -> str:
        """The protocols of a row: `http,socks5`, and `http+tls` for those over TLS to the proxy."""
        return ",".join(filter(None, (PROTOCOL_TEXTS[self.protocols], TLS_TEXTS[self.over_tls])))


def source_id(name: str) -> int:
    """The number that stands for a source's name in hints."""
    return crc32(name.encode())


def hint_of(candidate: Candidate) -> bytes:
    """The packed hint of one listing."""
    source = source_id(candidate.source)
    hint = Hint(candidate.protocols, candidate.anonymity, candidate.country, source, bin_of(source))
    return hint.pack()


def bin_of(source: int) -> int:
    """The bit of a source in `Hint.listed_in`; none where no source is known."""
    return 1 << source % SOURCE_BITS if source else 0


def merge(old: bytes, new: bytes) -> bytes:
    """Two packed hints as one: all protocols and sources, the first known anonymity, country and source."""
    a, b = HINT.unpack(old), HINT.unpack(new)
    country = b[2] if a[2] == NO_COUNTRY else a[2]
    return HINT.pack(a[0] | b[0], a[1] or b[1], country, a[3] or b[3], a[4] | b[4])


def endpoint_key(endpoint: Endpoint) -> bytes:
    """The endpoint's identity: family, address, port (network order), then the credentials if it has any."""
    if ":" in endpoint.host:
        key = IPV6.pack(V6, IPv6Address(endpoint.host).packed, endpoint.port)
    else:
        key = IPV4.pack(V4, *map(int, endpoint.host.split(".")), endpoint.port)
    return key + packed_credentials(endpoint.credentials) if endpoint.credentials else key


def packed_credentials(credentials: Credentials) -> bytes:
    """The tail of a key."""
    username = credentials.username.encode()
    return USERNAME_LENGTH.pack(len(username)) + username + credentials.password.encode()


def endpoint_of(key: bytes) -> Endpoint:
    """The inverse of `endpoint_key`."""
    if key[0] == V4:
        _, a, b, c, d, port = IPV4.unpack_from(key)
        host, tail = f"{a}.{b}.{c}.{d}", key[IPV4.size :]
    else:
        _, packed, port = IPV6.unpack_from(key)
        host, tail = str(IPv6Address(packed)), key[IPV6.size :]
    return Endpoint(host, port, unpacked_credentials(tail) if tail else None)


def unpacked_credentials(tail: bytes) -> Credentials:
    """The inverse of `packed_credentials`."""
    end = USERNAME_LENGTH.size + USERNAME_LENGTH.unpack_from(tail)[0]
    return Credentials(tail[USERNAME_LENGTH.size : end].decode(), tail[end:].decode())
