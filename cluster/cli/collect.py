"""`eagleray collect`: fetch and parse lists, without checking anything. Registers `eagleray sources` too."""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eagleray.cluster.cli.config import ConfigOption, JsonOption, read_settings
from eagleray.cluster.cli.console import Exit, Format, fail, note, print_json, row_writer
from eagleray.cluster.cli.sources import sources
from eagleray.pipelines.proxies.model import Candidate, Protocol, ordered

if TYPE_CHECKING:
    from eagleray.actors.source import Harvest, Poll
    from eagleray.cluster.proxy_settings import ProxySource
    from eagleray.pipelines.addresses import Allowed

COLUMNS = ("source", "documents", "bytes", "entries", "candidates", "refused", "error", "seconds")
TABLE_COLUMNS = ("source", "entries", "candidates", "refused", "error")  # what fits a terminal


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("collect")(collect)
    app.command("sources")(sources)


def collect(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SOURCE]...", help="File, directory, `-`, URL or a configured source's name; none: all."
        ),
    ] = None,
    config: ConfigOption = None,
    allow: Annotated[
        list[str] | None, typer.Option(metavar="CIDR", help="Network to accept although it is not global.")
    ] = None,
    protocol: Annotated[
        list[Protocol] | None, typer.Option(help="Protocol that entries without one are claimed to speak.")
    ] = None,
    as_json: JsonOption = False,
    output: Annotated[Path | None, typer.Option(help="File to write the clean candidates to.")] = None,
) -> None:
    """Fetch and parse lists; count what each holds and what was refused, and why."""
    from eagleray.cluster.cli.named_sources import resolve
    from eagleray.pipelines.addresses import Allowed

    settings = read_settings(config, {"pipelines": {"proxies": {"allow": allow}}} if allow else {})
    chosen = settings.pipelines.proxies.sources
    if words:
        chosen = tuple(
            each for word in dict.fromkeys(words) for each in resolve(word, chosen, protocol or ())
        )
    allowed = Allowed(settings.pipelines.proxies.allow)
    started = time.monotonic()
    harvests = asyncio.run(gather(chosen, allowed))
    summary, candidates = summarize(harvests, allowed)
    if output:
        write_candidates(output, candidates)
    report(summary | {"seconds": round(time.monotonic() - started, 3)}, as_json)
    raise typer.Exit(Exit.DONE if candidates else Exit.NOTHING_ALIVE)


async def gather(chosen: Sequence["ProxySource"], allowed: "Allowed") -> list["Harvest"]:
    """Poll the sources, with a line on each as soon as it is done."""
    from eagleray.actors.source import Feed, collect
    from eagleray.pipelines.proxies.parse import Labels

    feeds = [
        Feed(each, Labels(each.protocols, each.country, each.anonymity, each.credentials_last))
        for each in chosen
    ]
    harvests: list[Harvest] = []
    async for harvest in collect(feeds, allowed):
        harvests.append(harvest)
        note(f"{len(harvests)}/{len(feeds)} {progress(harvest.poll)}")
    return harvests


def progress(poll: "Poll") -> str:
    """One line on a poll."""
    result = poll.error or f"{poll.entries} entries, {poll.candidates} candidates"
    return f"{poll.source}: {result} ({poll.seconds:.1f} s)"


def summarize(harvests: list["Harvest"], allowed: "Allowed") -> tuple[dict[str, Any], list[Candidate]]:
    """The counts of each source and of all together, where an endpoint counts once, and the candidates."""
    from eagleray.pipelines.proxies.clean import clean

    together = clean((each for h in harvests for each in (*h.candidates, *h.blocked)), allowed)
    refused: Counter[str] = Counter()
    for harvest in harvests:
        refused.update(harvest.poll.refused)
    # What clean refuses was counted once a source so far; an endpoint that many lists hold counts once here.
    refused = Counter(dict(refused) | together.refused)
    return {
        "sources": [{name: getattr(h.poll, name) for name in COLUMNS} for h in harvests],
        "entries": sum(h.poll.entries for h in harvests),
        "unique": len(together.candidates) + sum(together.refused.values()),
        "refused": {str(reason): count for reason, count in refused.most_common()},
        "candidates": len(together.candidates),
    }, together.candidates


def write_candidates(path: Path, candidates: list[Candidate]) -> None:
    """Write one URL or address a line; a file is replaced whole or stays as it is.

    Raises:
        typer.Exit: with code 2, it can't be written.
    """
    from eagleray.actors.sinks.base import replace_file

    text = "".join(f"{line}\n" for candidate in candidates for line in addresses(candidate))
    try:
        if path.exists() and not path.is_file():  # a pipe or a device: to replace it would destroy it
            path.write_text(text)
        else:
            replace_file(path.resolve(), text)
    except OSError as error:
        fail(f"cannot write {path}: {error.strerror}")


def addresses(candidate: Candidate) -> Iterator[str]:
    """`scheme://host:port` for each claimed protocol, or the address alone where none is claimed."""
    authority = candidate.endpoint.authority
    yield from (f"{protocol}://{authority}" for protocol in ordered(candidate.protocols))
    if not candidate.protocols:
        yield authority


def report(summary: dict[str, Any], as_json: bool) -> None:
    """Write the summary: a table for people, JSON for programs."""
    if as_json or not sys.stdout.isatty():
        print_json(summary)
        return
    table = row_writer(Format.TABLE, sys.stdout, TABLE_COLUMNS)
    for row in summary["sources"]:
        table.write(row | {"refused": counted(row["refused"])})
    table.close()
    note(
        f"{summary['entries']} entries, {summary['unique']} endpoints, {summary['candidates']} candidates"
        f" in {summary['seconds']:.1f} s; refused: {counted(summary['refused']) or 'none'}"
    )


def counted(refused: dict[str, int]) -> str:
    """Reasons and their counts on one line."""
    return ", ".join(f"{reason} {count}" for reason, count in refused.items())
