"""A document from a file, a pipe or the standard input."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

from eagleray.actors.daemon import in_daemon_thread
from eagleray.actors.sources.base import Dialable, SourceSettings, TimedOut, TooLarge, Unreachable
from eagleray.pipelines.document import Document

STDIN = "-"
CHUNK = 1 << 20  # bytes a read; a pipe gives less


class FileSource:
    """Reads one file whole."""

    def __init__(self, settings: SourceSettings, _allowed: Dialable) -> None:
        assert settings.path is not None
        self._settings = settings
        self._path = settings.path

    async def documents(self) -> AsyncIterator[Document]:
        """The file's content.

        Raises:
            SourceError: Unreachable, TooLarge or TimedOut.
        """
        try:
            async with asyncio.timeout(self._settings.timeout):
                body = await in_daemon_thread(lambda: read(self._path, self._settings.max_bytes))
        except TimeoutError:
            raise TimedOut(f"not read to the end within {self._settings.timeout:g} s") from None
        except (OSError, ValueError) as error:  # ValueError: a NUL in the path
            raise Unreachable(getattr(error, "strerror", None) or str(error)) from None
        yield Document(self._settings.name, self._path, body, fetched_at=time.time())


def read(path: str, max_bytes: int) -> bytes:
    """The bytes of a file, or of the standard input.

    Unbuffered: a thread that waits in a buffered standard input holds a lock on which the process aborts
    when it ends.

    Raises:
        OSError: it can't be read.
        TooLarge: it has more than `max_bytes`.
    """
    body = bytearray()
    source: int | Path = 0 if path == STDIN else Path(path)
    with open(source, "rb", buffering=0, closefd=source != 0) as file:
        while chunk := file.read(CHUNK):
            body += chunk
            if len(body) > max_bytes:
                raise TooLarge(f"more than {max_bytes} bytes")
    return bytes(body)
