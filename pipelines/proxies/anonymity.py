"""What a judge learns about the client from the headers that reach it."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import islice

from eagleray.pipelines.addresses import canonical
from eagleray.pipelines.proxies.model import Anonymity

Headers = Iterable[tuple[str, str]]

# Headers that only a proxy adds, lower case and with hyphens; and the beginnings of such names.
PROXY_HEADERS = frozenset(
    {
        "cdn-loop",
        "cf-connecting-ip",
        "client-ip",
        "clientip",
        "fastly-client-ip",
        "forwarded",
        "forwarded-for",
        "http-client-ip",
        "max-forwards",
        "remote-addr",
        "true-client-ip",
        "via",
        "wl-proxy-client-ip",
        "x-bluecoat-via",
        "x-client-ip",
        "x-cluster-client-ip",
        "x-original-forwarded-for",
        "x-originating-ip",
        "x-real-ip",
        "x-remote-addr",
        "x-remote-ip",
        "x-tinyproxy",
        "x-varnish",
        "x-via",
        "xroxy-connection",
    }
)
PROXY_PREFIXES = ("proxy-", "x-forwarded", "x-proxy-", "x-proxyuser-", "http-x-forwarded")

# IPv6 in any spelling: at least two colons, IPv4 perhaps at the end. At most as long as one with a port.
COLON_GROUPS = re.compile(r"(?<![0-9A-Za-z])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f.]{0,15}){2,8}")
MAX_SPELLED = 64  # of one answer's that are parsed: a hostile page of 64 KiB holds thousands


class OwnAddresses:
    """Finds our addresses, given in their canonical form, in text."""

    def __init__(self, addresses: Iterable[str]) -> None:
        self._addresses = frozenset(addresses)
        # A colon may stand before IPv4 (`::ffff:1.2.3.4`); before IPv6 it makes another address.
        whole = [
            rf"(?<![0-9A-Za-z.{':' if ':' in address else ''}]){re.escape(address)}(?![0-9A-Za-z]|\.[0-9])"
            for address in sorted(self._addresses)
        ]
        self._canonical = re.compile("|".join(whole) or "(?!)", re.IGNORECASE)

    def stand_in(self, text: str) -> bool:
        """True where one stands in `text` as a whole: `1.2.3.4` in `for=1.2.3.4:80`, but not in `1.2.3.45`.

        IPv6 may be spelled in any way, such as Java's `0:0:0:0:0:0:0:1`, and so may IPv4 mapped into it.
        """
        if self._canonical.search(text):
            return True
        spelled = islice(COLON_GROUPS.finditer(text), MAX_SPELLED)
        return any(self._hold(match[0]) for match in spelled)

    def _hold(self, spelled: str) -> bool:
        """True for one of ours, or one with a port behind its last colon, as Java writes it."""
        return any(
            parsed(text) in self._addresses for text in (spelled.rstrip("."), spelled.rpartition(":")[0])
        )


def parsed(text: str) -> str | None:
    """A literal address in its canonical form; None for anything else."""
    try:
        return canonical(text)
    except ValueError:
        return None


def leaks(headers: Headers, own: OwnAddresses) -> bool:
    """True where our address stands in a header; in `Host` it is the judge's, which may be on our machine."""
    return own.stand_in("\n".join(value for name, value in headers if name.lower() != "host"))


def entry_counts(headers: Headers) -> Counter[str]:
    """How many entries each header has, by its name in lower case and with hyphens.

    One that is a list, as `Via` is, gets another entry by each proxy on the way.
    """
    counts: Counter[str] = Counter()
    for name, value in headers:
        counts[name.lower().replace("_", "-")] += value.count(",") + 1
    return counts


def betrays_proxy(headers: Headers, baseline: Mapping[str, int]) -> bool:
    """True where a header tells of a proxy, beyond the entries that reach the judge without one, too."""
    return any(
        (name in PROXY_HEADERS or name.startswith(PROXY_PREFIXES)) and count > baseline.get(name, 0)
        for name, count in entry_counts(headers).items()
    )


def classify(headers: Headers, own: OwnAddresses, baseline: Mapping[str, int]) -> Anonymity:
    """The level by the headers alone; `baseline` has the entry counts of a direct request's."""
    pairs = list(headers)
    if leaks(pairs, own):
        return Anonymity.TRANSPARENT
    return Anonymity.ANONYMOUS if betrays_proxy(pairs, baseline) else Anonymity.ELITE
