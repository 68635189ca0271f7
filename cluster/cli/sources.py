"""`eagleray sources`: what is configured, how the last poll went, and how much of it lives."""

import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import typer

from eagleray.cluster.cli.config import ConfigOption, JsonOption, read_settings
from eagleray.cluster.cli.console import Format, fail, moment, print_json, require_directory, row_writer
from eagleray.cluster.paths import database

MAX_SOURCES = 10_000  # rows read of polls; a configuration file holds about as many

COLUMNS = ("source", "kind", "protocols", "polled_at", "entries", "candidates", "alive", "yield", "error")


def sources(
    config: ConfigOption = None,
    data: Annotated[Path | None, typer.Option(help="Data directory, by default the configured one.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the configured sources with their last poll and their yield: alive of what was checked."""
    from eagleray.actors.sinks.base import StoreError

    settings = read_settings(config, {"data_dir": data} if data else {})
    require_directory(settings.data_dir)
    store = database(settings.data_dir)
    try:
        polls, yields = (last_polls(store), counts(store)) if store.exists() else ({}, {})
    except (StoreError, sqlite3.Error) as error:
        fail(f"cannot read {store}: {error}")
    rows = [
        {"source": source.name, "kind": source.kind, "protocols": sorted(source.protocols)}
        | polls.get(source.name, {})
        | yields.get(source.name, {})
        for source in settings.pipelines.proxies.sources
    ]
    if as_json or not sys.stdout.isatty():
        print_json({"sources": rows})
        return
    table = row_writer(Format.TABLE, sys.stdout, COLUMNS, title=str(store))
    for row in rows:
        table.write(row | {"polled_at": moment(row.get("polled_at")), "yield": percent(row)})
    table.close()


def last_polls(store: Path) -> dict[str, dict[str, Any]]:
    """The last poll of each source.

    Raises:
        StoreError: the file is no store of ours.
    """
    from eagleray.actors.sinks.sqlite_reader import SqliteReader
    from eagleray.pipelines.proxies.tables import SOURCE_POLLS
    from eagleray.pipelines.tables import Query

    with closing(SqliteReader(store, [SOURCE_POLLS])) as reader:
        rows = reader.read(Query(SOURCE_POLLS, limit=MAX_SOURCES))
    polls = [dict(zip(SOURCE_POLLS.names, row, strict=True)) for row in rows]
    return {poll["source"]: poll | {"refused": json.loads(poll["refused"])} for poll in polls}


def counts(store: Path) -> dict[str, dict[str, Any]]:
    """How many endpoints of each source were checked, and how many live. SQLite counts: they may be millions.

    Raises:
        sqlite3.Error: the file can't be read.
    """
    with closing(sqlite3.connect(f"{store.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        rows = connection.execute("SELECT source, count(*), sum(alive) FROM proxies GROUP BY source")
        return {source: {"checked": checked, "alive": alive} for source, checked, alive in rows}


def percent(row: dict[str, Any]) -> str:
    """The share of checked endpoints that live."""
    return f"{row['alive'] / row['checked']:.1%}" if row.get("checked") else ""
