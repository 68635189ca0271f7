"""`eagleray demo`: the whole system on loopback, offline, with its verdicts held against the truth."""

import shutil
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from eagleray.cluster.cli.console import Exit, Format, fail, note, print_json, row_writer
from eagleray.cluster.cli.run import (
    execute,
    exit_code,
    refuse_in_use,
    refuse_unwritable,
    report,
    summarize,
    warn,
)

if TYPE_CHECKING:
    from eagleray.cluster.proving_ground import Ready, Truth
    from eagleray.cluster.settings import Settings

BEST = 10  # proxies in the table
BEST_COLUMNS = ("url", "anonymity", "exit_ip", "latency_p50", "score")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo")(demo)


def demo(
    endpoints: Annotated[int, typer.Option(min=20, max=100_000, help="How many to make.")] = 400,
    seed: Annotated[int, typer.Option(help="The same seed gives the same world.")] = 1,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where log and SQLite store lie; emptied first.")
    ] = None,
    store: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URL",
            help="Write to this store, too: postgresql://…, redis://…, clickhouse://… (repeatable).",
        ),
    ] = None,
    pipeline: Annotated[str, typer.Option(help="Which pipeline to run.")] = "proxies",
    as_json: Annotated[bool, typer.Option("--json", help="Write one JSON object instead of tables.")] = False,
) -> None:
    """Run the main job against a proving ground of live and dead proxies; needs no internet.

    Ends with the best proxies, and with each verdict held against what the proving ground knows to be true.
    """
    if pipeline != "proxies":
        fail(f"there is no pipeline {pipeline!r}", "There is: proxies.")
    from eagleray.cluster.proving_ground import GroundError, read_truth, started

    directory = data or Path("eagleray-demo")
    stores = stores_of(store or (), directory)
    empty(directory)
    try:
        with started(endpoints, seed) as ground:
            settings = settings_for(ground, directory, stores)
            truth = read_truth(ground.truth)  # an interrupt ends the proving ground, and its files go with it
            finished = execute(settings, once=True)
    except GroundError as error:
        fail(str(error), "Its own message stands above.")
    verdicts = read_verdicts(settings.data_dir)
    summary = summarize(finished.progress) | compare(truth, verdicts, settings.data_dir)
    warn(summary)
    if as_json:
        print_json(summary)
    else:
        show_best(verdicts)
        show_truth(truth, verdicts)
        verdict = "recall {recall:.3f}, precision {precision:.3f}, {lost} lost, {duplicates} twice"
        note(verdict.format(**summary))
        report(summary, settings)
    perfect = summary["recall"] == summary["precision"] == 1.0 and not summary["lost"]
    raise typer.Exit(exit_code(finished) or (Exit.DONE if perfect else Exit.NOTHING_ALIVE))


def empty(directory: Path) -> None:
    """Empty the data directory: a demo begins at the beginning.

    Raises:
        typer.Exit: it holds what a demo has not written, or a demo is at work there, or can't be written.
    """
    marker = directory / ".eagleray-demo"
    try:
        if directory.exists() and any(directory.iterdir()) and not marker.exists():
            fail(f"{directory} is not a demo's, so it is not emptied", "Give another directory with --data.")
        directory.mkdir(parents=True, exist_ok=True)
        refuse_in_use(directory)
        for path in directory.iterdir():  # not the directory: it may be a mount point, or a link
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        marker.touch()
    except OSError as error:
        fail(f"cannot write to {directory}: {error.strerror}", "Give another directory with --data.")
    refuse_unwritable(directory)


def stores_of(wanted: Sequence[str], data: Path) -> tuple[str, ...]:
    """The demo's own SQLite, from which the verdicts are read, and the stores wanted.

    Raises:
        typer.Exit: one of them is no URL of a store, or two have the same name.
    """
    from eagleray.actors.sinks.registry import parse_store, parse_stores
    from eagleray.cluster.paths import database

    try:
        names = [parse_store(text, data).name for text in wanted]
        own = f"sqlite:{quote(str(database(data)))}#demo" if "sqlite" in names else "sqlite"
        parse_stores([own, *wanted], data)
    except ValueError as error:
        fail(str(error))
    return (own, *wanted)


