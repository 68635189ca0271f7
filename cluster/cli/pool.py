"""`eagleray list`, `get` and `explain`: what is in the pool, read from a store while others write it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from eagleray.actors.sinks.base import SchemaMismatch, StoreError
from eagleray.actors.sinks.registry import parse_store
from eagleray.cluster.cli.console import Exit, Format, chosen, fail, require_directory, row_writer
from eagleray.cluster.paths import data_dir, database
from eagleray.cluster.pool import COLUMNS, alive, proxy_row
from eagleray.cluster.stores import Readable, opened
from eagleray.pipelines.proxies.model import Anonymity, Protocol
from eagleray.pipelines.proxies.tables import PROXIES
from eagleray.pipelines.tables import Query

FILL = "Type `eagleray run` to check what the sources list."
MOST_ROWS = 1_000_000  # more than any pool has; bounds the memory of one command
TABLE_COLUMNS = (
    "endpoint",
    "protocols",
    "country",
    "anonymity",
    "latency_p50",
    "quality",
    "reliability_lower",
    "score",
)

Protocols = Annotated[
    list[Protocol] | None, typer.Option("--protocol", help="Speaks this protocol; several: any of them.")
]
Countries = Annotated[
    str, typer.Option("--country", metavar="CC,CC", help="In one of these countries (ISO 3166-1 alpha-2).")
]
AnonymityLevels = Annotated[
    list[Anonymity] | None, typer.Option("--anonymity", help="Has this level; several: any of them.")
]
MaxLatency = Annotated[
    float | None,
    typer.Option("--max-latency", min=0, metavar="MS", help="Median latency at most so many ms."),
]
MinScore = Annotated[float | None, typer.Option("--min-score", min=0, max=1, help="Score at least this.")]
Data = Annotated[
    Path | None,
    typer.Option(
        "--data", metavar="DIR", help="Data directory; EAGLERAY_DATA_DIR or eagleray-data without it."
    ),
]
Store = Annotated[
    str,
    typer.Option(
        "--store",
        metavar="URL",
        help="Read this store, such as postgresql://USER@HOST/DB, instead of the data directory's.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    from eagleray.cluster.cli.explain import explain

    app.command("list")(list_)
    app.command("get")(get)
    app.command("explain")(explain)


def list_(
    protocol: Protocols = None,
    country: Countries = "",
    anonymity: AnonymityLevels = None,
    max_latency: MaxLatency = None,
    min_score: MinScore = None,
    limit: Annotated[int, typer.Option(min=1, max=MOST_ROWS, help="At most so many.")] = MOST_ROWS,
    form: Annotated[
        Format | None,
        typer.Option("--format", help="A table on a terminal and NDJSON in a pipe without it."),
    ] = None,
    data: Data = None,
    store: Store = "sqlite",
) -> None:
    """Write the proxies that work, best first."""
    query = alive(limit, protocol or (), countries(country), anonymity or (), max_latency, min_score)
    with open_pool(data, store) as pool:
        rows = pool.read(query)
        lack = ("", "") if rows else lack_of(pool)
    shown = chosen(form, sys.stdout)
    writer = row_writer(shown, sys.stdout, TABLE_COLUMNS if shown is Format.TABLE else COLUMNS)
    for row in rows:
        writer.write(proxy_row(row, protocol or ()))
    writer.close()
    if not rows:
        fail(*lack, code=Exit.NOTHING_ALIVE)


def get(
    protocol: Protocols = None,
    country: Countries = "",
    anonymity: AnonymityLevels = None,
    max_latency: MaxLatency = None,
    min_score: MinScore = None,
    data: Data = None,
    store: Store = "sqlite",
) -> None:
    """Write the URL of the proxy with the best score."""
    query = alive(1, protocol or (), countries(country), anonymity or (), max_latency, min_score)
    with open_pool(data, store) as pool:
        rows = pool.read(query)
        lack = ("", "") if rows else lack_of(pool)
    if not rows:
        fail(*lack, code=Exit.NOTHING_ALIVE)
    typer.echo(proxy_row(rows[0], protocol or ())["url"])


def lack_of(pool: Readable) -> tuple[str, str]:
    """Why no proxy of the wanted kind came out of a pool, and what to do."""
    if pool.read(alive(1)):
        return "the pool has no working proxy of this kind", "It has others: ask for less."
    if pool.read(Query(PROXIES, limit=1)):
        return "the pool has no working proxy: none that was checked works", FILL
    return "the pool is empty: nothing has been checked yet", FILL


def countries(text: str) -> list[str]:
    """The country codes in `text`, upper case; anything else ends the command."""
    codes = [code.strip().upper() for code in text.split(",") if code.strip()]
    for code in codes:
        if len(code) != 2 or not code.isalpha() or not code.isascii():
            fail(f"{code!r} is no country code", "Give two letters (ISO 3166-1 alpha-2), such as NL,DE.")
    return codes


@contextmanager
def open_pool(flag: Path | None, store: str) -> Iterator[Readable]:
    """The pool in a store, or in the data directory; what stands in the way ends the command."""
    data = data_dir(flag)
    require_directory(data)
    try:
        there = store != "sqlite" or database(data).exists()
    except OSError as error:
        fail(f"cannot read the pool in {data}: {error.strerror}")
    if not there:
        fail(
            f"there is no pool in {data} yet",
            "Type `eagleray run` to fill it, `eagleray demo` to see how it works, or give --data or --store.",
            Exit.NOTHING_ALIVE,
        )
    try:
        with opened(parse_store(store, data)) as pool:
            yield pool
    except (ValueError, SchemaMismatch) as error:
        fail(str(error))
    except StoreError as error:
        fail(f"cannot read the pool: {error}")
