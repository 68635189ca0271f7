"""`eagleray store migrate|check|backup|restore|prune`: looking after the stores."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eagleray.cluster.cli.config import ConfigOption, JsonOption, read_settings
from eagleray.cluster.cli.console import (
    Exit,
    Format,
    RowCount,
    end_on_sigterm,
    note,
    print_json,
    require_directory,
    row_writer,
)
from eagleray.cluster.cli.failures import sentence
from eagleray.cluster.paths import log_dir

if TYPE_CHECKING:
    from eagleray.actors.sinks.base import Schema, Writer
    from eagleray.actors.sinks.registry import StoreUrl

DAY = 86_400.0  # seconds
Result = dict[str, Any]
Work = Callable[["StoreUrl", "Writer", "Schema"], Awaitable[Result]]

Stores = Annotated[
    list[str] | None,
    typer.Option("--store", metavar="URL", help="This store (repeatable); all configured ones without it."),
]
Data = Annotated[
    Path | None, typer.Option("--data", metavar="DIR", help="Data directory instead of the configured.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    family = typer.Typer(no_args_is_help=True, help="Look after the stores: tables, health, backups.")
    family.command("migrate")(migrate)
    family.command("check")(check)
    family.command("backup")(backup)
    family.command("restore")(restore)
    family.command("prune")(prune)
    app.add_typer(family, name="store")


def migrate(
    config: ConfigOption = None, store: Stores = None, data: Data = None, as_json: JsonOption = False
) -> None:
    """Bring the tables of each store up to date. Safe to repeat, and while others do the same."""

    async def work(_: "StoreUrl", writer: "Writer", schema: "Schema") -> Result:
        await writer.open()
        await writer.migrate(schema)
        return {"tables": ", ".join(table.name for table in schema.tables)}

    finish(for_each(wanted(config, store, data), work), as_json)


def check(
    config: ConfigOption = None, store: Stores = None, data: Data = None, as_json: JsonOption = False
) -> None:
    """Say of each store whether it answers, how fast, and when a run last wrote there; changes nothing."""
    from eagleray.cluster.stores import health

    results = []
    for each in wanted(config, store, data):
        found = health(each)
        at = found.written_at
        results.append(
            {
                "store": each.name,
                "milliseconds": round(found.milliseconds, 1),
                "written_at": at and datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds"),
                "error": found.error,
            }
        )
    finish(results, as_json)


def backup(
    config: ConfigOption = None,
    store: Stores = None,
    data: Data = None,
    to: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where to; `backups` in the data directory without it.")
    ] = None,
    keep: Annotated[
        float,
        typer.Option(
            min=0,
            metavar="DAYS",
            help="Remove a store's backups older than this, but never the one just made.",
        ),
    ] = 7.0,
    as_json: JsonOption = False,
) -> None:
    """Write all rows of each store to a file of its own, also while the store is written to.

    Without --store those that can't be asked, files for other programs, are left out.
    """
    end_on_sigterm()  # so that no part of a file is left
    folder = to or directory(config, data) / "backups"

    async def work(store: "StoreUrl", writer: "Writer", schema: "Schema") -> Result:
        from eagleray.actors.sinks.backup import back_up
        from eagleray.cluster.stores import open_to_read

        await open_to_read(store, writer)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = folder / f"{writer.name}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.backup"
        rows = await back_up(writer, schema, path, RowCount(f"backing up {writer.name}"))
        removed = remove_old(folder, writer.name, path, time.time() - keep * DAY)
        return {"rows": rows, "file": str(path), "bytes": path.stat().st_size, "removed": removed}

    stores = wanted(config, store, data)
    finish(for_each(stores if store else asked(stores), work), as_json)


def restore(
    file: Annotated[Path, typer.Argument(help="A file that `eagleray store backup` made.")],
    config: ConfigOption = None,
    store: Stores = None,
    data: Data = None,
    as_json: JsonOption = False,
) -> None:
    """Write the rows of a backup into each store, of whatever kind; newer rows that are there stay.

    Rows past their time are left out. What a store refuses for its content stands in `log/dead-letters` of
    the data directory then.
    """
    log = log_dir(directory(config, data))

    async def work(_: "StoreUrl", writer: "Writer", schema: "Schema") -> Result:
        from eagleray.actors.sinks import backup
        from eagleray.actors.sinks.copying import Intake

        await writer.open()
        await writer.migrate(schema)
        intake = Intake(writer, schema, log, time.time(), RowCount(f"restoring {writer.name}"))
        await backup.restore(file, schema, intake)
        return {"rows": intake.rows, "rejected": intake.rejected, "expired": intake.expired}

    finish(for_each(wanted(config, store, data), work), as_json)


def prune(
    config: ConfigOption = None, store: Stores = None, data: Data = None, as_json: JsonOption = False
) -> None:
    """Remove from each store what has outlived its time (a run does the same as it goes)."""

    async def work(_: "StoreUrl", writer: "Writer", schema: "Schema") -> Result:
        await writer.open()
        await writer.migrate(schema)
        total = 0
        while removed := await writer.prune(time.time()):
            total += removed
        return {"removed": total}

    finish(for_each(wanted(config, store, data), work), as_json)


def directory(config: Path | None, data: Path | None) -> Path:
    """The data directory: the flag's, else the configured one."""
    return read_settings(config, {"data_dir": data} if data else {}).data_dir


