"""`eagleray run`: the pipeline by the configuration, on a local Ray or a running cluster."""

import os
import sys
from collections import Counter
from contextlib import redirect_stdout
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eagleray.cluster.cli.config import ConfigOption, read_settings
from eagleray.cluster.cli.console import Exit, fail, note, print_json

if TYPE_CHECKING:
    from eagleray.cluster.runner import Finished
    from eagleray.cluster.settings import Settings
    from eagleray.cluster.supervisor import Progress


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("run")(run)


def run(
    config: ConfigOption = None,
    once: Annotated[
        bool, typer.Option("--once", help="Poll every source once, check what is due, and end.")
    ] = False,
    address: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Ray cluster to join, `auto` for the one on this machine."),
    ] = None,
    data: Annotated[Path | None, typer.Option(metavar="DIR", help="Where log and SQLite store lie.")] = None,
    pipeline: Annotated[str, typer.Option(help="Which pipeline to run.")] = "proxies",
    as_json: Annotated[bool, typer.Option("--json", help="End with one JSON object on stdout.")] = False,
) -> None:
    """Collect, check, score and store until Ctrl-C, which saves what was done, or with --once until done."""
    if pipeline != "proxies":
        fail(f"there is no pipeline {pipeline!r}", "There is: proxies.")
    flags: dict[str, Any] = {"ray": {"address": address}} if address else {}
    if data:
        flags["data_dir"] = data
    settings = read_settings(config, flags)
    refuse_unusable(settings)
    finished = execute(settings, once)
    summary = summarize(finished.progress)
    warn(summary)
    if as_json:
        print_json(summary)
    else:
        report(summary, settings)
    raise typer.Exit(exit_code(finished))


def refuse_unusable(settings: "Settings") -> None:
    """End the command where the configuration leaves nothing to do."""
    proxies = settings.pipelines.proxies
    if not proxies.sources:
        fail(
            "no source is configured", "Add one under pipelines.proxies.sources (see `eagleray config show`)."
        )
    if not proxies.judges:
        fail("no judge is configured", "Add one under pipelines.proxies.judges, or start `eagleray judge`.")
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=settings.data_dir).close()
    except OSError as error:
        fail(f"cannot write to {settings.data_dir}: {error.strerror}", "Give a directory with --data.")
    refuse_in_use(settings.data_dir)


def refuse_in_use(data: Path) -> None:
    """End the command where a run on this machine has the data directory."""
    from eagleray.actors.sinks.log.log import LogLocked, take_lock
    from eagleray.cluster.paths import log_dir

    if log_dir(data).is_dir():
        try:
            os.close(take_lock(log_dir(data)))
        except LogLocked as error:
            fail(str(error), "Another run is at work there: give another directory with --data.")
        except OSError as error:
            fail(f"cannot write to {log_dir(data)}: {error.strerror}", "Give a directory with --data.")


def prepare_stores(settings: "Settings") -> None:
    """Make the tables of every store: one that is down is a warning, one that can never be used the end."""
    from eagleray.actors.sinks.base import SchemaMismatch
    from eagleray.actors.sinks.migrations import schema_of
    from eagleray.cluster.stores import prepare
    from eagleray.pipelines.proxies.pipeline import ProxyPipeline

    for number, store in enumerate(settings.store_urls()):
        then = "its rows wait in the log" if number else "the run waits for it: it goes on from what is there"
        try:
            if problem := prepare(store, schema_of(ProxyPipeline())):
                note(f"store {store.name} does not answer, {then}: {problem}")
        except (SchemaMismatch, ValueError) as error:
            fail(f"store {store.name}: {error}")


