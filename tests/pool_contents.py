"""What each kind of store holds of the proxy tables, asked by other programs than Eagleray.

A check is (address, port, lease, latency), a state as well. Lists, not sets: what is there twice shows.
"""

import sqlite3
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from redis import Redis

from eagleray.pipelines.proxies.tables import CHECKS, PROXIES
from eagleray.pipelines.tables import Table
from tests import file_contents
from tests.servers.clickhouse import ClickHouse
from tests.servers.postgresql import PostgreSQL

Found = tuple[str, int, int, float | None]

CHECKED = "SELECT ip, port, lease_id, latency FROM checks"
STATES = "SELECT ip, port, lease_id, latency_p50 FROM proxies"
SETS = {"proxies": "protocols", "proxies:country": "country", "proxies:anonymity": "anonymity"}
NULLS = {None, "", "\\N"}


class Contents(NamedTuple):
    """The rows of a store; None where it keeps no history."""

    checks: list[Found] | None
    states: list[Found]


def sqlite(path: Path) -> Contents:
    with closing(sqlite3.connect(path)) as connection:
        return Contents(*(connection.execute(statement).fetchall() for statement in (CHECKED, STATES)))


def postgresql(server: PostgreSQL, database: str) -> Contents:
    checks, states = (server.sql(text.replace("ip,", "host(ip),"), database) for text in (CHECKED, STATES))
    return Contents(table(checks, "|"), table(states, "|"))


def clickhouse(server: ClickHouse, database: str) -> Contents:
    checks, states = (server.query(text, database=database) for text in (CHECKED, f"{STATES} FINAL"))
    return Contents(table(checks, "\t"), table(states, "\t"))


def redis(client: Redis, prefix: str) -> Contents:
    """The living ones; each stands in the ranking, and in the sets of its values."""
    before = f"{prefix}proxy:"
    rows = {key.removeprefix(before): client.hgetall(key) for key in client.scan_iter(f"{before}*", 1000)}
    assert set(client.zrange(f"{prefix}proxies:score", 0, -1)) == rows.keys()
    for name, column in SETS.items():
        members: dict[str, set[str]] = {}
        for member, row in rows.items():
            for value in filter(None, row[column].split(",")):
                members.setdefault(value, set()).add(member)
        for value, those in members.items():
            assert client.smembers(f"{prefix}{name}:{value}") == those
    return Contents(None, [found(row, "latency_p50") for row in rows.values()])


def ndjson(folder: Path) -> Contents:
    return files(folder, file_contents.ndjson)


def parquet(folder: Path) -> Contents:
    return files(folder, file_contents.parquet_rows)


def files(folder: Path, read: Callable[[Path, Table], Iterable[dict[str, Any]]]) -> Contents:
    return Contents(
        [found(row, "latency") for row in read(folder, CHECKS)],
        [found(row, "latency_p50") for row in read(folder, PROXIES)],
    )


def found(row: Mapping[str, Any], latency: str) -> Found:
    return row["ip"], int(row["port"]), int(row["lease_id"]), number(row[latency])


def table(text: str, separator: str) -> list[Found]:
    rows = (line.split(separator) for line in text.splitlines())
    return [(ip, int(port), int(lease), number(latency)) for ip, port, lease, latency in rows]


def number(value: Any) -> float | None:
    return None if value in NULLS else float(value)