def for_each(stores: Sequence["StoreUrl"], work: Work) -> list[Result]:
    """What came of the work on each store; one that fails stops no other."""
    from eagleray.actors.sinks.migrations import schema_of
    from eagleray.pipelines.proxies.pipeline import ProxyPipeline

    schema = schema_of(ProxyPipeline())
    return [asyncio.run(outcome(store, schema, work)) for store in stores]


def asked(stores: Sequence["StoreUrl"]) -> list["StoreUrl"]:
    """Those that can be asked; which can't is said."""
    from eagleray.actors.sinks.registry import KINDS

    for store in stores:
        if not KINDS[store.kind].reads:
            note(f"eagleray: store {store.name} is left out: a store of kind {store.kind} can't be asked")
    return [store for store in stores if KINDS[store.kind].reads]


def wanted(config: Path | None, urls: list[str] | None, data: Path | None) -> list["StoreUrl"]:
    """The stores of the command line, else all configured ones."""
    from eagleray.actors.sinks.registry import parse_store

    given = {"data_dir": data, "stores": tuple(urls or ())}
    settings = read_settings(config, {name: value for name, value in given.items() if value})
    require_directory(settings.data_dir)
    if not urls:
        return settings.store_urls()
    return [parse_store(url, settings.data_dir.resolve()) for url in urls]


async def outcome(store: "StoreUrl", schema: "Schema", work: Work) -> Result:
    """The work's result or its error, with the store's name."""
    from eagleray.actors.sinks.backup import BackupError
    from eagleray.actors.sinks.base import StoreError
    from eagleray.actors.sinks.registry import create_writer

    try:
        writer = create_writer(store)
    except ValueError as error:
        return {"store": store.name, "error": str(error)}
    try:
        return {"store": store.name, **await work(store, writer, schema), "error": ""}
    except (StoreError, BackupError, OSError) as error:
        return {"store": store.name, "error": sentence(error)}
    finally:
        await writer.close()


def finish(results: list[Result], as_json: bool) -> None:
    """Show the results and end the command: 1 where a store failed."""
    if as_json:
        print_json({"stores": results})
    else:
        done = [result for result in results if not result["error"]]
        if done:
            table = row_writer(Format.TABLE, sys.stdout, [name for name in done[0] if name != "error"])
            for result in done:
                table.write(result)
            table.close()
        for result in results:
            if result["error"]:
                note(f"eagleray: store {result['store']}: {result['error']}")
    failed = any(result["error"] for result in results)
    raise typer.Exit(Exit.NOTHING_ALIVE if failed else Exit.DONE)


def remove_old(folder: Path, name: str, latest: Path, before: float) -> int:
    """Remove backups of a store that were made before a time (Unix seconds); how many it were."""
    made = f"{name}-{'[0-9]' * 8}T{'[0-9]' * 6}Z.backup"  # and none of a store called `name-more`
    old = [path for path in folder.glob(made) if path != latest and path.stat().st_mtime < before]
    for path in old:
        path.unlink()
    return len(old)
