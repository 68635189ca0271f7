"""Lists as separated values under a line of names."""

import csv
from collections.abc import Iterator

from eagleray.pipelines.proxies.model import Candidate
from eagleray.pipelines.proxies.parse.labels import Labels
from eagleray.pipelines.proxies.parse.lines import MAX_LINE, lines
from eagleray.pipelines.proxies.parse.record import ADDRESS, PORT, normal, parse_record
from eagleray.pipelines.proxies.parse.refusal import Refusal

DELIMITERS = ",;\t|"
COMMENTS = ("#", "//")


def parse_csv(text: str, labels: Labels) -> Iterator[Candidate | Refusal]:
    """The entries of the rows. Rows are lines: a quote that is never closed costs one row, not the rest."""
    rows = lines(text)
    header = header_line(rows)
    delimiter = delimiter_of(header)
    names = names_in(header)
    for line in rows:
        if len(line) > MAX_LINE:
            yield Refusal.LINE_TOO_LONG
        elif line.startswith(COMMENTS):
            continue
        elif cells := split_row(line, delimiter):
            yield from parse_record(dict(zip(names, cells, strict=False)), labels)
        elif line.strip():
            yield Refusal.MALFORMED


def header_line(rows: Iterator[str]) -> str:
    """The first line that is no comment; a line of names may begin like one."""
    return next((line for line in rows if not line.startswith(COMMENTS) or names_in(line)), "")


def names_in(header: str) -> list[str]:
    """The normal names of the columns that a line names, none where it is no header."""
    header = header[:MAX_LINE]
    return header_names(split_row(header, delimiter_of(header)))


def delimiter_of(header: str) -> str:
    """The delimiter that the line of names has most of."""
    return max(DELIMITERS, key=header.count)


def split_row(line: str, delimiter: str) -> list[str]:
    """The cells of a row, none where it is empty or malformed."""
    try:
        cells = next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
    except csv.Error:
        return []
    return cells if any(cells) else []


def header_names(cells: list[str]) -> list[str]:
    """The normal names of the columns, none where the row does not name an address and a port."""
    names = [normal(cell) for cell in cells]
    has_both = "ipport" in names or not (set(names).isdisjoint(ADDRESS) or set(names).isdisjoint(PORT))
    return names if len(names) > 1 and has_both else []