def execute(settings: "Settings", once: bool) -> "Finished":
    """Run with progress on stderr; what stops it becomes one sentence."""
    prepare_stores(settings)
    from ray.exceptions import RayError

    from eagleray.cluster import runner
    from eagleray.cluster.progress import Display

    with redirect_stdout(sys.stderr), Display() as display:  # Ray prints what its processes say to stdout

        def on_start(dashboard: str) -> None:
            display.say(f"Ray is up; dashboard: {dashboard or 'off'}")

        display.say("Starting Ray …")
        try:
            return runner.execute(settings, once, on_start, display.show)
        except (ConnectionError, ValueError) as error:  # ValueError: Ray does not take the address
            fail(f"cannot join Ray: {error}", "Is the cluster up? `ray status` tells.")
        except RayError as error:
            fail(f"an actor failed for good: {error}", "Its log is below /tmp/ray/session_latest/logs.")
        except KeyboardInterrupt:
            raise typer.Exit(Exit.INTERRUPTED) from None


def summarize(progress: "Progress") -> dict[str, Any]:
    """What a run came to."""
    collector, frontier, sink = progress.collector, progress.frontier, progress.sink
    polls = collector.polls if collector else []
    return {
        "sources": len(polls),
        "source_errors": {poll.source: poll.error for poll in polls if poll.error},
        "refused": dict(sum((Counter(poll.refused) for poll in polls), Counter())),
        "candidates": frontier.known if frontier else 0,
        "checked": progress.checked,
        "alive": progress.alive,
        "outcomes": dict(progress.outcomes.most_common()),
        "undecided": dict(progress.undecided.most_common()),
        "seconds": round(progress.seconds, 2),
        "redelivered": frontier.redelivered if frontier else 0,
        "judge_error": progress.judge_error,
        "stores": {
            name: {
                "rows": progress.rows[name],
                "lag": round(store.lag_seconds, 3),
                "lag_rows": store.lag_rows,
                "rejected": store.rejected,
                "missed": store.missed,
                "failing": store.failing,
                "behind": progress.behind.get(name, ""),
            }
            for name, store in (sink.stores if sink else {}).items()
        },
        "cut_off": progress.cut_off,
    }


def warn(summary: dict[str, Any]) -> None:
    """What is not as it should be at the end, a line each on stderr."""
    for name, store in summary["stores"].items():
        if store["behind"]:
            note(f"store {name} lacks {store['lag_rows']:,} rows, which wait in the log: {store['behind']}")
        elif store["failing"]:
            note(f"store {name} fails: {store['failing']}")
    for sentence in summary["cut_off"]:
        note(sentence)


def report(summary: dict[str, Any], settings: "Settings") -> None:
    """The same for a person, on stderr, and what to type next."""
    for source, error in summary["source_errors"].items():
        note(f"source {source}: {error}")
    if summary["judge_error"]:
        note(f"no proxy could be judged: {summary['judge_error']}")
    outcomes = ", ".join(f"{outcome} {count:,}" for outcome, count in summary["outcomes"].items())
    endpoints = sum(summary["outcomes"].values())
    checks = "checked" if summary["checked"] == endpoints else f"checks of {endpoints:,} endpoints"
    note(
        f"{summary['checked']:,} {checks} in {summary['seconds']:.1f} s, {summary['alive']:,} alive"
        + (f" ({outcomes})" if outcomes else "")
    )
    if summary["undecided"]:
        reasons = ", ".join(f"{outcome} {count:,}" for outcome, count in summary["undecided"].items())
        note(f"no verdict, to be checked again: {reasons}")
    for name, store in summary["stores"].items():
        if store["rejected"]:
            note(f"store {name} refused {store['rejected']:,} rows: see log/dead-letters/{name}.ndjson")
    flag = f" --data {settings.data_dir}" if settings.data_dir != Path("eagleray-data") else ""
    where, first = str(settings.data_dir), settings.store_urls()[0]
    if first.kind != "sqlite":
        where, flag = f"the store {first.name}", " --store URL"
    note(f"The data lie in {where}. Next: eagleray list{flag}; eagleray get{flag}")
    sys.stderr.flush()


def exit_code(finished: "Finished") -> Exit:
    """What the shell learns."""
    if finished.interrupted:
        return Exit.INTERRUPTED
    if finished.progress.judge_error:
        return Exit.CANNOT_JUDGE
    progress = finished.progress
    failing = progress.sink and any(store.failing for store in progress.sink.stores.values())
    healthy = not (failing or progress.behind or progress.cut_off)
    return Exit.DONE if healthy else Exit.NOTHING_ALIVE
