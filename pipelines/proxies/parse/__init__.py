"""Every list format found in the wild, to candidates. Pure: a document in, items and refusals out.

A new format is one file with a parser, and one line in `PARSERS`.
"""

from collections import Counter
from collections.abc import Callable, Iterator

import msgspec

from eagleray.pipelines.document import Document
from eagleray.pipelines.proxies.model import Candidate
from eagleray.pipelines.proxies.parse.csv_tables import parse_csv
from eagleray.pipelines.proxies.parse.html_pages import parse_html
from eagleray.pipelines.proxies.parse.json_lists import parse_json, parse_ndjson
from eagleray.pipelines.proxies.parse.labels import Labels
from eagleray.pipelines.proxies.parse.lines import decode, stream_lines
from eagleray.pipelines.proxies.parse.refusal import Refusal
from eagleray.pipelines.proxies.parse.sniff import Format, sniff
from eagleray.pipelines.proxies.parse.text import parse_lines, parse_text

__all__ = ["Labels", "Parsed", "Refusal", "parse", "parse_lines", "stream_lines"]

MAX_ENTRIES = 1_000_000  # of one document, 0.2 kB each: ranges let a small body stand for far more

UNLABELLED = Labels()

Parser = Callable[[str, Labels], Iterator[Candidate | Refusal]]

PARSERS: dict[Format, Parser] = {
    Format.TEXT: parse_text,
    Format.JSON: parse_json,
    Format.NDJSON: parse_ndjson,
    Format.CSV: parse_csv,
    Format.HTML: parse_html,
}


class Parsed(msgspec.Struct):
    """What a document holds. `entries` were meant as endpoints: the candidates and the refused ones."""

    candidates: list[Candidate]
    entries: int
    refused: Counter[str]  # by `Refusal`


def parse(document: Document, labels: Labels = UNLABELLED) -> Parsed:
    """The candidates of a document, duplicates included. Bad input is counted, never raised."""
    labels = msgspec.structs.replace(labels, source=document.source, seen_at=document.fetched_at)
    text = decode(document.body)
    candidates: list[Candidate] = []
    refused: Counter[str] = Counter()
    for seen, item in enumerate(PARSERS[sniff(text, document.content_type)](text, labels)):
        if seen == MAX_ENTRIES:
            refused[Refusal.TOO_MANY] += 1
            break
        if isinstance(item, Candidate):
            candidates.append(item)
        else:
            refused[item] += 1
    return Parsed(candidates, len(candidates) + refused.total(), refused)
