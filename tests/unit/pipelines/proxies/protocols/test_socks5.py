from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eagleray.pipelines.proxies.model import Credentials
from eagleray.pipelines.proxies.outcome import Outcome
from eagleray.pipelines.proxies.protocols import socks5
from eagleray.pipelines.proxies.protocols.target import Target

TARGET = Target("192.0.2.7", 8080)
LOGIN = Credentials("user", "secret")
IPV4 = b"\x01\x7f\x00\x00\x01\x1f\x90"
IPV6 = b"\x04" + bytes(15) + b"\x01\x1f\x90"
TRAILING = b"HTTP/1.1 200 OK\r\n"

OPEN = {
    "IPv4": [b"\x05\x00", b"\x05\x00\x00" + IPV4],
    "IPv6": [b"\x05\x00", b"\x05\x00\x00" + IPV6],
    "name": [b"\x05\x00", b"\x05\x00\x00\x03\x09localhost\x1f\x90"],
    "name of length 0": [b"\x05\x00", b"\x05\x00\x00\x03\x00\x1f\x90"],
    "name of length 255": [b"\x05\x00", b"\x05\x00\x00\x03\xff" + b"n" * 255 + b"\x1f\x90"],
}

FAILURES = {
    "version 4 to the greeting": ([b"\x04\x00"], Outcome.MALFORMED),
    "SOCKS4 rejection": ([b"\x00\x5b" + bytes(6)], Outcome.MALFORMED),
    "HTTP answers": ([b"HTTP/1.1 400 Bad Request\r\n\r\n"], Outcome.MALFORMED),
    "no method acceptable": ([b"\x05\xff"], Outcome.AUTH_REQUIRED),
    "password, which was not offered": ([b"\x05\x02"], Outcome.MALFORMED),
    "GSSAPI, which was not offered": ([b"\x05\x01"], Outcome.MALFORMED),
    "version 4 to the request": ([b"\x05\x00", b"\x04\x00\x00" + IPV4], Outcome.MALFORMED),
    "general failure": ([b"\x05\x00", b"\x05\x01\x00" + IPV4], Outcome.REFUSED_BY_PROXY),
    "not allowed": ([b"\x05\x00", b"\x05\x02\x00" + IPV4], Outcome.FORBIDDEN),
    "connection refused": ([b"\x05\x00", b"\x05\x05\x00" + IPV4], Outcome.REFUSED_BY_PROXY),
    "address type not supported": ([b"\x05\x00", b"\x05\x08\x00" + IPV4], Outcome.REFUSED_BY_PROXY),
    "refused, address withheld": ([b"\x05\x00", b"\x05\x05\x00\x01"], Outcome.REFUSED_BY_PROXY),
    "unassigned code": ([b"\x05\x00", b"\x05\x09\x00" + IPV4], Outcome.MALFORMED),
    "unassigned address type": ([b"\x05\x00", b"\x05\x00\x00\x02" + bytes(6)], Outcome.MALFORMED),
    "closed at once": ([b""], Outcome.CLOSED),
    "closed in the greeting": ([b"\x05"], Outcome.CLOSED),
    "closed after the greeting": ([b"\x05\x00"], Outcome.CLOSED),
    "closed in the reply": ([b"\x05\x00", b"\x05\x00\x00"], Outcome.CLOSED),
    "closed before the name": ([b"\x05\x00", b"\x05\x00\x00\x03"], Outcome.CLOSED),
    "closed in the name": ([b"\x05\x00", b"\x05\x00\x00\x03\x09local"], Outcome.CLOSED),
    "closed in the port": ([b"\x05\x00", b"\x05\x00\x00" + IPV4[:-1]], Outcome.CLOSED),
}

LOGINS = {
    "accepted": ([b"\x05\x02", b"\x01\x00", b"\x05\x00\x00" + IPV4], Outcome.OK),
    "not asked for": ([b"\x05\x00", b"\x05\x00\x00" + IPV4], Outcome.OK),
    "turned down": ([b"\x05\x02", b"\x01\x01"], Outcome.AUTH_FAILED),
    "no method acceptable": ([b"\x05\xff"], Outcome.AUTH_FAILED),
    "closed on the password": ([b"\x05\x02", b""], Outcome.CLOSED),
    "closed in the verdict": ([b"\x05\x02", b"\x01"], Outcome.CLOSED),
}


