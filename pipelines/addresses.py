"""Which addresses may be dialled: global ones, and the ranges that the user allows; their one spelling."""

import re
from bisect import bisect
from collections.abc import Iterable, Iterator
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network
Span = tuple[int, int]  # first and last

# Not globally reachable unicast by IANA's special-purpose registry (RFC 6890); 6to4 relays by RFC 7526.
IPV4_SPECIAL = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
MULTICAST = IPV4_SPECIAL[-2]

# Canonical dotted decimal: no leading zero, no octet beyond 255. `ipaddress` takes several times as long.
OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
IPV4_TEXT = r"\.".join([OCTET] * 4)
IPV4 = re.compile(IPV4_TEXT, re.ASCII)

# All that IANA gives out as global unicast (RFC 4291 section 2.4). Outside stand IPv4 in disguise (mapped,
# NAT64), link-local, site-local and reserved addresses.
IPV6_UNICAST = IPv6Network("2000::/3")

# Not globally reachable by the IANA special-purpose registries, but so to the `ipaddress` of some Pythons.
IPV6_6TO4 = IPv6Network("2002::/16")  # carries any IPv4 address; deprecated by RFC 7526
DOCUMENTATION = IPv6Network("3fff::/20")  # RFC 9637


def canonical(text: str) -> str:
    """A literal address in its canonical form; IPv4 out of IPv6, as dual-stack servers see it.

    Raises:
        ValueError: `text` is not an address, or one with a zone: any text may stand there.
    """
    if IPV4.fullmatch(text):
        return text
    if "%" in text:
        raise ValueError("an address with a zone")
    address = ip_address(text)
    return str((isinstance(address, IPv6Address) and address.ipv4_mapped) or address)


@lru_cache(maxsize=1024)
def parse_networks(ranges: tuple[str, ...]) -> tuple[Network, ...]:
    """CIDR texts as networks.

    Raises:
        ValueError: a text is not a network; host bits must be zero.
    """
    return tuple(ip_network(text) for text in ranges)


class Allowed:
    """Says whether an address may be dialled.

    Global unicast addresses may; everything else only where a network of `ranges` holds it.
    """

    def __init__(self, ranges: Iterable[str] = ()) -> None:
        networks = parse_networks(tuple(ranges))
        forbidden = [span(network) for network in IPV4_SPECIAL]
        for network in networks:
            if isinstance(network, IPv4Network):
                forbidden = list(without(forbidden, *span(network)))
        # Where what is forbidden begins and ends: an odd number of these at or below an address forbids it.
        self._edges = [edge for first, last in forbidden for edge in (first, last + 1)]
        # Most addresses are told by their first octet: below it all is allowed, or nothing.
        mixed = {edge >> 24 for edge in self._edges if edge % (1 << 24)}
        self._by_octet = {
            str(octet): self._allows_ipv4(octet << 24) for octet in range(256) if octet not in mixed
        }
        self._ipv6 = [network for network in networks if isinstance(network, IPv6Network)]

    def __call__(self, host: str) -> bool:
        """True where the literal address `host` may be dialled; False for anything that is no address."""
        if IPV4.fullmatch(host) is None:
            return self._allows_ipv6(host)
        allowed = self._by_octet.get(host.split(".", 1)[0])
        return self._allows_ipv4(int(IPv4Address(host))) if allowed is None else allowed

    def lists(self, host: str) -> bool:
        """True where a list may name the literal address `host`: as for a dial, and global multicast.

        The registries call multicast global, so it is not among what a list is refused; the dial refuses it.
        """
        return self(host) or (bool(IPV4.fullmatch(host)) and IPv4Address(host) in MULTICAST)

    def _allows_ipv4(self, number: int) -> bool:
        return bisect(self._edges, number) % 2 == 0

    def _allows_ipv6(self, host: str) -> bool:
        try:
            address = IPv6Address(host)
        except ValueError:
            return False
        return is_global_ipv6(address) or any(address in network for network in self._ipv6)


def span(network: IPv4Network) -> Span:
    """The first and the last address of a network, as numbers."""
    return int(network.network_address), int(network.broadcast_address)


def without(spans: Iterable[Span], first: int, last: int) -> Iterator[Span]:
    """What is left of `spans`, in order, where `first` to `last` is taken out."""
    for begin, end in spans:
        if last < begin or end < first:
            yield begin, end
            continue
        if begin < first:
            yield begin, first - 1
        if last < end:
            yield last + 1, end


def is_global_ipv6(address: IPv6Address) -> bool:
    """Globally reachable unicast, without a zone."""
    if address not in IPV6_UNICAST or address in IPV6_6TO4 or address in DOCUMENTATION:
        return False
    return address.is_global and not address.scope_id


is_global = Allowed()  # True for a literal address that is globally reachable unicast
