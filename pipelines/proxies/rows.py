"""What a row of `PROXIES` says of its proxy: where it listens, what it speaks, how a client dials it."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from eagleray.pipelines.proxies.model import Credentials, Endpoint, Protocol
from eagleray.pipelines.proxies.packing import TLS_MARK

# What a client is told to speak: `https` is HTTP with CONNECT, and `https://` means TLS to the proxy.
SCHEMES = {Protocol.HTTPS: "http"}


def credentials(fields: Mapping[str, Any]) -> Credentials | None:
    """The credentials of a row: a user name and a password that are both empty are none."""
    username, password = fields["username"], fields["password"]
    return Credentials(username, password) if username or password else None


def plain(spoken: str) -> str:
    """The protocols of a row that are spoken to the proxy as they are."""
    return ",".join(name for name in spoken.split(",") if not name.endswith(TLS_MARK))


def over_tls(spoken: str) -> str:
    """The protocols of a row that are spoken to the proxy over TLS."""
    return ",".join(name.removesuffix(TLS_MARK) for name in spoken.split(",") if name.endswith(TLS_MARK))


def protocols(text: str) -> frozenset[Protocol]:
    """Protocols from a comma-separated text."""
    return frozenset(map(Protocol, text.split(","))) if text else frozenset()


def dial_schemes(spoken: Iterable[Protocol], tls: Collection[Protocol] = ()) -> list[str]:
    """The URL schemes by which a client dials these protocols, each once. `tls`: spoken over TLS."""
    return list(
        dict.fromkeys(
            "https" if protocol in tls else SCHEMES.get(protocol, str(protocol)) for protocol in spoken
        )
    )


def proxy_urls(endpoint: Endpoint, spoken: Iterable[Protocol], tls: Collection[Protocol] = ()) -> list[str]:
    """A URL for each protocol, each once: what a client is given as its proxy. `tls`: spoken over TLS."""
    return [f"{scheme}://{endpoint.authority}" for scheme in dial_schemes(spoken, tls)]
