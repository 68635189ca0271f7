"""A disk that fails at will: what stands between the log and the kernel is `os`, so faults are put there."""

import os
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest


class FaultyDisk:
    """Counts the calls that change files, and makes them fail while they are told to."""

    CALLS = ("open", "pwrite", "fdatasync", "fsync", "ftruncate", "replace", "unlink")

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self._errors: dict[str, int] = {}
        self._most = 1 << 40  # bytes that one write takes
        self._room = 0  # bytes that writes take before they fail
        for name in self.CALLS:
            monkeypatch.setattr(os, name, self._instead_of(name, getattr(os, name)))

    def fail(self, name: str, error: int, room: int = 0) -> None:
        """From now on `os.<name>` fails with this errno; writes do once they have written `room` bytes.

        Opening fails only where it creates a file.
        """
        self._errors[name] = error
        self._room = room

    def take_in_parts(self, most: int) -> None:
        """A write takes so many bytes at most."""
        self._most = most

    def heal(self, *names: str) -> None:
        """These calls work again; all of them where none is named."""
        for name in names or self.CALLS:
            self._errors.pop(name, None)

    def _instead_of(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            self.made[name] += 1
            if name == "pwrite":
                file, data, offset = arguments
                taken = min(self._most, len(data))
                if name in self._errors:
                    taken = min(taken, self._room)
                    self._room -= taken
                if taken:
                    return real(file, data[:taken], offset)
            if name in self._errors and (name != "open" or arguments[1] & os.O_CREAT):
                self.failed[name] += 1
                raise OSError(self._errors[name], os.strerror(self._errors[name]))
            return real(*arguments, **options)

        return call
