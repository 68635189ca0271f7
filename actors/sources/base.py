"""What a source is: transport that hands over documents and knows nothing of their meaning.

A new kind is one file with a class that is built from `(SourceSettings, Dialable)`, and a line in `registry`.
"""

import re
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Literal, Protocol, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from eagleray.actors.section import Section
from eagleray.pipelines.document import Document

DAY = 86_400.0  # seconds

MAX_HEADERS = 32  # a client of a list needs two or three
MAX_BODY = 1 << 30  # bytes; a document is held in memory while it is parsed

Dialable = Callable[[str], bool]  # says of a literal address whether it may be dialled


class SourceError(Exception):
    """Raised when a source gives no document; the text holds no secret of the configuration."""


class Unreachable(SourceError):
    """Raised when the file can't be read or the server can't be talked to."""


class TimedOut(SourceError):
    """Raised when the document was not complete in time."""


class BadStatus(SourceError):
    """Raised when the server answers with another status than 200."""


class TooLarge(SourceError):
    """Raised when the document exceeds its bound, counted after decompression."""


class TooManyRedirects(SourceError):
    """Raised when the server sends us on and on."""


class BlockedAddress(SourceError):
    """Raised when the host is, or resolves to, an address that may not be dialled."""


class Source(Protocol):
    """Fetches documents from one place."""

    def documents(self) -> AsyncIterator[Document]:
        """The documents that the source has now; a poll ends.

        Raises:
            SourceError: the source failed; documents that came before stay valid.
        """


def http_url(text: str) -> str:
    """`text`, if it is a URL that can be asked over HTTP.

    Raises:
        ValueError: another scheme, no host, a bad port, or characters that end a request line.
    """
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("this is no http:// or https:// URL")
    if parts.port == 0 or re.search(r"[\x00-\x20\x7f]", text):
        raise ValueError("the URL has port 0, white space or control characters")
    return text


def header_value(text: str) -> str:
    """`text`, if it can stand in a request header.

    Raises:
        ValueError: a line break or another control character, by which one header becomes two.
    """
    if re.search(r"[\x00-\x08\x0a-\x1f\x7f]", text):
        raise ValueError("a header holds no control characters")
    return text


HttpUrl = Annotated[str, AfterValidator(http_url), Field(max_length=4096)]
HeaderName = Annotated[str, Field(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$")]  # RFC 9110, section 5.6.2
HeaderValue = Annotated[str, AfterValidator(header_value), Field(max_length=8192)]


class SourceSettings(Section):
    """Where documents come from, how often, and the bounds on one fetch."""

    name: str = Field(min_length=1, max_length=4096)
    """What the source is called in tables and messages; unique."""
    kind: Literal["file", "http"]
    """How it is fetched: from a file, or by GET over HTTP(S)."""
    path: str | None = Field(default=None, min_length=1)
    """Kind `file`: the file's path, or `-` for the standard input."""
    url: HttpUrl | None = Field(default=None, repr=False)
    """Kind `http`: where the document is; user and password in it are sent as basic authentication."""
    headers: dict[HeaderName, HeaderValue] = Field(default={}, max_length=MAX_HEADERS, repr=False)
    """Kind `http`: request headers; they are not sent on when the server redirects to another origin."""
    interval: float = Field(default=1800.0, ge=1, le=7 * DAY)
    """Seconds from one poll to the next."""
    timeout: float = Field(default=30.0, gt=0, le=3600)
    """Seconds that one fetch may take, from the look-up of the name to the last byte."""
    max_bytes: int = Field(default=64 << 20, ge=1, le=MAX_BODY)
    """Bytes that one document may have after decompression."""

    @model_validator(mode="after")
    def _has_its_place(self) -> Self:
        wanted, other = ("path", "url") if self.kind == "file" else ("url", "path")
        if getattr(self, wanted) is None or getattr(self, other) is not None:
            raise ValueError(f"a source of kind '{self.kind}' needs '{wanted}' and takes no '{other}'")
        return self
