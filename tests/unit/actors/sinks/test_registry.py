from pathlib import Path

import pytest

from eagleray.actors.sinks.registry import KINDS, SCHEMES, StoreUrl, create_writer, parse_store

DATA = Path("/srv/data")
URLS = {
    "clickhouse": "clickhouse://host/pool",
    "ndjson": "ndjson:/srv/lake",
    "parquet": "parquet:/srv/lake",
    "postgresql": "postgresql://host/pool",
    "redis": "redis://host/0",
    "sqlite": "sqlite:/srv/pool.sqlite",
    "text": "text:/srv/lists",
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_writer_bears_the_name_of_its_store(kind):
    assert create_writer(StoreUrl(kind, "second", URLS[kind])).name == "second"


@pytest.mark.parametrize(
    ("text", "store"),
    [
        ("sqlite", ("sqlite", "sqlite", "sqlite:/srv/data/proxies.sqlite")),
        ("sqlite:///srv/pool.sqlite", ("sqlite", "sqlite", "sqlite:/srv/pool.sqlite")),
        ("sqlite:////srv/pool.sqlite", ("sqlite", "sqlite", "sqlite:/srv/pool.sqlite")),
        ("sqlite:/srv/a%20b.sqlite#mine", ("sqlite", "mine", "sqlite:/srv/a%20b.sqlite")),
        ("valkeys://host/0?prefix={a}:#mine", ("redis", "mine", "valkeys://host/0?prefix={a}:")),
        ("sqlite:pool.sqlite", ("sqlite", "sqlite", f"sqlite:{Path.cwd()}/pool.sqlite")),
    ],
)
def test_where_a_store_is(text, store):
    assert parse_store(text, DATA) == store


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("tape", "a store is given as SCHEME"),
        ("tape://host/1", "one of: .*sqlite"),
        ("", "a store is given as SCHEME"),
        ("sqlite:", "needs a path"),
        ("sqlite://", "needs a path"),
        ("sqlite://relative/path", "needs a path"),
        ("sqlite:/srv/a.sqlite#../b", "letters, digits"),
        ("sqlite:/srv/a.sqlite#b*", "letters, digits"),
    ],
)
def test_what_is_no_store_is_said(text, problem):
    with pytest.raises(ValueError, match=problem):
        parse_store(text, DATA)


def test_every_scheme_leads_to_a_kind():
    assert set(SCHEMES.values()) == set(KINDS)
