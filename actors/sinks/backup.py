"""Backups: all rows of a store in one file, which any kind of store takes back."""

import gzip
import os
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import msgspec

from eagleray.actors.sinks.base import Schema, Writer
from eagleray.actors.sinks.copying import Count, Intake, envelopes
from eagleray.actors.sinks.files import sync_directory
from eagleray.pipelines.tables import Envelope

FORMAT = 1
MAX_FRAME = 64 << 20  # bytes
LEVEL = 3  # of gzip: a tenth of the size at 60 MB/s

_encode = msgspec.msgpack.Encoder().encode


class BackupError(Exception):
    """Raised when a file is no whole backup of this pipeline."""


class Head(msgspec.Struct, array_like=True):
    """What a backup begins with."""

    format: int
    pipeline: str
    made_at: float  # Unix seconds


class End(msgspec.Struct, array_like=True):
    """What a whole backup ends with: a file without it was cut off."""

    rows: int


async def back_up(writer: Writer, schema: Schema, path: Path, count: Count) -> int:
    """Write every row of an open store to a file, which is there whole or not at all; how many it were.

    The file is gzip of frames: a length (u32, little endian), then msgpack of `Head`, of envelopes, of `End`.

    Raises:
        StoreError: the store does not answer.
        OSError: the disk is full or broken.
    """
    total = 0
    with replaced(path) as file, gzip.open(file, "wb", LEVEL) as packed:
        stream = cast("BinaryIO", packed)
        write_frame(stream, Head(FORMAT, schema.pipeline, time.time()))
        async for envelope in envelopes(writer, schema):
            write_frame(stream, envelope)
            total += envelope.n
            count(total)
        write_frame(stream, End(total))
    return total


async def restore(path: Path, schema: Schema, target: Intake) -> None:
    """Write every row of a backup to an open store; rows that it has in a newer state stay.

    Raises:
        BackupError: the file is no whole backup of this pipeline; nothing was written.
        StoreError: the store does not answer.
    """
    for _ in read_backup(path, schema):
        pass  # to the end, before the first row is written
    for envelope in read_backup(path, schema):
        await target.take([envelope])


def read_backup(path: Path, schema: Schema) -> Iterator[Envelope]:
    """The envelopes of a backup.

    Raises:
        BackupError: it is none, or not whole, or of another pipeline or a newer program.
    """
    try:
        with gzip.open(path, "rb") as packed:
            yield from read_envelopes(cast("BinaryIO", packed), schema)
    except (OSError, EOFError, zlib.error, msgspec.MsgspecError, UnicodeDecodeError, TypeError) as error:
        reason = getattr(error, "strerror", None) or "it is no backup, or was cut off"
        raise BackupError(f"{path}: {reason}") from error


def read_envelopes(stream: BinaryIO, schema: Schema) -> Iterator[Envelope]:
    """The envelopes between head and end."""
    versions = {table.name: table.version for table in schema.tables}
    head = msgspec.msgpack.decode(read_frame(stream), type=Head)
    if (head.format, head.pipeline) != (FORMAT, schema.pipeline):
        raise BackupError(
            f"a backup of {head.pipeline} in format {head.format}, which this program does not read"
        )
    total = 0
    while len(fields := msgspec.msgpack.decode(frame := read_frame(stream))) > 1:
        envelope = msgspec.msgpack.decode(frame, type=Envelope)
        if envelope.version > versions.get(envelope.table, 0):
            raise BackupError(f"a newer Eagleray made this backup: table {envelope.table} {envelope.version}")
        yield envelope
        total += envelope.n
    if fields != [total] or stream.read(1):  # at the end gzip compares its CRC
        raise BackupError(f"{total} rows where {fields} were written")


def write_frame(stream: BinaryIO, item: Head | Envelope | End) -> None:
    """Append one frame."""
    body = _encode(item)
    stream.write(len(body).to_bytes(4, "little") + body)


def read_frame(stream: BinaryIO) -> bytes:
    """The next frame.

    Raises:
        EOFError: there is no whole one.
    """
    head = stream.read(4)
    size = int.from_bytes(head, "little")
    body = stream.read(min(size, MAX_FRAME))
    if len(head) < 4 or len(body) < size:
        raise EOFError
    return body


@contextmanager
def replaced(path: Path) -> Iterator[BinaryIO]:
    """A file that takes its name once it is whole and on the disk; only its owner may read it."""
    temporary = path.with_name(path.name + ".part")
    try:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:  # noqa: PTH123 (a mode for the file)
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_directory(path.parent)
    finally:
        temporary.unlink(missing_ok=True)
