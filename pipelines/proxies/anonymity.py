"""What a judge learns about the client from the headers that reach it."""

import re
from collections.abc import Iterable

from eagleray.pipelines.proxies.model import Anonymity

Headers = Iterable[tuple[str, str]]

# Headers that only a proxy adds, lower case; and the beginnings of such names.
PROXY_HEADERS = frozenset(
    {
        "cf-connecting-ip",
        "client-ip",
        "forwarded",
        "forwarded-for",
        "http-client-ip",
        "true-client-ip",
        "via",
        "wl-proxy-client-ip",
        "x-bluecoat-via",
        "x-client-ip",
        "x-cluster-client-ip",
        "x-originating-ip",
        "x-real-ip",
        "x-remote-addr",
        "x-remote-ip",
        "x-tinyproxy",
        "xroxy-connection",
    }
)
PROXY_PREFIXES = ("proxy-", "x-forwarded", "x-proxy-", "http-x-forwarded")

# Headers whose value we chose ourselves: the judge's own address in `Host` says nothing about us.
OUR_HEADERS = frozenset({"host", "user-agent", "accept", "connection"})


def own_address_pattern(addresses: Iterable[str]) -> re.Pattern[str]:
    """Matches any of our addresses as a whole: `1.2.3.4` in `for=1.2.3.4:80`, but not in `1.2.3.45`."""
    # A colon may stand before IPv4 (`::ffff:1.2.3.4`); before IPv6 it makes another address.
    whole = [
        rf"(?<![0-9A-Za-z.{':' if ':' in address else ''}]){re.escape(address)}(?![0-9A-Za-z]|\.[0-9])"
        for address in sorted(addresses)
    ]
    return re.compile("|".join(whole) or "(?!)", re.IGNORECASE)


def leaks(headers: Headers, own: re.Pattern[str]) -> bool:
    """True where our address stands in a header that we did not set."""
    return any(name.lower() not in OUR_HEADERS and own.search(value) for name, value in headers)


def betrays_proxy(headers: Headers, baseline: frozenset[str]) -> bool:
    """True where a header tells of a proxy; those of `baseline` reach the judge without one, too."""
    names = {name.lower() for name, _ in headers} - baseline
    return any(name in PROXY_HEADERS or name.startswith(PROXY_PREFIXES) for name in names)


def classify(headers: Headers, own: re.Pattern[str], baseline: frozenset[str]) -> Anonymity:
    """The level by the headers alone."""
    pairs = list(headers)
    if leaks(pairs, own):
        return Anonymity.TRANSPARENT
    return Anonymity.ANONYMOUS if betrays_proxy(pairs, baseline) else Anonymity.ELITE
