"""What a word of `eagleray collect` means: a configured source, standard input, URL, file or directory."""

import difflib
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from eagleray.cluster.cli.console import fail
from eagleray.cluster.proxy_settings import ProxySource
from eagleray.pipelines.proxies.model import Protocol
from eagleray.pipelines.secrets import hide_in_url

STDIN = "-"
STDIN_TIMEOUT = 3600.0  # seconds: another program's pace, not ours
LIST_SUFFIXES = frozenset({".csv", ".htm", ".html", ".json", ".jsonl", ".ndjson", ".tsv", ".txt"})
MAX_FILES = 1000  # of a directory; more were hardly meant

_PROTOCOL = re.compile(r"(?<![a-z0-9])(https?|socks[45])(?![a-z0-9])")


def resolve(
    word: str, configured: Collection[ProxySource], protocols: Collection[Protocol]
) -> Iterator[ProxySource]:
    """The sources that `word` means; `protocols` replace what the configuration or a file's name claims.

    Raises:
        typer.Exit: with code 2, it means none.
    """
    for source in configured:
        if source.name == word:
            yield source.model_copy(update={"protocols": frozenset(protocols)}) if protocols else source
            return
    if word == STDIN:
        yield ad_hoc(word, protocols, kind="file", path=word, timeout=STDIN_TIMEOUT)
    elif "://" in word:
        yield ad_hoc(hide_in_url(word), protocols or claimed_by_url(word), kind="http", url=word)
    elif Path(word).exists():
        for path in lists_in(Path(word)):
            yield ad_hoc(str(path), protocols or claimed_by(path.name), kind="file", path=str(path))
    else:
        near = difflib.get_close_matches(word, [source.name for source in configured], 1)
        advice = f"Did you mean {near[0]}?" if near else "`eagleray sources` lists the configured ones."
        fail(f"{word} is no file, no directory, no URL and no configured source.", advice)


def ad_hoc(name: str, protocols: Collection[str], **place: Any) -> ProxySource:
    """A source that stands on the command line only.

    Raises:
        typer.Exit: with code 2, the URL or the path is none.
    """
    try:
        return ProxySource.model_validate({"name": name, "protocols": protocols, **place})
    except ValidationError as error:
        fail(f"{name}: {error.errors()[0]['msg'].removeprefix('Value error, ')}")


def lists_in(path: Path) -> list[Path]:
    """The file itself, or the lists in a directory and below it by their suffixes, sorted.

    Raises:
        typer.Exit: with code 2, there are none, or more than `MAX_FILES`.
    """
    if not path.is_dir():
        return [path]
    found = sorted(
        each for each in path.rglob("*") if each.suffix.lower() in LIST_SUFFIXES and each.is_file()
    )
    if not found or len(found) > MAX_FILES:
        fail(
            f"{path} holds {len(found) or 'no'} lists.",
            f"Lists end in {', '.join(sorted(LIST_SUFFIXES))}; a directory may hold {MAX_FILES}.",
        )
    return found


def claimed_by(name: str) -> list[str]:
    """The protocols that stand in a name such as `http.txt` or `SOCKS5_RAW.txt`."""
    return _PROTOCOL.findall(name.lower())


def claimed_by_url(url: str) -> list[str]:
    """The protocols that stand in a URL's path or query."""
    parts = urlsplit(url)
    return claimed_by(f"{parts.path}?{parts.query}")
