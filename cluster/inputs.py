"""What a person names as input: files, the standard input, URLs of lists, endpoints. Read as a stream."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from eagleray.pipelines.addresses import Allowed
from eagleray.pipelines.document import Document
from eagleray.pipelines.proxies.model import Candidate
from eagleray.pipelines.proxies.packing import endpoint_key
from eagleray.pipelines.proxies.parse import Labels, Refusal, parse, parse_lines, stream_lines
from eagleray.pipelines.proxies.parse.sniff import Format, sniff

STDIN = "-"
CHUNK = 1 << 16  # bytes read at a time; the first of them tell the format
MAX_LIST = 512 << 20  # bytes of a file: some 25 million lines. The standard input has no such bound.
MAX_DOCUMENT = 64 << 20  # bytes of what has to be parsed as a whole: JSON, HTML
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


class InputError(Exception):
    """Raised where an input can't be used: one sentence, and one on what to do."""

    def __init__(self, sentence: str, advice: str) -> None:
        super().__init__(sentence, advice)
        self.sentence = sentence
        self.advice = advice


class Inputs:
    """The candidates of all inputs, each endpoint once; counts what it passed over."""

    def __init__(self, words: Sequence[str], allowed: Allowed) -> None:
        """Look at every input before any is read.

        Raises:
            InputError: one is neither a file, nor the URL of a list, nor an endpoint.
        """
        self.refused: Counter[str] = Counter()
        self.duplicates = 0
        self._allowed = allowed
        self._seen: set[bytes] = set()
        self._readers = [self._reader(word) for word in words]

    def __iter__(self) -> Iterator[Candidate]:
        """The candidates; may block on a pipe, so pull from a thread.

        Raises:
            InputError: an input can't be read, or is no list.
        """
        for reader in self._readers:
            for item in reader:
                if not isinstance(item, Candidate):
                    self.refused[item] += 1
                elif self._is_new(item):
                    yield item

    def _is_new(self, candidate: Candidate) -> bool:
        key = endpoint_key(candidate.endpoint)
        if key in self._seen:
            self.duplicates += 1
            return False
        self._seen.add(key)
        return True

    def _reader(self, word: str) -> Iterator[Candidate | Refusal]:
        if word == STDIN:
            return read_stream("the standard input", open(0, "rb", buffering=0, closefd=False))
        if Path(word).exists():
            return read_file(Path(word))
        if is_list_url(word):
            return read_url(word, self._allowed)
        items = list(parse_lines([word], Labels(source="command line")))
        if not items:
            raise InputError(
                f"{word} is neither a file, nor the URL of a list, nor an endpoint",
                "Endpoints look like 203.0.113.7:8080 or socks5://user:pass@203.0.113.7:1080.",
            )
        return iter(items)


def is_list_url(word: str) -> bool:
    """True for a URL with a path or query; `http://1.2.3.4:8080` is an endpoint."""
    try:
        parts = urlsplit(word)
        return parts.scheme in ("http", "https") and bool(parts.path.strip("/") or parts.query)
    except ValueError:
        return False


def read_file(path: Path) -> Iterator[Candidate | Refusal]:
    """The entries of a file.

    Raises:
        InputError: a directory, unreadable, empty, binary, or too large.
    """
    try:
        size = path.stat().st_size
        stream = path.open("rb", buffering=0)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}", "Give a file that you may read.") from error
    if size > MAX_LIST:
        raise InputError(
            f"{path} has {size / 1e9:.1f} GB, more than the {MAX_LIST >> 20} MB that a list may have",
            f"Split it, or stream it: eagleray check - < {path}",
        )
    return read_stream(str(path), stream)


def read_stream(name: str, stream: IO[bytes]) -> Iterator[Candidate | Refusal]:
    """The entries of a stream: text line by line, other formats as a whole.

    Raises:
        InputError: unreadable, empty, binary, or too large for its format.
    """
    with stream:
        try:
            head = stream.read(CHUNK)
            if not head:
                raise InputError(f"{name} is empty", "Give a list with one host:port a line.")
            if b"\x00" in head and not head.startswith(UTF16_MARKS):
                raise InputError(f"{name} is binary, not a list", "Give a text, CSV, JSON or HTML list.")
            if sniff(head.decode("utf-8", "replace")) is Format.TEXT:
                yield from parse_lines(stream_lines(chunks(head, stream)), Labels(source=name))
            else:
                yield from parse_whole(name, b"".join(chunks(head, stream, MAX_DOCUMENT)))
        except OSError as error:
            raise InputError(f"cannot read {name}: {error.strerror}", "Give a file to read.") from error


def chunks(head: bytes, stream: IO[bytes], limit: int | None = None) -> Iterator[bytes]:
    """The stream from its head on.

    Raises:
        InputError: it goes beyond `limit` bytes.
    """
    size = len(head)
    yield head
    while chunk := stream.read(CHUNK):
        size += len(chunk)
        if limit and size > limit:
            raise InputError(
                f"{stream.name} is not a plain list and has more than {limit >> 20} MB",
                "Convert it to one host:port a line.",
            )
        yield chunk


def parse_whole(name: str, body: bytes) -> Iterator[Candidate | Refusal]:
    """The entries of a document."""
    parsed = parse(Document(name, name, body))
    yield from parsed.candidates
    for reason, count in parsed.refused.items():
        yield from [Refusal(reason)] * count


def read_url(url: str, allowed: Allowed) -> Iterator[Candidate | Refusal]:
    """The entries of a list on the web.

    Raises:
        InputError: it could not be fetched.
    """
    from eagleray.actors.sources.base import SourceError, SourceSettings
    from eagleray.actors.sources.registry import open_source

    async def fetch() -> list[Document]:
        source = open_source(SourceSettings(name=url, kind="http", url=url), allowed)
        return [document async for document in source.documents()]

    try:
        documents = asyncio.run(fetch())
    except SourceError as error:
        raise InputError(
            f"cannot fetch {url}: {error}", "Is the URL right, and the network there?"
        ) from error
    for document in documents:
        yield from parse_whole(url, document.body)
