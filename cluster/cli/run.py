"""`eagleray run`: the pipeline by the configuration, on a local Ray or a running cluster."""

import fcntl
import os
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryFile
from threading import Timer
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eagleray.cluster.cli.config import ConfigOption, read_settings
from eagleray.cluster.cli.console import (
    Exit,
    end_on_hangup,
    fail,
    note,
    print_json,
    require_directory,
)
from eagleray.cluster.cli.failures import sentence, show_traceback
from eagleray.cluster.cli.ray_output import end_without_ray, ray_silenced
from eagleray.cluster.paths import log_dir

if TYPE_CHECKING:
    from eagleray.cluster.figures import Progress
    from eagleray.cluster.runner import Finished
    from eagleray.cluster.settings import Settings

RAY_START_LIMIT = 60.0  # seconds; on a slow machine it takes 15
PROBE_BYTES = 1 << 20  # that a data directory must have room for: a first segment, a first store
RAY_LOGS = "Ray's own logs are below /tmp/ray/session_latest/logs; `eagleray doctor` looks at this machine."


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
    """Collect, check, score and store until Ctrl-C, which saves what was done, or with --once until done.

    checked: checks of this run that are on record; alive: proxies that work
    now; outcomes: endpoints that this run has checked, by the latest one.
    Exit code 1: at the end a store lacks rows, or an actor was cut off.
    """
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
    refuse_unwritable(settings.data_dir)
    refuse_in_use(settings.data_dir)
    refuse_unreadable_log(log_dir(settings.data_dir))


def refuse_unwritable(data: Path) -> None:
    """End the command where the data directory can't be made or written, or its disk is full."""
    try:
        data.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=data) as probe:
            probe.write(bytes(PROBE_BYTES))
    except OSError as error:
        fail(
            f"cannot write to {data}: {error.strerror}",
            "Make room there, or give another directory with --data.",
        )


def refuse_in_use(data: Path) -> None:
    """End the command where a run on this machine has the data directory; else it is this process's own."""
    from eagleray.actors.sinks.log.log import LogLocked, take_lock

    if not hold(data):
        fail(f"another run is at work in {data}", "Wait for its end, or give another directory with --data.")
    if log_dir(data).is_dir():
        try:
            os.close(take_lock(log_dir(data)))
        except LogLocked as error:
            fail(str(error), "Another run is at work there: give another directory with --data.")
        except OSError as error:
            fail(f"cannot write to {log_dir(data)}: {error.strerror}", "Give a directory with --data.")


def refuse_unreadable_log(log: Path) -> None:
    """End the command where the log is not for this program: its actor would tell that once Ray is up."""
    from eagleray.actors.sink import read_fence
    from eagleray.actors.sinks.log.segments import OtherFormat, require_format

    require_directory(log)
    try:
        require_format(log)
        read_fence(log / "fence")
    except (OtherFormat, ValueError) as error:
        fail(str(error))
    except OSError as error:
        fail(f"cannot read the log in {log}: {error.strerror}", "Give another directory with --data.")


def hold(data: Path) -> bool:
    """Lock the data directory as long as this process lives; False where another one has it.

    The log has a lock of its own, which its actor takes once Ray is up: this one tells before.
    """
    try:
        fcntl.flock(os.open(data, os.O_RDONLY | os.O_DIRECTORY), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # some file systems can't: the log's lock has to do
        return True
    return True


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
    from eagleray.cluster.ray_watch import RayLost
    from eagleray.cluster.topology import NamespaceTaken, RayNotStarted

    limit = Timer(RAY_START_LIMIT, give_up_on_ray)
    limit.daemon = True
    end_on_hangup()
    with ray_silenced(), Display() as display:

        def on_start(dashboard: str) -> None:
            limit.cancel()
            display.say(f"Ray is up; dashboard: {dashboard or 'off'}")

        display.say("Starting Ray …")
        limit.start()
        try:
            return runner.execute(settings, once, on_start, display.show)
        except RayLost as error:
            display.stop()
            end_without_ray(str(error), settings.ray.address)
        except (RayError, ExceptionGroup) as error:  # first: what an actor raised may be a ValueError, too
            show_traceback(error)
            fail(f"an actor failed for good: {sentence(error)}", RAY_LOGS, Exit.NOTHING_ALIVE)
        except (ConnectionError, ValueError) as error:  # ValueError: Ray does not take the address
            fail(f"cannot join Ray: {error}", "Is the cluster up? `ray status` tells.")
        except NamespaceTaken as error:
            advice = "Wait for its end, or set ray.namespace (EAGLERAY_RAY__NAMESPACE) to another one."
            fail(str(error), advice)
        except RayNotStarted as error:
            fail(str(error), error.advice, Exit.NOTHING_ALIVE)
        except KeyboardInterrupt:
            raise typer.Exit(Exit.INTERRUPTED) from None
        finally:
            limit.cancel()


def give_up_on_ray() -> None:
    """End this process, and with it what there is of Ray: its start is not to be interrupted otherwise."""
    note(f"eagleray: Ray has not started within {RAY_START_LIMIT:.0f} s")
    note(f"  {RAY_LOGS}")
    os._exit(Exit.NOTHING_ALIVE)


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
    for who in summary["cut_off"]:
        note(who)


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
