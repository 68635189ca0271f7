"""Where a proxy is asked to connect to."""

import re
from functools import lru_cache
from ipaddress import ip_address

import msgspec

# As DNS writes names (RFC 1035 section 2.3.4), hence below the 255 bytes that SOCKS5 can carry; no character
# of it can end a line or a field.
NAME = re.compile(r"[A-Za-z0-9._-]{1,253}")


class Target(msgspec.Struct, frozen=True):
    """A literal address or a domain name in ASCII, and a port 1..65535."""

    host: str
    port: int

    def __post_init__(self) -> None:
        """Refuse what no protocol can carry.

        Raises:
            ValueError: `host` is neither an address nor a name, or the port is out of range.
        """
        if self.packed is None and not NAME.fullmatch(self.host):
            raise ValueError(f"{self.host!r} is neither an address nor a name in ASCII")
        if not 0 < self.port < 65536:
            raise ValueError(f"{self.port} is not a port")

    def __str__(self) -> str:
        """`host:port` as HTTP writes it (RFC 9110 section 7.2)."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def packed(self) -> bytes | None:
        """The address in network order (4 or 16 bytes), or None for a name."""
        return pack(self.host)


@lru_cache(maxsize=1024)  # every check asks for the same few targets
def pack(host: str) -> bytes | None:
    """A literal address without a zone in network order, or None."""
    try:
        return None if "%" in host else ip_address(host).packed
    except ValueError:
        return None
