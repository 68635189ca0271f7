"""Bytes to text and text to lines, in bounded memory."""

import codecs
import re
from collections.abc import Iterable, Iterator

MAX_LINE = 65_536  # characters: some lists are one line of thousands of entries, none needs more

# A byte order mark within a text is where another one was appended, perhaps behind a line without end.
_line = re.compile("[^\r\n\ufeff]+")


def encoding(head: bytes) -> str:
    """The encoding that a byte order mark tells: UTF-16, or else UTF-8 with or without a mark."""
    return "utf-16" if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"


def decode(body: bytes) -> str:
    """The text of a body; what is no text becomes U+FFFD, so addresses among it are still found."""
    return body.decode(encoding(body), "replace")


def lines(text: str) -> Iterator[str]:
    """The lines that are not empty."""
    return (match[0] for match in _line.finditer(text))


def stream_lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """The lines of a body that comes in chunks, the first of at least three bytes.

    Holds one chunk and at most `MAX_LINE` + 1 characters besides: a longer line comes out cut, long enough
    to be refused.
    """
    decoder: codecs.IncrementalDecoder | None = None
    rest = ""
    for chunk in chunks:
        decoder = decoder or codecs.getincrementaldecoder(encoding(chunk))("replace")
        text = rest + decoder.decode(chunk)
        end = max(text.rfind("\n"), text.rfind("\r")) + 1
        yield from lines(text[:end])
        rest = text[end:][: MAX_LINE + 1]
    yield from lines(rest + (decoder.decode(b"", True) if decoder else ""))
