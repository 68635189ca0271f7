"""The stores that can be enabled: a new one is its file and an entry here."""

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from pkgutil import resolve_name
from typing import NamedTuple, cast
from urllib.parse import quote, urlsplit

from eagleray.actors.sinks.base import Writer, path_of

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
DEFAULT_FILE = "proxies.sqlite"  # in the data directory


class StoreKind(NamedTuple):
    """How a store of a kind is named, and what it can do."""

    writer: str  # its class, named so that a driver is loaded only where its store is enabled
    schemes: tuple[str, ...]
    files: bool = False  # its URL is a path, not a host
    complete: bool = False  # it keeps every row, so that a run can go on from it
    reads: bool = True  # it answers queries; where not, other programs read it
    extra: str = ""  # of the package's extras, the one that brings its driver


KINDS = {
    "clickhouse": StoreKind(
        "eagleray.actors.sinks.clickhouse:ClickHouseWriter", ("clickhouse", "clickhouses"), complete=True
    ),
    "sqlite": StoreKind("eagleray.actors.sinks.sqlite:SqliteWriter", ("sqlite",), files=True, complete=True),
    "postgresql": StoreKind(
        "eagleray.actors.sinks.postgresql:PostgresqlWriter", ("postgresql", "postgres"), complete=True
    ),
    "redis": StoreKind("eagleray.actors.sinks.redis:RedisWriter", ("redis", "rediss", "valkey", "valkeys")),
    "ndjson": StoreKind("eagleray.actors.sinks.ndjson:NdjsonWriter", ("ndjson",), files=True, reads=False),
    "parquet": StoreKind(
        "eagleray.actors.sinks.parquet:ParquetWriter", ("parquet",), files=True, reads=False, extra="parquet"
    ),
    "text": StoreKind("eagleray.actors.sinks.text:TextWriter", ("text",), files=True, reads=False),
}
SCHEMES = {scheme: kind for kind, described in KINDS.items() for scheme in described.schemes}


class StoreUrl(NamedTuple):
    """Where a store is. `url` may hold a password: for the store's driver only."""

    kind: str
    name: str
    url: str


def parse_store(text: str, data: Path) -> StoreUrl:
    """A store from `SCHEME://…[#NAME]`, or from `sqlite`, which is the file in the data directory.

    Paths are made absolute: an actor has a working directory of its own. The name is the kind, unless one
    is given.

    Raises:
        ValueError: no such kind, or no place; the message repeats nothing that may be secret.
    """
    default = f"sqlite:{quote(str(data / DEFAULT_FILE))}"
    scheme, colon, rest = (default if text == "sqlite" else text).partition(":")
    if not colon or scheme not in SCHEMES:
        raise ValueError(
            f"a store is given as SCHEME://…, where SCHEME is one of: {', '.join(sorted(SCHEMES))}"
        )
    kind = SCHEMES[scheme]
    address, _, name = rest.partition("#")
    if name and not NAME.fullmatch(name):
        raise ValueError("a store's name (#NAME) has letters, digits, `_` and `-` only: files bear it")
    url = f"{scheme}:{address}"
    if KINDS[kind].files:
        url = f"{scheme}:{quote(str(path_of(url).absolute()))}"
    elif not has_host(url):
        raise ValueError(f"a store of kind {kind} needs a host: {scheme}://HOST/…")
    return StoreUrl(kind, name or kind, url)


def parse_stores(texts: Iterable[str], data: Path) -> list[StoreUrl]:
    """Several stores, each with a name of its own.

    Raises:
        ValueError: as `parse_store`, or two have the same name.
    """
    stores = [parse_store(text, data) for text in texts]
    [(name, count)] = Counter(store.name for store in stores).most_common(1)
    if count > 1:
        raise ValueError(
            f"{count} stores are called {name!r}: give one a name of its own by #NAME at its end"
        )
    return stores


def has_host(url: str) -> bool:
    """Whether a URL names a host.

    Raises:
        ValueError: it can't be read; the message of `urlsplit` would repeat the password.
    """
    try:
        return bool(urlsplit(url).hostname)
    except ValueError:
        raise ValueError(
            "the URL of a store can't be read: what is special in its user or password is written as %XX"
        ) from None


def create_writer(store: StoreUrl) -> Writer:
    """The writer of a store, not yet open.

    Raises:
        ValueError: the URL has what the store does not understand, or its driver is not installed.
    """
    kind = KINDS[store.kind]
    try:
        writer = resolve_name(kind.writer)
    except ImportError as error:
        if not kind.extra:
            raise
        raise ValueError(
            f"a store of kind {store.kind} needs {error.name}: pip install 'eagleray[{kind.extra}]'"
        ) from error
    return cast("Writer", writer.from_url(store.name, store.url))
