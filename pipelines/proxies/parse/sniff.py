"""Which format a body is in. The body decides: lists are served under every content type."""

import re
from enum import Enum, auto

from eagleray.pipelines.proxies.parse.csv_tables import header_line, names_in
from eagleray.pipelines.proxies.parse.lines import lines


class Format(Enum):
    """A family of formats."""

    TEXT = auto()
    JSON = auto()
    NDJSON = auto()
    CSV = auto()
    HTML = auto()


SNIFFED = 4096  # characters in which a page shows its first tag

# `[v6]:port` and `[12:30] …` are text: JSON goes on with a value that can hold an entry.
_json = re.compile(r"""\s*(?:\[\s*[\[{"\]]|\{\s*["}])""")
_ndjson = re.compile(r"\s*\{[^\n]*\}[^\S\n]*\n[\s\ufeff]*\{")
_tag = re.compile(r"<(?:!doctype|html|head|body|table|tr|td|div|pre|ul|li|p|br)\b", re.IGNORECASE)


def sniff(text: str, content_type: str = "") -> Format:
    """The format of a body. Tags are looked for in its head; under an HTML content type, in all of it."""
    if _ndjson.match(text):
        return Format.NDJSON
    if _json.match(text):
        return Format.JSON
    if _tag.search(text if "html" in content_type.lower() else text[:SNIFFED]):
        return Format.HTML
    return Format.CSV if names_in(header_line(lines(text))) else Format.TEXT
