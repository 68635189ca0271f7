"""Which addresses may be dialled: global ones, and the ranges that the user allows."""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

NAT64 = IPv6Network("64:ff9b::/96")


def embedded_ipv4(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for (mapped, 6to4, Teredo, NAT64), else itself."""
    if isinstance(address, IPv4Address):
        return address
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo[1] if address.teredo else None
    return address.ipv4_mapped or address.sixtofour or teredo or address


@lru_cache(maxsize=1024)
def parse_networks(ranges: tuple[str, ...]) -> tuple[Network, ...]:
    """CIDR texts as networks.

    Raises:
        ValueError: a text is not a network; host bits must be zero.
    """
    return tuple(ip_network(text) for text in ranges)


class Allowed:
    """Says whether an address may be dialled.

    Global unicast addresses may; everything else only where a network of `ranges` holds it. An IPv6 address
    that carries an IPv4 address is judged by both.
    """

    def __init__(self, ranges: Iterable[str] = ()) -> None:
        self._networks = parse_networks(tuple(ranges))
        self._cached = lru_cache(maxsize=65536)(self._decide)

    def __call__(self, host: str) -> bool:
        """True where the literal address `host` may be dialled; False for anything that is no address."""
        return self._cached(host)

    def _decide(self, host: str) -> bool:
        try:
            address = ip_address(host)
        except ValueError:
            return False
        if any(address in network for network in self._networks if network.version == address.version):
            return True
        return is_global(address) and is_global(embedded_ipv4(address))


def is_global(address: Address) -> bool:
    """Globally reachable unicast, by the IANA registries that `ipaddress` carries."""
    return address.is_global and not address.is_multicast and not address.is_reserved
