"""Lists as JSON: whole documents of any shape, and one object a line."""

from collections.abc import Iterator, Mapping

import msgspec

from eagleray.pipelines.proxies.model import Candidate
from eagleray.pipelines.proxies.parse.labels import PROTOCOLS, Labels, overruled
from eagleray.pipelines.proxies.parse.lines import MAX_LINE, lines
from eagleray.pipelines.proxies.parse.record import ADDRESS, URL, Record, first, normalised, parse_record
from eagleray.pipelines.proxies.parse.refusal import Refusal
from eagleray.pipelines.proxies.parse.text import match_entry, parse_line

MAX_DEPTH = 8  # levels between the top and a record: real lists have at most three

_decode = msgspec.json.Decoder().decode


def parse_json(text: str, labels: Labels) -> Iterator[Candidate | Refusal]:
    """The entries of a JSON document: objects that have an address, and strings within lists."""
    try:
        value = _decode(text)
    except (msgspec.DecodeError, RecursionError):
        yield Refusal.MALFORMED
    else:
        yield from walk(value, labels, MAX_DEPTH)


def parse_ndjson(text: str, labels: Labels) -> Iterator[Candidate | Refusal]:
    """The entries of a JSON document a line; a broken line costs only itself."""
    for line in lines(text):
        if len(line) > MAX_LINE:
            yield Refusal.LINE_TOO_LONG
        elif line.strip():
            yield from parse_json(line, labels)


def walk(value: object, labels: Labels, depth: int) -> Iterator[Candidate | Refusal]:
    """The entries in a value, `depth` levels down."""
    if depth == 0:
        return
    if isinstance(value, dict):
        yield from walk_object(value, labels, depth)
    elif isinstance(value, list):
        for item in value:
            if isinstance(item, str):
                yield from parse_line(item, labels)
            else:
                yield from walk(item, labels, depth - 1)


def walk_object(fields: Mapping[str, object], labels: Labels, depth: int) -> Iterator[Candidate | Refusal]:
    """A record, or the entries below, or its URL; a name such as `socks5` labels all that is under it."""
    record = normalised(fields)
    if not isinstance(first(record, ADDRESS), dict | list | None):
        yield from parse_record(record, labels)
        return
    bare = True
    for name, item in fields.items():
        inner = overruled(labels, PROTOCOLS.get(name.lower(), frozenset()), "", None)
        for entry in walk(item, inner, depth - 1):
            bare = False
            yield entry
    if bare and (url := endpoint_url(record)):
        yield from parse_record(record | {ADDRESS[0]: url}, labels)


def endpoint_url(record: Record) -> str:
    """What could be a page's address, too, where it has a port and no path; else empty."""
    url = first(record, URL)
    match = match_entry(url.strip()) if isinstance(url, str) else None
    return match[0] if match and match[6] in ("", "/") else ""