@pytest.mark.parametrize("replies", OPEN.values(), ids=OPEN)
def test_what_follows_the_reply_is_left_to_the_target(play, replies):
    *first, last = replies
    played = play(partial(socks5.connect, target=TARGET), [*first, last + TRAILING])
    assert (played.outcome, played.rest) == (Outcome.OK, TRAILING)


@pytest.mark.parametrize(("replies", "outcome"), FAILURES.values(), ids=FAILURES)
def test_failure(play, replies, outcome):
    assert play(partial(socks5.connect, target=TARGET), replies).outcome is outcome


@pytest.mark.parametrize(("replies", "outcome"), LOGINS.values(), ids=LOGINS)
def test_login(play, replies, outcome):
    played = play(partial(socks5.connect, target=TARGET, credentials=LOGIN), replies)
    assert played.outcome is outcome
    assert "secret" not in played.detail


def test_an_answer_before_the_request_is_refused(play_chunks):
    played = play_chunks(partial(socks5.connect, target=TARGET), [b"\x05\x00\x05\x00\x00" + IPV4])
    assert (played.outcome, played.sent) == (Outcome.MALFORMED, [b"\x05\x01\x00"])


@pytest.mark.parametrize(
    ("credentials", "expected"),
    [(None, b"\x05\x01\x00"), (LOGIN, b"\x05\x02\x00\x02")],
    ids=["none", "login"],
)
def test_greeting_offers_what_we_have(credentials, expected):
    assert socks5.greeting(credentials) == expected


def test_password_message(play):
    played = play(partial(socks5.authenticate, credentials=LOGIN), [b"\x01\x00"])
    assert played.sent == [b"\x01\x04user\x06secret"]


def test_as_much_as_a_length_byte_counts_is_sent(play):
    longest = Credentials("u" * 255, "p" * 255)
    played = play(partial(socks5.authenticate, credentials=longest), [b"\x01\x00"])
    assert played.sent == [b"\x01\xff" + b"u" * 255 + b"\xff" + b"p" * 255]


@pytest.mark.parametrize(
    "credentials", [Credentials("u" * 256), Credentials("u", "ü" * 128)], ids=["user", "password"]
)
def test_what_a_length_byte_cannot_count_is_not_sent(play, credentials):
    played = play(partial(socks5.authenticate, credentials=credentials), [])
    assert (played.outcome, played.sent) == (Outcome.AUTH_FAILED, [])


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (TARGET, b"\x05\x01\x00\x01\xc0\x00\x02\x07\x1f\x90"),
        (Target("::1", 80), b"\x05\x01\x00\x04" + bytes(15) + b"\x01\x00\x50"),
        (Target("judge.example", 80), b"\x05\x01\x00\x03\x0djudge.example\x00\x50"),
        (Target("n" * 253, 80), b"\x05\x01\x00\x03\xfd" + b"n" * 253 + b"\x00\x50"),
    ],
    ids=["IPv4", "IPv6", "name", "longest name"],
)
def test_request(target, expected):
    assert socks5.request(target) == expected


# Beginnings that lead deep into the exchange, then anything
CHUNKS = st.lists(
    st.sampled_from([b"\x05", b"\x00", b"\x05\x00", b"\x05\x02", b"\x01\x00", b"\x05\x00\x00\x03\xff"])
    | st.binary(min_size=1, max_size=64),
    max_size=20,
)


@given(chunks=CHUNKS, credentials=st.sampled_from([None, LOGIN]))
def test_any_bytes_end_within_bounds(play_chunks, chunks, credentials):
    played = play_chunks(partial(socks5.connect, target=TARGET, credentials=credentials), chunks)
    assert played.most <= 257 + 64  # the longest name with its port, and a chunk
