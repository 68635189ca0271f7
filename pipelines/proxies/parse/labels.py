"""What a list says about an endpoint besides its address, and the words it says it with."""

import re
from collections.abc import Iterable

import msgspec

from eagleray.pipelines.proxies.model import Anonymity, Candidate, Endpoint, Protocol

HTTP = frozenset({Protocol.HTTP})
HTTPS = frozenset({Protocol.HTTPS})
SOCKS4 = frozenset({Protocol.SOCKS4})
SOCKS5 = frozenset({Protocol.SOCKS5})

# `https://ip:port` on a list is an HTTP proxy that can CONNECT, and hardly ever TLS to the proxy itself.
PROTOCOLS = {
    "http": HTTP,
    "https": HTTPS,
    "connect": HTTPS,
    "socks4": SOCKS4,
    "socks4a": SOCKS4,
    "socks5": SOCKS5,
    "socks5h": SOCKS5,
    "socks": SOCKS4 | SOCKS5,
}
ANONYMITY = {
    "transparent": Anonymity.TRANSPARENT,
    "noa": Anonymity.TRANSPARENT,
    "anonymous": Anonymity.ANONYMOUS,
    "anm": Anonymity.ANONYMOUS,
    "elite": Anonymity.ELITE,
    "high": Anonymity.ELITE,
    "hia": Anonymity.ELITE,
}
COUNTRY = re.compile(r"[A-Z]{2}")
# `CO-N-S!`: country, Noa / Anm / Hia, SSL support; the exclamation mark tells of another exit address.
COUNTRY_ANONYMITY_SSL = re.compile(r"([A-Z]{2})-([NAH])!?(-S)?!?")
ANONYMITY_LETTER = {"N": Anonymity.TRANSPARENT, "A": Anonymity.ANONYMOUS, "H": Anonymity.ELITE}
WORD = re.compile(r"[a-z][a-z0-9]*")


class Labels(msgspec.Struct, frozen=True):
    """What is known of all entries of a document: from the source's configuration, and where it came from.

    `credentials_last` reads `ip:port:user:password`; without it these fields are country and anonymity where
    one of them can be.
    """

    protocols: frozenset[Protocol] = frozenset()
    country: str = ""  # ISO 3166-1 alpha-2, upper case, or empty
    anonymity: Anonymity | None = None
    credentials_last: bool = False
    source: str = ""
    seen_at: float = 0.0  # Unix seconds


def candidate(endpoint: Endpoint, labels: Labels) -> Candidate:
    """The endpoint with everything that is claimed of it."""
    return Candidate(
        endpoint, labels.protocols, labels.country, labels.anonymity, labels.source, labels.seen_at
    )


def with_words(labels: Labels, words: Iterable[str]) -> Labels:
    """The labels, overruled by what the words next to an entry say; unknown words say nothing."""
    protocols, country, anonymity = frozenset[Protocol](), "", None
    for word in words:
        if match := COUNTRY_ANONYMITY_SSL.fullmatch(word):
            country, anonymity = match[1], ANONYMITY_LETTER[match[2]]
            protocols = labels.protocols | HTTPS if match[3] else protocols
        elif COUNTRY.fullmatch(word):
            country = country or word
        else:
            protocols |= PROTOCOLS.get(word.lower(), frozenset())
            anonymity = anonymity or ANONYMITY.get(word.lower())
    return overruled(labels, protocols, country, anonymity)


def overruled(
    labels: Labels, protocols: frozenset[Protocol], country: str, anonymity: Anonymity | None
) -> Labels:
    """The labels, with those that an entry itself gives in their place."""
    if not (protocols or country or anonymity):
        return labels
    return msgspec.structs.replace(
        labels,
        protocols=protocols or labels.protocols,
        country=country or labels.country,
        anonymity=anonymity or labels.anonymity,
    )


def protocols_in(value: object) -> frozenset[Protocol]:
    """The protocols that a field names: `"socks5"`, `"HTTP/HTTPS"`, `["http", "socks4"]`, `"['http']"`."""
    if isinstance(value, list):
        return frozenset[Protocol]().union(*(protocols_in(item) for item in value if isinstance(item, str)))
    if not isinstance(value, str):
        return frozenset()
    return frozenset[Protocol]().union(*(PROTOCOLS.get(word, ()) for word in WORD.findall(value.lower())))


def anonymity_in(value: object) -> Anonymity | None:
    """The level that a field's first word names: `"elite proxy"`, `"high_anonymous"`, `"Transparent"`."""
    words = WORD.findall(value.lower()) if isinstance(value, str) else []
    return ANONYMITY.get(words[0]) if words else None
