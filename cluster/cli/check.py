"""`eagleray check`: ad-hoc validation in this process, without Ray."""

import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Annotated, TextIO

import msgspec
import typer

from eagleray.cluster.cli.config import ConfigOption, read_settings
from eagleray.cluster.cli.console import Exit, Format, chosen, fail, note
from eagleray.cluster.cli.sheet import Sheet
from eagleray.pipelines.proxies.check_plan import CheckRules, Depth
from eagleray.pipelines.proxies.model import Candidate, Protocol

ENV_PREFIX = "EAGLERAY_PIPELINES"

Judges = Annotated[
    list[str] | None,
    typer.Option("--judge", metavar="URL", help="Judge to use; repeatable, the first that answers is taken."),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("check")(check)


def check(
    inputs: Annotated[
        list[str], typer.Argument(metavar="INPUT...", help="File, `-`, URL of a list, or endpoints.")
    ],
    judge: Judges = None,
    types: Annotated[
        list[Protocol] | None, typer.Option("--type", help="Try this protocol only; repeatable.")
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(metavar="CIDR", help="Network that may be dialled although it is not global."),
    ] = None,
    depth: Annotated[
        Depth | None,
        typer.Option(help="quick: one judged request for each protocol tried; full: everything."),
    ] = None,
    tls_target: Annotated[
        str, typer.Option(metavar="off", help="TLS site to CONNECT to; this version knows only `off`.")
    ] = "off",
    concurrency: Annotated[
        str, typer.Option(metavar="N|auto", help="Connections at a time; auto: what descriptors allow.")
    ] = "auto",
    connect_timeout: Annotated[
        float | None, typer.Option(min=0.05, max=60, help="Seconds for the TCP handshake.")
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(min=0.05, max=300, help="Seconds from there to the whole answer.")
    ] = None,
    form: Annotated[
        Format | None, typer.Option("--format", help="Default: a table on a terminal, NDJSON in a pipe.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Write results there instead of stdout.")] = None,
    show_all: Annotated[bool, typer.Option("--all", help="Write the dead, too.")] = False,
    config: ConfigOption = None,
) -> None:
    """Check proxies and write those that work; progress and a summary go to stderr."""
    note(f"Reading {', '.join(inputs[:3])}{' …' if len(inputs) > 3 else ''}")
    if tls_target != "off":
        fail(f"--tls-target {tls_target}: this version does no TLS check yet", "Leave it out, or say `off`.")
    judges, allowed, rules = effective(config, judge, allow)
    changes = {"depth": depth, "types": frozenset(types or ()), "connect_timeout": connect_timeout}
    changes |= {"timeout": timeout}
    rules = msgspec.structs.replace(rules, **{name: value for name, value in changes.items() if value})
    with opened(output) as stream:
        sheet = Sheet(stream, chosen(form, sys.stdout if output is None else stream), show_all)
        code = judge_inputs(inputs, judges, allowed, rules, parse_concurrency(concurrency), sheet)
    raise typer.Exit(code)


def effective(
    config: Path | None, judges: list[str] | None, allow: list[str] | None
) -> tuple[list[str], list[str], CheckRules]:
    """Judges, allowed networks and rules: from the flags, and from the configuration where it is asked for.

    Reading settings costs more than half the time to the first output, so it is done only for what they say.
    """
    if judges and config is None and not any(name.startswith(ENV_PREFIX) for name in os.environ):
        return judges, allow or [], CheckRules()
    proxies = read_settings(config).pipelines.proxies
    settings = proxies.check
    rules = CheckRules(
        depth=Depth(settings.depth),
        connect_timeout=settings.connect_timeout,
        timeout=settings.timeout,
        confirm_after=settings.confirm_after,
    )
    return judges or list(proxies.judges), [*proxies.allow, *(allow or ())], rules


def parse_concurrency(text: str) -> int | None:
    """The number, or None for `auto`."""
    if text == "auto":
        return None
    if not text.isdigit() or int(text) < 1:
        fail(f"--concurrency {text} is neither a number from 1 nor `auto`")
    return int(text)


def opened(output: Path | None) -> TextIO:
    """Where results go."""
    if output is None:
        return os.fdopen(os.dup(sys.stdout.fileno()), "w")
    try:
        return output.open("w")
    except OSError as error:
        fail(f"cannot write {output}: {error.strerror}", "Give a file in a directory that you may write to.")


def judge_inputs(
    words: list[str],
    judges: list[str],
    allow: list[str],
    rules: CheckRules,
    concurrency: int | None,
    sheet: Sheet,
) -> Exit:
    """Check all inputs; what stands in the way becomes one sentence and an exit code."""
    import uvloop

    from eagleray.cluster.inputs import InputError, Inputs
    from eagleray.pipelines.addresses import Allowed
    from eagleray.pipelines.proxies.judging import JudgeError

    interrupted = False
    try:
        inputs = Inputs(words, Allowed(allow))
        candidates = not_empty(inputs, inputs.refused)
        uvloop.run(pour(candidates, judges, allow, rules, concurrency, sheet))
    except InputError as error:
        fail(error.sentence, error.advice)
    except JudgeError as error:
        fail(f"cannot judge here: {error}", "Give a judge that answers: --judge URL.", Exit.CANNOT_JUDGE)
    except ValueError as error:
        fail(f"--allow: {error}", "A network looks like 10.0.0.0/8.")
    except KeyboardInterrupt:
        interrupted = True
    sheet.close(inputs.refused, inputs.duplicates)
    if interrupted:
        return Exit.INTERRUPTED
    return Exit.DONE if sheet.alive else Exit.NOTHING_ALIVE


def not_empty(inputs: Iterable[Candidate], refused: Counter[str]) -> Iterator[Candidate]:
    """The candidates, once there is a first one; a list without any ends the command."""
    candidates = iter(inputs)
    first = next(candidates, None)
    if first is None:
        reasons = ", ".join(f"{reason} {count}" for reason, count in refused.most_common())
        fail(
            "there is no valid endpoint in the input" + (f" (refused: {reasons})" if reasons else ""),
            "Give one host:port a line, where host is an IPv4 or IPv6 address.",
        )
    return chain([first], candidates)


async def pour(
    candidates: Iterable[Candidate],
    judges: list[str],
    allow: list[str],
    rules: CheckRules,
    concurrency: int | None,
    sheet: Sheet,
) -> None:
    """Every report to the sheet."""
    from eagleray.cluster.checking import check as check_candidates

    reports = check_candidates(candidates, judge=judges, allow=allow, rules=rules, concurrency=concurrency)
    async for report in reports:
        sheet.write(report)
