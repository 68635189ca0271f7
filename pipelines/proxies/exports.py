"""The pool as lists for people and other programs, in the formats that they have today."""

import csv
from collections.abc import Iterable, Sequence
from io import StringIO
from typing import Any, NamedTuple

import msgspec

from eagleray.pipelines.proxies.model import Anonymity, Endpoint, Protocol, ordered
from eagleray.pipelines.proxies.rows import credentials, dial_schemes, over_tls, plain, protocols
from eagleray.pipelines.proxies.tables import PROXIES
from eagleray.pipelines.tables import Row

CSV_HEAD = ("host", "port", "protocols", "anon", "country", "resp_time", "error_rate")
# ProxyBroker's words, which readers of its CSV know.
LEVELS = {Anonymity.TRANSPARENT: "Transparent", Anonymity.ANONYMOUS: "Anonymous", Anonymity.ELITE: "High"}


class Listed(NamedTuple):
    """A living proxy on its way into the lists."""

    fields: dict[str, Any]
    endpoint: Endpoint
    spoken: frozenset[Protocol]  # to the proxy as they are
    schemes: list[str]  # by which a client dials it

    @property
    def bare(self) -> bool:
        """True where address and port are enough to use it: no password, no TLS to it."""
        return self.endpoint.credentials is None and bool(self.spoken)


def lists(rows: Sequence[Row]) -> dict[str, str]:
    """Files by name from rows of `PROXIES` that live, best score first; no rows make them empty.

    `all.txt` has a URL a line and scheme, with the credentials, and `proxies.json` the same by monosans'
    fields. `<protocol>.txt` and `proxies.csv` (ProxyBroker's columns) have no place for a password or TLS to
    the proxy, so what needs them is left out there.
    """
    found = sorted(map(listed, rows), key=lambda proxy: -proxy.fields["score"])
    bare = [proxy for proxy in found if proxy.bare]
    dialled = [(proxy, scheme) for proxy in found for scheme in proxy.schemes]
    return {
        "all.txt": lines(f"{scheme}://{proxy.endpoint.authority}" for proxy, scheme in dialled),
        **{f"{p}.txt": lines(str(proxy.endpoint) for proxy in bare if p in proxy.spoken) for p in Protocol},
        "proxies.csv": table(map(csv_row, bare)),
        "proxies.json": document(entry(*each) for each in dialled),
    }


def listed(row: Row) -> Listed:
    """What the lists say of a row."""
    fields = dict(zip(PROXIES.names, row, strict=True))
    spoken, tls = protocols(plain(fields["protocols"])), protocols(over_tls(fields["protocols"]))
    endpoint = Endpoint(fields["ip"], fields["port"], credentials(fields))
    return Listed(fields, endpoint, spoken, dial_schemes(ordered(spoken | tls), tls))


def lines(items: Iterable[str]) -> str:
    """One item a line."""
    return "".join(f"{item}\n" for item in items)


def csv_row(proxy: Listed) -> Sequence[Any]:
    """Seconds to the answer, and the share of checks that fail, both empty where unknown."""
    fields = proxy.fields
    return (
        proxy.endpoint.host,
        proxy.endpoint.port,
        "|".join(protocol.upper() for protocol in ordered(proxy.spoken)),
        LEVELS.get(fields["anonymity"], ""),
        fields["country"],
        seconds(fields["latency_p50"]),
        round(1 - fields["reliability"], 3),
    )


def table(rows: Iterable[Sequence[Any]]) -> str:
    """The rows as CSV under a header."""
    file = StringIO()
    csv.writer(file, lineterminator="\n").writerows((CSV_HEAD, *rows))
    return file.getvalue()


def entry(proxy: Listed, scheme: str) -> dict[str, Any]:
    """A proxy by one scheme; null where nothing is known. Times in seconds."""
    fields, country = proxy.fields, proxy.fields["country"]
    return {
        "protocol": scheme,
        "username": fields["username"] or None,
        "password": fields["password"] or None,
        "host": proxy.endpoint.host,
        "port": proxy.endpoint.port,
        "timeout": seconds(fields["latency_p50"]),
        "exit_ip": fields["exit_ip"] or None,
        "asn": None,
        "geolocation": {"country": {"iso_code": country}} if country else None,
    }


def document(entries: Iterable[dict[str, Any]]) -> str:
    """A JSON array with an entry a line."""
    return "[" + ",\n".join(msgspec.json.encode(each).decode() for each in entries) + "]\n"


def seconds(milliseconds: float | None) -> float | None:
    """Milliseconds as seconds."""
    return None if milliseconds is None else round(milliseconds / 1000, 3)
