import errno
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eagleray.actors.sinks.log.frames import (
    BLOCK,
    CHECKED_FROM,
    HEADER,
    MARKER,
    MAX_PAYLOAD,
    WINDOW,
    Damage,
    Frame,
    Position,
    encode,
    read_frame,
    scan,
)


def scanned(data: bytes) -> list[Frame | Damage]:
    """Everything in a segment with this content; it covers the segment without a gap."""
    items = list(scan(BytesIO(data), 0, 0, len(data)))
    at = 0
    for item in items:
        assert item.start == Position(0, at)
        at = item.next.offset if isinstance(item, Frame) else at + item.size
    assert at == len(data)
    return items


def found(data: bytes) -> list[tuple[int, bytes, int, int, float]]:
    """Offset, payload, records, number and time of each sound frame in a segment with this content."""
    frames = [item for item in scanned(data) if isinstance(item, Frame)]
    return [(frame.start.offset, *frame[:4]) for frame in frames]


def test_the_format_is_the_documented_one():
    data = encode(b"payload", 3, 7, 1.5)
    assert data.hex(" ") == (
        "f5 45 4c 32 d2 16 10 2a 07 00 00 00 03 00 00 00 07 00 00 00 00 00 00 00 "
        "00 00 00 00 00 00 f8 3f 70 61 79 6c 6f 61 64"
    )


@given(st.lists(st.tuples(st.binary(max_size=50), st.binary(max_size=50)), max_size=5))
def test_frames_are_found_whatever_lies_between_them(parts):
    data, expected = b"", []
    for number, (noise, payload) in enumerate(parts):
        data += noise
        expected.append((len(data), payload, 5, number, 2.0))
        data += encode(payload, 5, number, 2.0)
    assert found(data) == expected


@given(st.binary(max_size=200))
def test_noise_holds_no_frame(noise):
    assert found(MARKER + noise + MARKER) == []


@pytest.mark.parametrize("cut", range(1, HEADER.size + 8))
def test_a_part_of_a_frame_is_none(cut):
    data = encode(b"payload", 1, 0, 0.0)
    assert read_frame(BytesIO(data[:-cut]), 0, 0, len(data) - cut) is None


def test_a_frame_beyond_the_stop_is_not_read():
    data = encode(b"payload", 1, 0, 0.0)
    assert read_frame(BytesIO(data), 0, 0, len(data) - 1) is None


def test_a_length_beyond_the_limit_is_not_read():
    head = HEADER.pack(MARKER, 0, MAX_PAYLOAD + 1, 1, 0, 0.0)
    assert read_frame(BytesIO(head), 0, 0, 1 << 40) is None


def with_length(length: int) -> bytes:
    """A whole frame of which only the length is wrong."""
    data = encode(b"payload", 1, 1, 0.0)
    return data[:CHECKED_FROM] + length.to_bytes(4, "little") + data[CHECKED_FROM + 4 :]


@pytest.mark.parametrize(
    ("tail", "torn"),
    [
        (b"\xf5", True),
        (MARKER + b"\x07" * 12, True),
        (bytes(500), True),
        (bytes(WINDOW + 1), True),
        (bytes(WINDOW) + b"?", False),
        (b"\xf4" + encode(b"payload", 1, 1, 0.0)[1:], False),
        (b"noise", False),
        (MARKER + b"\xff" * 30, False),
        (with_length(1000), False),
        (with_length(1000)[:-1], True),
        (encode(b"payload", 1, 1, 0.0)[:-1], True),
        (encode(b"payload", 1, 1, 0.0)[:-1] + b"?", False),
        (encode(b"payload", 1, 1, 0.0)[:-1] + b"?" + encode(b"payload", 1, 1, 0.0)[:-1], False),
    ],
    ids=[
        "a byte",
        "half a header",
        "zeros",
        "many zeros",
        "zeros and more",
        "a flipped marker",
        "noise",
        "a length beyond the limit",
        "a whole one with a wrong length",
        "a part of one",
        "a part",
        "a whole one with a wrong CRC",
        "a whole one and a part",
    ],
)
def test_a_tail_is_torn_if_a_write_that_was_cut_short_leaves_it(tail, torn):
    first = encode(b"first", 1, 0, 0.0)
    assert scanned(first + tail)[1:] == [Damage(Position(0, len(first)), len(tail), torn)]


@pytest.mark.parametrize("cut", range(1, HEADER.size + 7))
def test_every_part_of_a_frame_is_torn(cut):
    tail = encode(b"payload", 1, 0, 0.0)[:-cut]
    assert scanned(tail) == [Damage(Position(0, 0), len(tail), torn=True)]


def test_a_tail_that_is_cut_off_while_it_is_read_is_no_damage():
    assert list(scan(BytesIO(b""), 0, 0, 50)) == [Damage(Position(0, 0), 50, torn=True)]


def test_a_tail_that_cannot_be_read_is_damaged():
    data = bytes(2 * BLOCK)
    assert list(scan(BadBlock(data), 0, BLOCK, len(data))) == [Damage(Position(0, BLOCK), BLOCK, torn=False)]


def test_damage_with_a_frame_behind_it_is_not_torn():
    noise = b"\xf5"
    assert scanned(noise + encode(b"", 1, 0, 0.0))[0] == Damage(Position(0, 0), 1, torn=False)


@pytest.mark.parametrize("shift", range(len(MARKER) + 1))
def test_a_marker_across_two_windows_is_found(shift):
    noise = bytes(1 + WINDOW - shift)
    assert [frame[0] for frame in found(noise + encode(b"payload", 1, 0, 0.0))] == [len(noise)]


class BadBlock(BytesIO):
    """A file of which the disk cannot read the second block."""

    def read(self, size=-1, /):
        start = self.tell()
        if start < 2 * BLOCK and start + size > BLOCK:
            raise OSError(errno.EIO, "Input/output error")
        return super().read(size)


def test_a_block_that_cannot_be_read_costs_its_frames_only():
    frames = [encode(bytes(1000), 1, number, 0.0) for number in range(12)]
    data = b"".join(frames)
    items = list(scan(BadBlock(data), 0, 0, len(data)))
    numbers = [item.number for item in items if isinstance(item, Frame)]
    assert numbers == [0, 1, 2, 8, 9, 10, 11]
    assert [item.size for item in items if isinstance(item, Damage)] == [5 * len(frames[0])]


def test_another_error_of_reading_is_none_of_the_logs_data():
    class Gone(BytesIO):
        def read(self, size=-1, /):
            raise OSError(errno.ESTALE, "Stale file handle")

    with pytest.raises(OSError, match="Stale"):
        list(scan(Gone(), 0, 0, 100))
