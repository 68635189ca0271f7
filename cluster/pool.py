"""The pool as its readers see it: which proxies to choose, and the row that each becomes."""

from collections.abc import Sequence
from typing import Any

from eagleray.pipelines.proxies.model import Anonymity, Endpoint, Protocol, ordered
from eagleray.pipelines.proxies.packing import TLS_MARK
from eagleray.pipelines.proxies.rows import credentials, over_tls, plain, protocols, proxy_urls
from eagleray.pipelines.proxies.tables import PROXIES
from eagleray.pipelines.tables import Filter, Op, Query, Row

COPIED = (
    "country",
    "anonymity",
    "exit_ip",
    "latency_p50",
    "latency_p90",
    "quality",
    "reliability",
    "reliability_lower",
    "samples",
    "score",
    "last_ok",
    "checked_at",
    "next_due",
    "source",
)
COLUMNS = ("endpoint", "url", "urls", "protocols", *COPIED)


def alive(
    limit: int,
    wanted: Sequence[Protocol] = (),
    countries: Sequence[str] = (),
    anonymity: Sequence[Anonymity] = (),
    max_latency: float | None = None,
    min_score: float | None = None,
) -> Query:
    """The query for the best living proxies, best first; latency in milliseconds, the median."""
    conditions = (
        (True, "alive", Op.EQ),
        (row_names(wanted), "protocols", Op.HAS),
        (countries, "country", Op.IN),
        (anonymity, "anonymity", Op.IN),
        (max_latency, "latency_p50", Op.LE),
        (min_score, "score", Op.GE),
    )
    where = tuple(
        Filter(column, op, value) for value, column, op in conditions if value not in (None, (), [])
    )
    return Query(PROXIES, where, ("-score",), limit)


def row_names(wanted: Sequence[Protocol]) -> list[str]:
    """What a row calls these protocols: as they are, and over TLS to the proxy."""
    return [name for protocol in wanted for name in (str(protocol), protocol + TLS_MARK)]


def proxy_row(row: Row, wanted: Sequence[Protocol] = ()) -> dict[str, Any]:
    """A row of `PROXIES` by the names in `COLUMNS`; `urls` has only `wanted` protocols where any are named.

    `url` and `urls` hold the credentials. Times are Unix seconds, latencies milliseconds.
    """
    record = dict(zip(PROXIES.names, row, strict=True))
    working = [*protocols(plain(record["protocols"])), *(tls := protocols(over_tls(record["protocols"])))]
    endpoint = Endpoint(record["ip"], record["port"], credentials(record))
    urls = proxy_urls(endpoint, [p for p in ordered(working) if not wanted or p in wanted], tls)
    return {
        "endpoint": str(endpoint),
        "url": urls[0] if urls else "",
        "urls": urls,
        "protocols": [str(protocol) for protocol in ordered(working)],
        **{name: record[name] for name in COPIED},
    }
