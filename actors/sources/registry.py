"""The kinds of sources. A new one is a file in this folder and a line here."""

from collections.abc import Callable, Mapping

from eagleray.actors.sources.base import Dialable, Source, SourceSettings
from eagleray.actors.sources.file import FileSource
from eagleray.actors.sources.http import HttpSource

KINDS: Mapping[str, Callable[[SourceSettings, Dialable], Source]] = {
    "file": FileSource,
    "http": HttpSource,
}


def open_source(settings: SourceSettings, allowed: Dialable) -> Source:
    """The source that the settings describe; `allowed` guards every dial that it makes."""
    return KINDS[settings.kind](settings, allowed)
