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
from eagleray.pipelines.proxies.parse.lines import decode
from eagleray.pipelines.proxies.parse.sniff import Format, sniff
from eagleray.pipelines.secrets import hide_in_url

STDIN = "-"
CHUNK = 1 << 16  # bytes read at a time; the first of them tell the format
FEW = 64 << 10  # bytes: some 3 000 entries, checked before a second process would have helped
MAX_LIST = 512 << 20  # bytes of a file: some 25 million lines. The standard input has no such bound.
MAX_DOCUMENT = 64 << 20  # bytes of what has to be parsed as a whole: JSON, HTML
MAX_SEEN = 5_000_000  # endpoints known again, some 120 bytes each; then the memory begins anew
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
OPENING = b"\xef\xbb\xbf \t\r\n[{"  # what a list may begin with and still be of any format


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
        self._readers = [self._reader(word) for word in dict.fromkeys(words)]
        self.few = all(holds_few(word) for word in words)  # one core will do

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
        if len(self._seen) == MAX_SEEN:
            self._seen.clear()
        self._seen.add(key)
        return True

    def _reader(self, word: str) -> Iterator[Candidate | Refusal]:
        if word == STDIN:
            return read_stdin()
        if is_path(word):
            return read_file(Path(word))
        if is_list_url(word):
            return read_url(word, self._allowed)
        items = list(parse_lines([word], Labels(source="command line")))
        if not items:
            raise InputError(
                f"{hide_in_url(word)!r} is neither a file, nor the URL of a list, nor an endpoint",
                "Endpoints look like 203.0.113.7:8080 or socks5://user:pass@203.0.113.7:1080.",
            )
        return iter(items)


def is_path(word: str) -> bool:
    """True where a file system knows the word; one that is too long for it is none."""
    try:
        return bool(word) and Path(word).exists()
    except OSError:
        return False


def holds_few(word: str) -> bool:
    """True for an endpoint and a small file; nobody knows what a pipe or a URL holds."""
    if is_path(word):
        return Path(word).is_file() and Path(word).stat().st_size <= FEW
    return word != STDIN and not is_list_url(word)


def is_list_url(word: str) -> bool:
    """True for a URL with a path or query; `http://1.2.3.4:8080` is an endpoint."""
    try:
        parts = urlsplit(word)
        return parts.scheme in ("http", "https") and bool(parts.path.strip("/") or parts.query)
    except ValueError:
        return False


def cannot_read(name: object, error: OSError) -> InputError:
    """The error for what the system does not let us read."""
    return InputError(f"cannot read {name}: {error.strerror}", "Give a file that you may read.")


def read_stdin() -> Iterator[Candidate | Refusal]:
    """The entries of the standard input.

    Raises:
        InputError: closed, empty, binary, or too large for its format.
    """
    try:
        return read_stream("the standard input", open(0, "rb", buffering=0, closefd=False))
    except OSError as error:
        raise cannot_read("the standard input", error) from error


def read_file(path: Path) -> Iterator[Candidate | Refusal]:
    """The entries of a file.

    Raises:
        InputError: a directory, unreadable, empty, binary, or too large.
    """
    try:
        size = path.stat().st_size
        if size > MAX_LIST:
            raise InputError(
                f"{path} has {size / 1e9:.1f} GB, more than the {MAX_LIST >> 20} MB that a list may have",
                f"Split it, or stream it: eagleray check - < {path}",
            )
        return read_stream(str(path), path.open("rb", buffering=0))
    except OSError as error:
        raise cannot_read(path, error) from error


def read_stream(name: str, stream: IO[bytes]) -> Iterator[Candidate | Refusal]:
    """The entries of a stream: text line by line, other formats as a whole.

    Raises:
        InputError: unreadable, empty, binary, or too large for its format.
    """
    with stream:
        try:
            head = read_head(stream)
            if not head:
                raise InputError(f"{name} is empty", "Give a list with one host:port a line.")
            if b"\x00" in head and not head.startswith(UTF16_MARKS):
                raise InputError(f"{name} is binary, not a list", "Give a text, CSV, JSON or HTML list.")
            if sniff(decode(head)) is Format.TEXT:
                yield from parse_lines(stream_lines(chunks(name, head, stream)), Labels(source=name))
            else:
                body = b"".join(chunks(name, head, stream, MAX_DOCUMENT))
                yield from parse_whole(Document(name, name, body))
        except OSError as error:
            raise cannot_read(name, error) from error


def read_head(stream: IO[bytes]) -> bytes:
    """The beginning, as much as tells the format: a pipe may give a byte at a time, but a line is enough."""
    head = b""
    while b"\n" not in head.lstrip(OPENING) and len(head) < CHUNK and (chunk := stream.read(CHUNK)):
        head += chunk
    return head


def chunks(name: str, head: bytes, stream: IO[bytes], limit: int | None = None) -> Iterator[bytes]:
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
                f"{name} is not a plain list and has more than {limit >> 20} MB",
                "Convert it to one host:port a line.",
            )
        yield chunk


def parse_whole(document: Document) -> Iterator[Candidate | Refusal]:
    """The entries of a document."""
    parsed = parse(document)
    yield from parsed.candidates
    for reason, count in parsed.refused.items():
        yield from [Refusal(reason)] * count


def read_url(url: str, allowed: Allowed) -> Iterator[Candidate | Refusal]:
    """The entries of a list on the web.

    Raises:
        InputError: it could not be fetched.
    """
    from pydantic import ValidationError

    from eagleray.actors.sources.base import SourceError, SourceSettings
    from eagleray.actors.sources.registry import open_source

    async def fetch(settings: SourceSettings) -> list[Document]:
        return [document async for document in open_source(settings, allowed).documents()]

    try:
        documents = asyncio.run(fetch(SourceSettings(name="list", kind="http", url=url)))
    except ValidationError as error:
        raise InputError(
            f"{hide_in_url(url)} is no URL that can be fetched", "White space in it is written as %20."
        ) from error
    except SourceError as error:
        raise InputError(
            f"cannot fetch {hide_in_url(url)}: {error}", "Is the URL right, and the network there?"
        ) from error
    for document in documents:
        yield from parse_whole(document)
