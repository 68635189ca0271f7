"""Frames of the durable log: how a payload stands in a segment, and how it is found again.

A frame, little endian:

    marker   4 bytes  F5 "EL2": F5 never occurs in UTF-8
    crc      u32      CRC-32 (zlib) of everything after this field
    length   u32      bytes of payload
    records  u32      how many records the payload holds, at least 1
    number   u64      of its first record; counts records over all segments, from 0
    time     f64      when the frame was appended, Unix seconds
    payload

The marker finds the next frame behind a damaged one, and keeps a page of zeros from passing for empty frames.
"""

import errno
import os
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

MARKER = b"\xf5EL2"
HEADER = struct.Struct("<4sIIIQd")
CHECKED_FROM = 8  # the CRC covers what stands behind it in the header, then the payload
MAX_PAYLOAD = 16 << 20  # a batch of 2 000 records has about 1 MB
MAX_RECORDS = (1 << 32) - 1  # of one frame

WINDOW = 1 << 20  # bytes read at a time in search of a marker
BLOCK = 4096  # bytes given up at a time where the disk cannot read


class Position(NamedTuple):
    """A place in the log: the segment's first record number, and an offset in bytes."""

    segment: int
    offset: int


START = Position(0, 0)


class Frame(NamedTuple):
    """A payload as it was read, with the position behind it."""

    payload: bytes
    records: int
    number: int  # of its first record
    appended_at: float  # Unix seconds
    next: Position

    @property
    def start(self) -> Position:
        """Where the frame stands."""
        segment, behind = self.next
        return Position(segment, behind - HEADER.size - len(self.payload))

    @property
    def next_number(self) -> int:
        """The number of the first record behind the frame."""
        return self.number + self.records


class Damage(NamedTuple):
    """Bytes that hold no sound frame."""

    start: Position
    size: int
    torn: bool  # the stretch is the last one, and what a write leaves that was cut short


def encode(payload: bytes, records: int, number: int, appended_at: float) -> bytes:
    """A frame as it stands in a segment."""
    head = HEADER.pack(MARKER, 0, len(payload), records, number, appended_at)[CHECKED_FROM:]
    crc = zlib.crc32(payload, zlib.crc32(head))
    return b"".join((MARKER, crc.to_bytes(4, "little"), head, payload))


def scan(file: BinaryIO, segment: int, offset: int, stop: int) -> Iterator[Frame | Damage]:
    """Yield all that stands between `offset` and `stop`: frames, and the damage between them."""
    while offset < stop:
        frame = read_frame(file, segment, offset, stop)
        if frame is None:
            start = Position(segment, offset)
            candidates = (read_frame(file, segment, at, stop) for at in markers(file, offset + 1, stop))
            frame = next((found for found in candidates if found), None)
            if frame is None:
                yield Damage(start, stop - offset, torn=cut_short(file, offset, stop))
                return
            yield Damage(start, frame.start.offset - offset, torn=False)
        yield frame
        offset = frame.next.offset


def read_frame(file: BinaryIO, segment: int, offset: int, stop: int) -> Frame | None:
    """The frame at `offset`, or None where no whole and sound one stands before `stop`."""
    whole = read_whole(file, offset, stop)
    if whole is None:
        return None
    head, payload = whole
    _, crc, _, records, number, appended_at = HEADER.unpack(head)
    if zlib.crc32(payload, zlib.crc32(head[CHECKED_FROM:])) != crc:
        return None
    behind = Position(segment, offset + HEADER.size + len(payload))
    return Frame(payload, records, number, appended_at, behind)


def read_whole(file: BinaryIO, offset: int, stop: int) -> tuple[bytes, bytes] | None:
    """Header and payload at `offset`, sound or not; None where they are not there in full before `stop`."""
    head = read_at(file, offset, HEADER.size)
    if len(head) < HEADER.size:
        return None
    marker, _, length, *_ = HEADER.unpack(head)
    if marker != MARKER or length > MAX_PAYLOAD or offset + HEADER.size + length > stop:
        return None
    payload = read_at(file, offset + HEADER.size, length)
    return (head, payload) if len(payload) == length else None


def cut_short(file: BinaryIO, offset: int, stop: int) -> bool:
    """Whether the bytes behind the last sound frame are the beginning of another one, or zeros.

    A power cut may also leave some blocks of a write and not those before: that is taken for damage.
    """
    size = min(stop, file.seek(0, os.SEEK_END)) - offset  # an appender may have cut them off meanwhile
    head = read_at(file, offset, max(0, min(HEADER.size, size)))
    if head.startswith(MARKER) and len(head) == HEADER.size:
        return begins_frame(file, head, offset, size - HEADER.size)
    part = size < HEADER.size and MARKER.startswith(head[: len(MARKER)])
    return size <= 0 or (len(head) == min(HEADER.size, size) and (part or zeros(file, offset, size)))


def begins_frame(file: BinaryIO, head: bytes, offset: int, rest: int) -> bool:
    """Whether a frame with this header has more than the `rest` that is there, and no wrong length alone."""
    _, crc, length, *others = HEADER.unpack(head)
    if not rest < length <= MAX_PAYLOAD:
        return False
    payload = read_at(file, offset + HEADER.size, rest)
    mended = HEADER.pack(MARKER, crc, rest, *others)
    return len(payload) == rest and zlib.crc32(payload, zlib.crc32(mended[CHECKED_FROM:])) != crc


def zeros(file: BinaryIO, offset: int, size: int) -> bool:
    """Whether there is nothing else in so many bytes."""
    chunks = ((offset + at, min(WINDOW, size - at)) for at in range(0, size, WINDOW))
    return all(read_at(file, at, length) == bytes(length) for at, length in chunks)


def markers(file: BinaryIO, offset: int, stop: int) -> Iterator[int]:
    """Yield where markers stand between `offset` and `stop`."""
    beginning = len(MARKER) - 1  # bytes of a marker that goes on in the next chunk
    while offset < stop:
        block = BLOCK - offset % BLOCK
        chunk = read_at(file, offset, min(WINDOW, stop - offset)) or read_at(file, offset, block)
        at = chunk.find(MARKER)
        while at >= 0:
            yield offset + at
            at = chunk.find(MARKER, at + 1)
        offset += len(chunk) - beginning if len(chunk) > beginning else block


def read_at(file: BinaryIO, offset: int, size: int) -> bytes:
    """Up to `size` bytes; none where the disk cannot read them, which is damage like any other."""
    try:
        file.seek(offset)
        return file.read(size)
    except OSError as error:
        if error.errno == errno.EIO:
            return b""
        raise
