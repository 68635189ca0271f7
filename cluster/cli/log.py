"""`eagleray log`: what the durable log holds, whether it is sound, and giving it to a store."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
import typer

from eagleray.actors.sinks.base import StoreError
from eagleray.actors.sinks.log import reader
from eagleray.actors.sinks.log.reader import LogMissing, LogView, Verdict
from eagleray.actors.sinks.log.segments import OtherFormat
from eagleray.cluster.cli.config import JsonOption
from eagleray.cluster.cli.console import (
    Exit,
    RowCount,
    TableWriter,
    fail,
    moment,
    print_json,
    require_directory,
)
from eagleray.cluster.cli.failures import sentence
from eagleray.cluster.cli.pool import Data
from eagleray.cluster.paths import data_dir, log_dir

Found = TypeVar("Found")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    family = typer.Typer(no_args_is_help=True, help="Look into the durable log, also while it is in use.")
    family.command("inspect")(inspect)
    family.command("verify")(verify)
    family.command("replay")(replay)
    app.add_typer(family, name="log")


def inspect(data: Data = None, as_json: JsonOption = False) -> None:
    """Show what the log holds: segments, records, damage, and how far each store lags behind.

    A segment goes once every store has taken it, so an old one means a store that is down: see its cursor.
    """
    view = looked_at(data, reader.inspect)
    if as_json:
        print_json(msgspec.to_builtins(view))
        return
    sys.stdout.write("".join(f"{line}\n" for line in summary(view)))
    show(
        ("file", "first record", "records", "bytes", "from", "to"),
        [(s.file, s.first, s.records, s.bytes, moment(s.since), moment(s.until)) for s in view.segments],
    )
    show(
        ("store", "segment", "offset", "records behind", "seconds behind"),
        [(c.name, c.segment, c.offset, c.lag_records, c.lag_seconds) for c in view.cursors],
    )


def verify(data: Data = None, as_json: JsonOption = False) -> None:
    """Read the whole log and say whether it is sound; exit 0 if so, 1 if not, 2 where there is no log.

    Every frame is held against its CRC, and no record number may be missing. An unfinished frame at the end
    is no damage: it is being written, or was when its writer died, and then the next start cuts it off.
    """
    verdict = looked_at(data, reader.verify)
    if as_json:
        print_json(msgspec.to_builtins(verdict))
    else:
        sys.stdout.write("".join(f"{line}\n" for line in findings(verdict)))
    raise typer.Exit(Exit.NOTHING_ALIVE if verdict.flaws else Exit.DONE)


def replay(
    store: Annotated[str, typer.Option("--store", metavar="URL", help="The store to fill.")],
    source: Annotated[
        str | None,
        typer.Option("--from", metavar="URL", help="Copy all rows of this store first, such as `sqlite`."),
    ] = None,
    data: Data = None,
    as_json: JsonOption = False,
) -> None:
    """Fill a store that was switched on later: rows of another store, then those that the log still holds.

    Rows that the store has already change nothing, so this may be repeated, and a run may go on meanwhile.
    """
    from eagleray.actors.sinks.registry import parse_store
    from eagleray.cluster.replay import replay_into

    directory = data_dir(data)
    require_directory(directory)
    try:
        target = parse_store(store, directory.absolute())
        origin = parse_store(source, directory.absolute()) if source else None
        rows = asyncio.run(
            replay_into(target, origin, log_dir(directory), RowCount(f"filling {target.name}"))
        )
    except (ValueError, OtherFormat) as error:
        fail(str(error))
    except LogMissing as error:
        fail(str(error), "Give --data DIR.")
    except (StoreError, OSError) as error:
        fail(sentence(error), code=Exit.NOTHING_ALIVE)
    if as_json:
        print_json(rows._asdict())
    else:
        copied = f"{rows.copied:,} from {origin.name}, " if origin else ""
        aside = f"{rows.rejected:,} set aside, {rows.expired:,} left out as past their time"
        typer.echo(f"{target.name}: {copied}{rows.replayed:,} rows from the log, {aside}")


def looked_at(flag: Path | None, look: Callable[[Path], Found]) -> Found:
    """What `look` finds in the log of the data directory; what stands in the way ends the command."""
    data = data_dir(flag)
    require_directory(data)
    log = log_dir(data)
    try:
        return look(log)
    except LogMissing as error:
        fail(str(error), "Type `eagleray run` to begin one, or give --data DIR.")
    except OtherFormat as error:
        fail(str(error))
    except OSError as error:
        fail(f"cannot read the log in {log}: {error.strerror}")


def summary(view: LogView) -> list[str]:
    """What stands above the tables."""
    lines = [f"{view.directory}: {view.records} records, {view.bytes} bytes, segments: {len(view.segments)}"]
    if view.tail:
        lines.append(unfinished(view.tail))
    if view.damaged:
        lines.append(f"damaged: {view.damaged} stretches, {view.damaged_bytes} bytes, set aside in damaged/")
    return lines


def findings(verdict: Verdict) -> list[str]:
    """A verdict for people: one line for each place that is not as it should be."""
    counted = f"{verdict.records} records in {verdict.frames} frames, segments: {verdict.segments}"
    lines = [f"{verdict.directory}: {'damaged' if verdict.flaws else 'sound'}; {counted}"]
    for flaw in verdict.flaws:
        what = f"{flaw.bytes} damaged bytes" if flaw.bytes else "missing"
        lost = "an unknown number of" if flaw.records is None else flaw.records
        lines.append(f"  segment {flaw.segment}, offset {flaw.offset}: {what}, {lost} records lost")
    if verdict.tail:
        lines.append(unfinished(verdict.tail))
    return lines


def unfinished(tail: int) -> str:
    """What a torn tail means."""
    return f"unfinished: {tail} bytes at the end, being written or cut off at the next start; no damage"


def show(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Write a table, if there is anything in it."""
    table = TableWriter(sys.stdout, columns)
    for values in rows:
        table.write(dict(zip(columns, values, strict=True)))
    if rows:
        table.close()
