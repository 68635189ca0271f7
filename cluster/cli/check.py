"""`eagleray check`: ad-hoc validation in this process, without Ray."""

import asyncio
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple, TextIO

import msgspec
import typer

from eagleray.cluster.cli.config import ConfigOption, read_settings
from eagleray.cluster.cli.console import Exit, Format, chosen, end_on_sigterm, fail, note
from eagleray.cluster.cli.sheet import Sheet
from eagleray.cluster.cli.target_flags import (
    BlockListZones,
    CaFile,
    Nameserver,
    Targets,
    TlsTarget,
    with_block_lists,
    with_targets,
)
from eagleray.pipelines.proxies.check_rules import CheckRules, Depth
from eagleray.pipelines.proxies.model import Candidate, Protocol

if TYPE_CHECKING:
    from eagleray.cluster.inputs import Inputs
    from eagleray.cluster.shards import Workers

EXAMPLES = """Examples:

eagleray check list.txt

eagleray check 203.0.113.7:8080 socks5://user:password@[2001:db8::7]:1080 --all

eagleray check list.txt --type socks5 --depth quick --format ndjson --output alive.ndjson

curl -s URL | eagleray check - --format txt > alive.txt"""
ENV_PREFIX = "EAGLERAY_PIPELINES"

Judges = Annotated[
    list[str] | None,
    typer.Option(
        "--judge",
        metavar="URL",
        help="Judge to use; repeatable: the first that answers, the next for second requests or if it fails.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("check", epilog=EXAMPLES)(check)


def check(
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="INPUT", help="File, `-`, URL of a list, or endpoint; several may be given."),
    ],
    judge: Judges = None,
    types: Annotated[
        list[Protocol] | None, typer.Option("--type", help="Try this protocol only; repeatable.")
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CIDR", help="Network that may be dialled although it is not global; repeatable."
        ),
    ] = None,
    depth: Annotated[
        Depth | None,
        typer.Option(help="quick: one judged request for each protocol tried; full: everything."),
    ] = None,
    tls_target: TlsTarget = None,
    target: Targets = None,
    ca_file: CaFile = None,
    dnsbl: BlockListZones = None,
    nameserver: Nameserver = None,
    concurrency: Annotated[
        str | None,
        typer.Option(metavar="N|auto", help="Connections at a time; auto: what this machine bears."),
    ] = None,
    connect_timeout: Annotated[
        float | None,
        typer.Option(min=0.05, max=60, help="Seconds for the TCP handshake; learned by default, at most 2."),
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(
            min=0.05, max=300, help="Seconds from there to the whole answer; learned by default, at most 8."
        ),
    ] = None,
    form: Annotated[
        Format | None, typer.Option("--format", help="Default: a table on a terminal, NDJSON in a pipe.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Write results there instead of stdout.")] = None,
    show_all: Annotated[bool, typer.Option("--all", help="Write the dead, too.")] = False,
    config: ConfigOption = None,
) -> None:
    """Check proxies and write those that work; progress and a summary go to stderr."""
    note("Reading the input")  # its words stay unsaid: they may hold passwords
    refuse_malformed(judge or (), allow or ())
    job = effective(config, judge, allow)
    changes = {"depth": depth, "types": frozenset(types or ()), "connect_timeout": connect_timeout}
    changes |= {"timeout": timeout}
    rules = msgspec.structs.replace(job.rules, **{name: value for name, value in changes.items() if value})
    rules = with_targets(rules, tls_target, target or (), ca_file)
    job = job._replace(rules=with_block_lists(rules, dnsbl or (), nameserver))
    if concurrency:
        job = job._replace(concurrency=parse_concurrency(concurrency))
    refuse_overwriting(inputs, output)
    try:
        with opened(output) as stream:
            form = chosen(form, stream)
            raise typer.Exit(
                judge_inputs(inputs, job, lambda: Sheet(stream, form, show_all, output is not None))
            )
    except BrokenPipeError:  # whoever read the results has enough
        raise
    except OSError as error:
        fail(f"cannot write the results: {error.strerror}", "Name a file that you may write with --output.")


class Job(NamedTuple):
    """What to check by."""

    judges: list[str]
    allow: list[str]
    rules: CheckRules
    concurrency: int | None  # None: what descriptors allow


def effective(config: Path | None, judges: list[str] | None, allow: list[str] | None) -> Job:
    """What the configuration says, where it is asked for; these flags replace its judges and add networks.

    Reading settings costs more than half the time to the first output, so it is done only for what they say.
    """
    if judges and config is None and not any(name.startswith(ENV_PREFIX) for name in os.environ):
        return Job(judges, allow or [], CheckRules(), None)
    proxies = read_settings(config).pipelines.proxies
    settings = proxies.check
    concurrency = None if settings.concurrency == "auto" else settings.concurrency
    return Job(
        judges or list(proxies.judges), [*proxies.allow, *(allow or ())], settings.rules(), concurrency
    )


