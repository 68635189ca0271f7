"""DNS block lists (RFC 5782): what they are asked about an exit address, and what their answers mean.

A verdict is a text: the codes of a listing in ascending order, joined by commas; empty where the address is
not listed; or `unknown: reason`, which is never held against a proxy.
"""

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, ip_address
from typing import NamedTuple

from eagleray.pipelines.proxies.protocols.target import Target, pack

MAX_ZONES = 16  # lists of a check: each is asked about every exit address
MAX_ZONE = 189  # characters: 253 of a name (RFC 1035), less the 64 of an IPv6 address's nibbles
DNS_PORT = 53

# Service labels may begin with an underscore. Not a number at the end: that is an address.
LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?"
ZONE = re.compile(rf"({LABEL}\.)*(?![0-9]+$){LABEL}")
ADDRESS_AND_PORT = re.compile(r"(?:\[(?P<v6>[^][]+)\]|(?P<v4>[0-9.]+))(?::(?P<port>[0-9]{1,5}))?")

CODES = IPv4Network("127.0.0.0/8")
REFUSALS = IPv4Network("127.255.255.0/24")  # of Spamhaus, and of others since: errors, not listings
REFUSED_WHY = {
    "127.255.255.252": "no such list",
    "127.255.255.254": "it was asked through a public resolver",
    "127.255.255.255": "it was asked too often",
}
UNKNOWN = "unknown: "


class TestEntries(NamedTuple):
    """What every list holds for its users' tests, and what none may hold (RFC 5782 section 5)."""

    listed: str
    unlisted: str


TEST_ENTRIES = {  # by version of IP
    4: TestEntries("127.0.0.2", "127.0.0.1"),
    6: TestEntries("::ffff:127.0.0.2", "::ffff:127.0.0.1"),
}


def parse_zone(text: str) -> str:
    """The name of a list in lower case, without the dot at its end.

    Raises:
        ValueError: it is no domain name in ASCII, or too long to be asked about IPv6 addresses.
    """
    zone = text.lower().removesuffix(".")
    if not ZONE.fullmatch(zone):
        raise ValueError(f"{text!r} is not the name of a DNS zone")
    if len(zone) > MAX_ZONE:
        raise ValueError(
            f"a zone of {len(zone)} characters leaves no room for an address: at most {MAX_ZONE}"
        )
    return zone


def parse_nameserver(text: str) -> Target:
    """`address`, `address:port` or `[v6]:port`; port 53 where none is given.

    Raises:
        ValueError: it is not; a name can't be: it would have to be asked for.
    """
    match = ADDRESS_AND_PORT.fullmatch(text if text.startswith("[") or text.count(":") < 2 else f"[{text}]")
    packed = pack(match["v6"] or match["v4"]) if match else None
    if match is None or packed is None or (len(packed) == 16) is not bool(match["v6"]):
        raise ValueError(f"{text!r} is not ADDRESS[:PORT]")
    return Target(match["v6"] or match["v4"], int(match["port"] or DNS_PORT))


def query_name(address: str, zone: str) -> str:
    """The name to look up: the reversed octets or nibbles of `address`, in `zone` (RFC 5782 section 2).

    Raises:
        ValueError: `address` is no literal address.
    """
    packed = ip_address(address).packed
    parts = list(map(str, packed)) if len(packed) == 4 else list(packed.hex())
    return ".".join([*reversed(parts), zone])


def ip_version(address: str) -> int:
    """4 or 6, of a literal address."""
    return 6 if ":" in address else 4


def unknown(reason: str) -> str:
    """The verdict where nothing can be said."""
    return UNKNOWN + reason


def is_unknown(verdict: str) -> bool:
    """True where the list said nothing."""
    return verdict.startswith(UNKNOWN)


def verdict(records: Iterable[str]) -> str:
    """What the A records of an answer say; none (or no such name) is not listed."""
    codes = sorted({IPv4Address(record) for record in records})
    for code in codes:
        if code not in CODES:
            return unknown(f"{code} is no list's answer: the resolver makes up its own")
    for code in codes:
        if code in REFUSALS:
            why = REFUSED_WHY.get(str(code))
            return unknown(f"the list refuses to answer, {code}" + (f": {why}" if why else ""))
    return ",".join(map(str, codes))


def self_test_problem(version: int, listed: str, unlisted: str) -> str:
    """Why a list is no use for addresses of this version, by its verdicts on both test entries; or empty."""
    for each in (listed, unlisted):
        if is_unknown(each):
            return each.removeprefix(UNKNOWN)
    if not listed:
        return f"it does not list {TEST_ENTRIES[version].listed}, as each list of IPv{version} addresses does"
    if unlisted:
        return f"it lists {TEST_ENTRIES[version].unlisted}, so probably everything"
    return ""
