"""Where a proxy is asked to connect to."""

from ipaddress import IPv4Address, ip_address

import msgspec


class Target(msgspec.Struct, frozen=True):
    """A literal address or a domain name, and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        """`host:port` as HTTP writes it (RFC 9110 section 7.2)."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def packed(self) -> bytes | None:
        """The address in network order (4 or 16 bytes), or None for a name."""
        try:
            return ip_address(self.host).packed
        except ValueError:
            return None

    @property
    def is_ipv4(self) -> bool:
        """True for a literal IPv4 address."""
        try:
            return isinstance(ip_address(self.host), IPv4Address)
        except ValueError:
            return False
