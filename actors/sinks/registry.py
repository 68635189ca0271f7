"""The stores that can be enabled: a new one is its file and a line here."""

from pkgutil import resolve_name
from typing import Any, cast

from eagleray.actors.sinks.base import Writer

# Kind in the configuration -> its class, named so that a driver is loaded only where its store is enabled.
WRITERS = {
    "sqlite": "eagleray.actors.sinks.sqlite:SqliteWriter",
}


def create_writer(kind: str, **options: Any) -> Writer:
    """A writer of this kind, not yet open.

    Raises:
        ValueError: no such kind.
    """
    if kind not in WRITERS:
        raise ValueError(f"no store is called {kind!r}; there are: {', '.join(sorted(WRITERS))}")
    return cast("Writer", resolve_name(WRITERS[kind])(**options))
