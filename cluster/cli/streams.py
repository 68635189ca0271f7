"""The standard streams as commands need them, whatever the parent process left of them."""

import io
import os
import sys
from typing import Any

# What a closed descriptor becomes: one that fails as before, but for stderr, where what is said is lost.
CLOSED_MODES = (os.O_WRONLY, os.O_RDONLY, os.O_WRONLY)


class OutputError(Exception):
    """Raised when the standard output can't be written. No OSError: nobody shall take it for his own."""


class Output(io.FileIO):
    """Descriptor 1, whose errors say that it was that."""

    def write(self, data: Any) -> int:
        """Write as a file does.

        Raises:
            BrokenPipeError: whoever read it has enough.
            OutputError: anything else is wrong.
        """
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputError(f"cannot write to the standard output: {error.strerror}") from error


def prepare() -> None:
    """Keep descriptors 0 to 2 taken, lest a store's file becomes one; let no character fail to be written."""
    for number, mode in enumerate(CLOSED_MODES):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, mode)  # takes the lowest number that is free, so this one
    old = sys.stdout
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(Output(1, "w", closefd=False)),
        encoding=old.encoding if old else None,
        errors="backslashreplace",
        line_buffering=getattr(old, "line_buffering", False) or getattr(old, "write_through", False),
    )
    if sys.stderr is None:
        sys.stderr = io.TextIOWrapper(io.FileIO(2, "w", closefd=False), errors="backslashreplace")


def drop_output() -> None:
    """Let what is still to be written to stdout go nowhere: the interpreter would fail with it at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
