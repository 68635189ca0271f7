from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eagleray.actors.sinks.frames import HEADER, MARKER, MAX_PAYLOAD, encode, read_frame, sound_frames


def found(data: bytes) -> list[tuple[int, bytes, int, float]]:
    """Offset, payload, number and time of each sound frame in a segment with this content."""
    frames = sound_frames(BytesIO(data), 0, 0, len(data))
    return [(start, frame.payload, frame.number, frame.appended_at) for start, frame in frames]


def test_the_format_is_the_documented_one():
    data = encode(b"payload", 7, 1.5)
    assert data.hex(" ") == (
        "f5 45 47 4c a3 19 95 10 07 00 00 00 07 00 00 00 00 00 00 00 "
        "00 00 00 00 00 00 f8 3f 70 61 79 6c 6f 61 64"
    )


@given(st.lists(st.tuples(st.binary(max_size=50), st.binary(max_size=50)), max_size=5))
def test_frames_are_found_whatever_lies_between_them(parts):
    data, expected = b"", []
    for number, (noise, payload) in enumerate(parts):
        data += noise
        expected.append((len(data), payload, number, 2.0))
        data += encode(payload, number, 2.0)
    assert found(data) == expected


@given(st.binary(max_size=200))
def test_noise_holds_no_frame(noise):
    assert found(MARKER + noise + MARKER) == []


@pytest.mark.parametrize("cut", range(1, HEADER.size + 8))
def test_a_part_of_a_frame_is_none(cut):
    data = encode(b"payload", 0, 0.0)
    assert read_frame(BytesIO(data[:-cut]), 0, 0, len(data) - cut) is None


def test_a_frame_beyond_the_stop_is_not_read():
    data = encode(b"payload", 0, 0.0)
    assert read_frame(BytesIO(data), 0, 0, len(data) - 1) is None


def test_a_length_beyond_the_limit_is_not_read():
    head = HEADER.pack(MARKER, 0, MAX_PAYLOAD + 1, 0, 0.0)
    assert read_frame(BytesIO(head), 0, 0, 1 << 40) is None
