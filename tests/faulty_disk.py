"""A disk that fails at will: what stands between the log and the kernel is `os`, so faults are put there."""

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
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
            error = self._errors.get(name)  # once: another thread may heal the disk meanwhile
            if name == "pwrite":
                file, data, offset = arguments
                taken = min(self._most, len(data))
                if error:
                    taken = min(taken, self._room)
                    self._room -= taken
                if taken:
                    return real(file, data[:taken], offset)
            if error and (name != "open" or arguments[1] & os.O_CREAT):
                self.failed[name] += 1
                self.after_failure(name, *arguments)
                raise OSError(error, os.strerror(error))
            result = real(*arguments, **options)
            self.after_success(name, result, *arguments)
            return result

        return call

    def after_success(self, name: str, result: Any, *arguments: Any) -> None:
        """Called when a call went through."""

    def after_failure(self, name: str, *arguments: Any) -> None:
        """Called when a call was made to fail."""


class LosingDisk(FaultyDisk):
    """A disk that keeps over a power cut what an fsync confirmed, and of everything else what chance decides.

    After a failed fsync the kernel takes a file's dirty pages for written: no later fsync of it saves them.
    """

    SECTOR = 64  # bytes that are written whole; small, so that chance has more to decide

    def __init__(self, monkeypatch: pytest.MonkeyPatch, chance: Random, directory: Path) -> None:
        super().__init__(monkeypatch)
        self._chance = chance
        self._directory = directory
        self._names: dict[str, int] = {}  # files by inode, as the directory is on disk
        self._contents: dict[int, bytes] = {}  # by inode, as on disk
        self._dropped: set[int] = set()  # inodes whose dirty pages are lost

    def after_success(self, name: str, result: Any, *arguments: Any) -> None:
        if name == "open" and arguments[1] & os.O_TRUNC:
            inode = os.fstat(result).st_ino  # may have been another file's
            self._contents.pop(inode, None)
            self._dropped.discard(inode)
        elif name == "fdatasync" and (inode := os.fstat(arguments[0]).st_ino) not in self._dropped:
            size = os.fstat(arguments[0]).st_size
            self._contents[inode] = os.pread(arguments[0], size, 0)
        elif name == "fsync":
            self._names = {path.name: path.stat().st_ino for path in self._directory.glob("*.log")}

    def after_failure(self, name: str, *arguments: Any) -> None:
        if name == "fdatasync":
            self._dropped.add(os.fstat(arguments[0]).st_ino)

    def cut_power(self, rest: Path) -> None:
        """Make a directory that holds what is left; it is the disk's from now on."""
        rest.mkdir()
        now = {path.name: path for path in self._directory.glob("*.log")}
        for name, path in now.items():
            if name not in self._names and self._chance.random() < 0.5:
                continue
            inode = path.stat().st_ino
            (rest / name).write_bytes(self._left(self._contents.get(inode, b""), path.read_bytes()))
        self._directory, self._dropped = rest, set()
        self._names = {path.name: path.stat().st_ino for path in rest.glob("*.log")}
        self._contents = {path.stat().st_ino: path.read_bytes() for path in rest.glob("*.log")}

    def _left(self, durable: bytes, cached: bytes) -> bytes:
        """What is on disk of a file: of each sector that differs the old or the new one."""
        size = self._chance.choice([len(durable), len(cached), max(len(durable), len(cached))])
        parts = []
        for at in range(0, size, self.SECTOR):
            old, new = (each[at : at + self.SECTOR].ljust(self.SECTOR, b"\0") for each in (durable, cached))
            parts.append(self._chance.choice([old, new]))
        return b"".join(parts)[:size]