def refuse_malformed(judges: Sequence[str], allow: Sequence[str]) -> None:
    """End the command where a flag holds no URL or no network."""
    from eagleray.pipelines.addresses import parse_networks
    from eagleray.pipelines.proxies.judging import JudgeError, parse_judge_url

    try:
        parse_networks(tuple(allow))
        for url in judges:
            parse_judge_url(url)
    except JudgeError as error:
        fail(f"--judge: {error}", "A judge looks like http://judge.example/get.")
    except ValueError as error:
        fail(f"--allow: {error}", "A network looks like 10.0.0.0/8.")


def parse_concurrency(text: str) -> int | None:
    """The number, or None for `auto`."""
    if text == "auto":
        return None
    if not re.fullmatch("[1-9][0-9]{0,5}", text):
        fail(f"--concurrency {text} is neither a number from 1 to 999999 nor `auto`")
    return int(text)


def refuse_overwriting(words: Sequence[str], output: Path | None) -> None:
    """End the command where the results would overwrite an input before it is read."""
    from eagleray.cluster.inputs import is_path

    if output and output.is_file() and any(is_path(word) and output.samefile(word) for word in words):
        fail(f"{output} is an input, too", "Give another file with --output.")


def opened(output: Path | None) -> TextIO:
    """Where results go; what a file holds stays for now.

    Raises:
        OSError: the file can't be written, or the standard output is closed.
    """
    if output:
        return output.open("a")
    os.write(1, b"")  # fails where it is closed: now, not after the checks
    return os.fdopen(os.dup(1), "w")


def judge_inputs(words: list[str], job: Job, new_sheet: Callable[[], Sheet]) -> Exit:
    """Check all inputs; what stands in the way becomes one sentence and an exit code."""
    import uvloop

    from eagleray.cluster.inputs import InputError, Inputs
    from eagleray.cluster.shards import WorkerDied, Workers, cores
    from eagleray.pipelines.addresses import Allowed
    from eagleray.pipelines.proxies.judging import JudgeError

    try:
        inputs = Inputs(words, Allowed(job.allow))
    except InputError as error:
        fail(error.sentence, error.advice)
    sheet, problem = new_sheet(), None
    options = {"judge": job.judges, "allow": job.allow, "rules": job.rules}
    try:
        with Workers(1 if inputs.few else cores(), sheet.everything, job.concurrency, **options) as workers:
            end_on_sigterm()  # only now: workers, who ignore SIGINT, must not inherit it
            uvloop.run(pour(not_empty(inputs), workers, sheet))
    except InputError as error:
        problem = error.sentence, error.advice, Exit.USAGE
    except JudgeError as error:
        advice = "Give a judge that answers: --judge URL; `eagleray judge` runs your own."
        problem = f"cannot judge here: {error}", advice, Exit.CANNOT_JUDGE
    except WorkerDied as error:
        advice = "If memory ran out, give a smaller --concurrency."
        problem = str(error), advice, Exit.NOTHING_ALIVE
    except KeyboardInterrupt:
        problem = "interrupted", "", Exit.INTERRUPTED
    if sheet.checked or not problem:
        sheet.close(inputs.refused, inputs.duplicates)
    if problem:
        fail(*problem)
    if not sheet.alive and sheet.unjudged:
        return Exit.CANNOT_JUDGE
    return Exit.DONE if sheet.alive else Exit.NOTHING_ALIVE


async def pour(candidates: Iterable[Candidate], workers: "Workers", sheet: Sheet) -> None:
    """Write what the workers find out about the candidates, and progress all the while."""
    progress = asyncio.create_task(sheet.show_progress())
    try:
        async for results in workers.check(candidates):
            sheet.take(results.reports, results.others)
            sheet.name_judge(results.judge)
            sheet.warn(results.warning)
    finally:
        progress.cancel()


def not_empty(inputs: "Inputs") -> Iterator[Candidate]:
    """The candidates, once there is a first one.

    Raises:
        InputError: there is none.
    """
    from eagleray.cluster.inputs import InputError

    candidates = iter(inputs)
    first = next(candidates, None)
    if first is None:
        reasons = ", ".join(f"{reason} {count}" for reason, count in inputs.refused.most_common())
        raise InputError(
            "there is no valid endpoint in the input" + (f" (refused: {reasons})" if reasons else ""),
            "Give one host:port a line, where host is an IPv4 or IPv6 address.",
        )
    return chain([first], candidates)