def settings_for(ground: "Ready", data: Path, stores: tuple[str, ...]) -> "Settings":
    """The settings that point the pipeline at the proving ground."""
    from eagleray.cluster.settings import Settings

    sources = [
        {"name": source.name, "kind": "http", "url": source.url, "protocols": source.protocols}
        for source in ground.sources
    ]
    proxies = {
        "sources": sources,
        "judges": [ground.judge],
        "allow": ground.allow,
        "check": {
            "connect_timeout": 1.5,  # loopback answers sooner than the internet
            "timeout": 4.0,
            "tls_target": ground.tls_target,
            "ca_file": ground.ca_file,
        },
        "lease": {"size": 100},  # small enough that every checker gets work
    }
    return Settings.model_validate({"data_dir": data, "stores": stores, "pipelines": {"proxies": proxies}})


Verdicts = Mapping[str, dict[str, Any]]  # endpoint -> its row of PROXIES, and `attempts`, its rows of CHECKS


def read_verdicts(data: Path) -> Verdicts:
    """What the store says of every endpoint."""
    from eagleray.actors.sinks.sqlite_reader import SqliteReader
    from eagleray.cluster.paths import database
    from eagleray.pipelines.proxies.tables import CHECKS, PROXIES
    from eagleray.pipelines.tables import Query

    reader = SqliteReader(database(data), (PROXIES, CHECKS))
    try:
        proxies = reader.read(Query(PROXIES, order=("-score",), limit=sys.maxsize))
        attempts = Counter((row[0], row[1]) for row in reader.read(Query(CHECKS, limit=sys.maxsize)))
    finally:
        reader.close()
    rows = [dict(zip(PROXIES.names, row, strict=True)) for row in proxies]
    return {
        f"{row['ip']}:{row['port']}": row | {"attempts": attempts[row["ip"], row["port"]]} for row in rows
    }


def compare(truth: Sequence["Truth"], verdicts: Verdicts, data: Path) -> dict[str, Any]:
    """The verdicts against the truth.

    `lost` endpoints have no verdict, `duplicates` are checks counted beyond the one that each gets, `wrong`
    are live ones whose protocols, anonymity or exit address are not the true ones.
    """
    live = {each.address for each in truth if each.alive}
    found = {endpoint for endpoint, row in verdicts.items() if row["alive"]}
    return {
        "recall": len(live & found) / max(1, len(live)),
        "precision": len(live & found) / max(1, len(found)),
        "alive": len(found),
        "lost": sum(each.address not in verdicts for each in truth),
        "duplicates": sum(max(row["checks"], row["attempts"]) - 1 for row in verdicts.values()),
        "wrong": sum(differs(each, verdicts[each.address]) for each in truth if each.address in live & found),
        "data": str(data),
    }


def differs(truth: "Truth", row: Mapping[str, Any]) -> bool:
    """True where a live proxy was taken for another kind than it is."""
    from eagleray.cluster.proving_ground import Kind
    from eagleray.pipelines.proxies.packing import TLS_MARK

    mark = TLS_MARK if truth.kind is Kind.TLS_TO_PROXY else ""
    protocols = {f"{protocol}{mark}" for protocol in truth.protocols}
    seen = (set(filter(None, row["protocols"].split(","))), row["anonymity"], row["exit_ip"])
    return seen != (protocols, truth.anonymity, truth.exit_ip)


def show_best(verdicts: Verdicts) -> None:
    """The table of the best proxies."""
    from eagleray.cluster.pool import proxy_row
    from eagleray.pipelines.proxies.tables import PROXIES

    table = row_writer(Format.TABLE, sys.stdout, BEST_COLUMNS, f"The {BEST} best proxies")
    best = [row for row in verdicts.values() if row["alive"] and row["protocols"]][:BEST]
    for row in best:
        table.write(proxy_row([row[name] for name in PROXIES.names], ()))
    table.close()


def show_truth(truth: Sequence["Truth"], verdicts: Verdicts) -> None:
    """The table of what there was, by kind, against what was found."""
    kinds: dict[str, Counter[str]] = {}
    for each in truth:
        row = verdicts.get(each.address)
        kinds.setdefault(each.kind.value, Counter())[row["outcome"] if row else "lost"] += 1
    alive = {each.kind.value: each.alive for each in truth}
    table = row_writer(Format.TABLE, sys.stdout, ("truth", "kind", "verdicts"), "Verdict against truth")
    for kind in sorted(kinds, key=lambda kind: (not alive[kind], kind)):
        outcomes = ", ".join(f"{outcome} {count}" for outcome, count in kinds[kind].most_common())
        table.write({"truth": "alive" if alive[kind] else "dead", "kind": kind, "verdicts": outcomes})
    table.close()
