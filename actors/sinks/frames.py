"""Frames of the durable log: how a payload stands in a segment, and how it is found again.

A frame, little endian:

    marker   4 bytes  F5 "EGL": F5 never occurs in UTF-8
    crc      u32      CRC-32 (zlib) of everything after this field
    length   u32      bytes of payload
    records  u32      records in the payload
    number   u64      of the first one: counts records over all segments, from 0
    time     f64      when the frame was appended, Unix seconds
    payload

The marker finds the next frame behind a damaged one, and keeps a page of zeros from passing for empty frames.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

MARKER = b"\xf5EGL"
HEADER = struct.Struct("<4sIIIQd")
CHECKED_FROM = 8  # the CRC covers what stands behind it in the header, then the payload
MAX_PAYLOAD = 16 << 20  # a batch of 2 000 records has about 1 MB


class Position(NamedTuple):
    """A place in the log: the segment's first frame number, and an offset in bytes."""

    segment: int
    offset: int


START = Position(0, 0)


class Frame(NamedTuple):
    """A payload as it was read, with the position behind it."""

    payload: bytes
    records: int
    number: int
    appended_at: float  # Unix seconds
    next: Position


def encode(payload: bytes, records: int, number: int, appended_at: float) -> bytes:
    """A frame as it stands in a segment."""
    head = HEADER.pack(MARKER, 0, len(payload), records, number, appended_at)[CHECKED_FROM:]
    crc = zlib.crc32(payload, zlib.crc32(head))
    return b"".join((MARKER, crc.to_bytes(4, "little"), head, payload))


def read_frame(file: BinaryIO, segment: int, offset: int, stop: int) -> Frame | None:
    """The frame at `offset`, or None where no whole and sound one stands before `stop`."""
    file.seek(offset)
    head = file.read(HEADER.size)
    if len(head) < HEADER.size:
        return None
    marker, crc, length, records, number, appended_at = HEADER.unpack(head)
    behind = offset + HEADER.size + length
    if marker != MARKER or length > MAX_PAYLOAD or behind > stop:
        return None
    payload = file.read(length)
    if zlib.crc32(payload, zlib.crc32(head[CHECKED_FROM:])) != crc:
        return None
    return Frame(payload, records, number, appended_at, Position(segment, behind))


def sound_frames(file: BinaryIO, segment: int, offset: int, stop: int) -> Iterator[tuple[int, Frame]]:
    """Yield each sound frame with its offset; what lies between them is damage."""
    while offset < stop:
        frame = read_frame(file, segment, offset, stop)
        if frame is None:
            offset = next_marker(file, offset + 1, stop)
        else:
            yield offset, frame
            offset = frame.next.offset


def next_marker(file: BinaryIO, offset: int, stop: int) -> int:
    """Where the first marker from `offset` on stands, or `stop`. Reads the rest: segments are bounded."""
    file.seek(offset)
    at = file.read(max(0, stop - offset)).find(MARKER)
    return stop if at < 0 else offset + at
