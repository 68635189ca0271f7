"""Lists as web pages: rows of tables, and addresses in the text around them.

Reads by linear scans instead of `html.parser`, which takes quadratic time on malformed tags: 100 kB of
`<a x=` keep that of Python 3.11 busy for 45 s, and a source may send anything.
"""

import re
from collections.abc import Iterator
from html import unescape

from eagleray.pipelines.proxies.model import Candidate
from eagleray.pipelines.proxies.parse.csv_tables import header_names
from eagleray.pipelines.proxies.parse.labels import Labels
from eagleray.pipelines.proxies.parse.lines import lines
from eagleray.pipelines.proxies.parse.obfuscation import digits, written
from eagleray.pipelines.proxies.parse.record import parse_record
from eagleray.pipelines.proxies.parse.refusal import Refusal
from eagleray.pipelines.proxies.parse.text import parse_line

_script = re.compile(r"<script\b[^<>]*>", re.IGNORECASE)
_script_end = re.compile(r"</script\b[^<>]*>", re.IGNORECASE)
_style = re.compile(r"<style\b[^<>]*>", re.IGNORECASE)
_style_end = re.compile(r"</style\b[^<>]*>", re.IGNORECASE)
_row = re.compile(r"<tr\b[^<>]*>", re.IGNORECASE)
_row_end = re.compile(r"</t(?:r|body|able)\b[^<>]*>", re.IGNORECASE)
_cell = re.compile(r"<t[dh]\b[^<>]*>", re.IGNORECASE)
_break = re.compile(r"</?(?:br|div|h[1-6]|li|ol|p|pre|section|textarea|ul)\b[^<>]*>", re.IGNORECASE)
_tag = re.compile(r"</?[a-zA-Z!][^<>]*>")
_address = re.compile(r"[0-9]\.[0-9]{1,3}\.[0-9]|\[[0-9a-fA-F]*:|[0-9a-fA-F]::?[0-9a-fA-F]{1,4}:")


def parse_html(text: str, labels: Labels) -> Iterator[Candidate | Refusal]:
    """The entries of a page; rows and lines without anything like an address are not entries."""
    before, *rows = _row.split(with_scripts_run(without_comments(text)))
    yield from parse_around(before, labels)
    names: list[str] = []
    for part in rows:
        row, *around = _row_end.split(part)
        cells = [plain(cell) for cell in _cell.split(row)[1:]]
        names = header_names(cells) or names
        yield from parse_row(cells, names, labels)
        yield from parse_around("\n".join(around), labels)


def parse_row(cells: list[str], names: list[str], labels: Labels) -> Iterator[Candidate | Refusal]:
    """The entry of a table's row: by the columns' names, or else as a line that starts at its address."""
    start = next((at for at, cell in enumerate(cells) if _address.search(cell)), None)
    if start is None:
        return
    if names:
        yield from parse_record(dict(zip(names, cells, strict=False)), labels)
    else:
        yield from parse_line("\t".join(cells[start:]), labels)


def parse_around(text: str, labels: Labels) -> Iterator[Candidate | Refusal]:
    """The entries of what stands outside of tables, line by line."""
    for line in lines(unescape(_tag.sub("", _break.sub("\n", text)))):
        if _address.search(line):
            yield from parse_line(line, labels)


def plain(cell: str) -> str:
    """The text of a cell on one line, without tags."""
    return " ".join(unescape(_tag.sub("", cell)).split())


def without_comments(text: str) -> str:
    """The page without its comments and style sheets."""
    before, *parts = text.split("<!--")
    text = before + "".join(part.partition("-->")[2] for part in parts)
    before, *parts = _style.split(text)
    return before + "".join("".join(_style_end.split(part, maxsplit=1)[1:]) for part in parts)


def with_scripts_run(text: str) -> str:
    """The page with each script replaced by what it writes."""
    before, *parts = _script.split(text)
    scripts = [_script_end.split(part, maxsplit=1) for part in parts]
    letters: dict[str, str] = {}
    for script, *_ in scripts:
        letters |= digits(script)
    return before + "".join(written(script, letters) + "".join(after) for script, *after in scripts)
