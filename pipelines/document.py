"""What a source hands over: bytes and where they come from. Transport knows nothing of their meaning."""

import msgspec


class Document(msgspec.Struct, frozen=True):
    """One body fetched from a source."""

    source: str  # the source's name in the configuration
    url: str  # where the body came from, without credentials
    body: bytes
    content_type: str = ""
    fetched_at: float = 0.0  # Unix seconds
