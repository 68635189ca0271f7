from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eagleray.pipelines.proxies.model import Credentials
from eagleray.pipelines.proxies.outcome import Outcome
from eagleray.pipelines.proxies.protocols import socks4
from eagleray.pipelines.proxies.protocols.target import Target

TARGET = Target("192.0.2.7", 8080)
BOUND = b"\x00\x50\x7f\x00\x00\x01"  # port and address, which mean nothing here
TRAILING = b"HTTP/1.1 200 OK\r\n"

REPLIES = {
    "granted": (b"\x00\x5a" + BOUND, Outcome.OK),
    "rejected": (b"\x00\x5b" + BOUND, Outcome.REFUSED_BY_PROXY),
    "no identd": (b"\x00\x5c" + BOUND, Outcome.AUTH_FAILED),
    "identd disagrees": (b"\x00\x5d" + BOUND, Outcome.AUTH_FAILED),
    "rejected and closed": (b"\x00\x5b", Outcome.REFUSED_BY_PROXY),
    "code below": (b"\x00\x59" + BOUND, Outcome.MALFORMED),
    "code above": (b"\x00\x5e" + BOUND, Outcome.MALFORMED),
    "version 4 in the reply": (b"\x04\x5a" + BOUND, Outcome.MALFORMED),
    "SOCKS5 refuses its methods": (b"\x05\xff", Outcome.MALFORMED),
    "HTTP answers": (b"HTTP/1.1 400 Bad Request\r\n\r\n", Outcome.MALFORMED),
    "closed at once": (b"", Outcome.CLOSED),
    "closed after a byte": (b"\x00", Outcome.CLOSED),
    "closed before the address": (b"\x00\x5a", Outcome.CLOSED),
    "closed within the address": (b"\x00\x5a" + BOUND[:5], Outcome.CLOSED),
}


@pytest.mark.parametrize(("reply", "outcome"), REPLIES.values(), ids=REPLIES)
def test_outcome(play, reply, outcome):
    assert play(partial(socks4.connect, target=TARGET), [reply]).outcome is outcome


def test_what_follows_the_reply_is_left_to_the_target(play):
    played = play(partial(socks4.connect, target=TARGET), [b"\x00\x5a" + BOUND + TRAILING])
    assert (played.outcome, played.rest) == (Outcome.OK, TRAILING)


@pytest.mark.parametrize(
    ("target", "credentials", "expected"),
    [
        (TARGET, None, b"\x04\x01\x1f\x90\xc0\x00\x02\x07\x00"),
        (TARGET, Credentials("me", "unsent"), b"\x04\x01\x1f\x90\xc0\x00\x02\x07me\x00"),
        (Target("judge.example", 80), None, b"\x04\x01\x00\x50\x00\x00\x00\x01\x00judge.example\x00"),
        (Target("2001:db8::1", 80), None, b"\x04\x01\x00\x50\x00\x00\x00\x01\x002001:db8::1\x00"),
    ],
    ids=["address", "user", "name by SOCKS4a", "IPv6 by SOCKS4a"],
)
def test_request(target, credentials, expected):
    assert socks4.request(target, credentials) == expected


def test_a_user_that_would_end_the_field_is_not_sent(play):
    played = play(partial(socks4.connect, target=TARGET, credentials=Credentials("a\x00b")), [])
    assert (played.outcome, played.sent) == (Outcome.AUTH_FAILED, [])


# Beginnings that lead deep into the exchange, then anything
CHUNKS = st.lists(
    st.sampled_from([b"\x00", b"\x00\x5a", b"\x00\x5b"]) | st.binary(min_size=1, max_size=12), max_size=12
)


@given(chunks=CHUNKS)
def test_any_bytes_in_any_chunks_end_alike(play_chunks, chunks):
    core = partial(socks4.connect, target=TARGET)
    played = play_chunks(core, chunks)
    assert played.outcome is play_chunks(core, [b"".join(chunks)]).outcome
    assert played.most <= 8 + 12  # a reply and a chunk
