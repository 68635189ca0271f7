"""What the log asks of the file system beyond plain reading."""

import os
from pathlib import Path


def create_file(path: Path) -> int:
    """An empty file open for writing under this name, durably; what had the name before is gone.

    Raises:
        OSError: the disk is full or broken; the name may be there or not.
    """
    temporary = path.with_name("segment.new")
    file = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        temporary.replace(path)
        sync_directory(path.parent)  # else a power cut may lose the name of a synced file
    except OSError:
        os.close(file)
        raise
    return file


def write_at(file: int, data: bytes, offset: int) -> None:
    """Write all of `data` at `offset`; the kernel may take it in parts.

    Raises:
        OSError: the disk is full or broken; a part may be written.
    """
    rest = memoryview(data)
    while rest:
        written = os.pwrite(file, rest, offset)
        rest, offset = rest[written:], offset + written


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
