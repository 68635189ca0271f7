"""How endpoints are to be checked, as the user wants it."""

from enum import StrEnum

import msgspec

from eagleray.pipelines.proxies.model import Protocol
from eagleray.pipelines.proxies.protocols.target import Target
from eagleray.pipelines.proxies.targets import TargetPage


class Depth(StrEnum):
    """`quick` is one judged request per protocol tried, `full` everything."""

    QUICK = "quick"
    FULL = "full"


class CheckRules(msgspec.Struct, frozen=True):
    """How deep to look, how long to wait, and how many connections a host is burdened with; times in seconds.

    A shuffled public list never comes near `per_host` and `per_network`.
    """

    depth: Depth = Depth.FULL
    types: frozenset[Protocol] = frozenset()  # try these only; empty: all
    connect_timeout: float | None = None  # for the TCP handshake; None: learned from the run, see patience.py
    timeout: float | None = None  # from the connection to the whole answer; None: likewise
    silence: float = 1.5  # without a byte: the other protocols are tried beside it
    confirm_after: float = 0.5  # between the first success and the second request
    per_host: int = 16  # connections at a time to one address
    per_network: int = 256  # connections at a time to one /24, or /64 of IPv6
    tls_target: Target | None = None  # where a full check tries TLS through the proxy
    pages: tuple[TargetPage, ...] = ()  # the user's own targets
    ca_file: str = ""  # certificates trusted beside the system's, PEM
    dnsbl: tuple[str, ...] = ()  # DNS block lists that a full check asks about the exit address
    nameserver: str = ""  # ADDRESS[:PORT] that is asked for them; empty: the system's
