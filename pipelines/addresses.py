"""Which addresses may be dialled: global ones, and the ranges that the user allows."""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# All that IANA gives out as global unicast (RFC 4291 section 2.4). Outside stand IPv4 in disguise (mapped,
# NAT64), link-local, site-local and reserved addresses.
IPV6_UNICAST = IPv6Network("2000::/3")

# Not globally reachable by the IANA special-purpose registries, but so to the `ipaddress` of some Pythons.
RELAYS_6TO4 = IPv4Network("192.88.99.0/24")  # deprecated by RFC 7526
IPV6_6TO4 = IPv6Network("2002::/16")  # carries any IPv4 address; deprecated by RFC 7526
DOCUMENTATION = IPv6Network("3fff::/20")  # RFC 9637


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
        self._networks = parse_networks(tuple(ranges))
        self._cached = lru_cache(maxsize=65536)(self._decide)

    def __call__(self, host: str) -> bool:
        """True where the literal address `host` may be dialled; False for anything that is no address."""
        return self._cached(host)

    def lists(self, host: str) -> bool:
        """True where a list may name the literal address `host`: as for a dial, and global multicast.

        The registries call multicast global, so it is not among what a list is refused; the dial refuses it.
        """
        if self(host):
            return True
        address = ip_address(host)
        return address.is_multicast and address.is_global

    def _decide(self, host: str) -> bool:
        try:
            address = ip_address(host)
        except ValueError:
            return False
        if any(address in network for network in self._networks if network.version == address.version):
            return True
        return is_global(address)


def is_global(address: Address) -> bool:
    """Globally reachable unicast by the IANA registries, without a zone."""
    if isinstance(address, IPv4Address):
        return address.is_global and not address.is_multicast and address not in RELAYS_6TO4
    if address not in IPV6_UNICAST or address in IPV6_6TO4 or address in DOCUMENTATION:
        return False
    return address.is_global and not address.scope_id
