from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eagleray.pipelines.proxies.model import Credentials
from eagleray.pipelines.proxies.outcome import Outcome
from eagleray.pipelines.proxies.protocols import http_proxy
from eagleray.pipelines.proxies.protocols.http1 import MAX_HEAD
from eagleray.pipelines.proxies.protocols.target import Target

TARGET = Target("192.0.2.7", 443)
LOGIN = Credentials("user", "secret")
TRAILING = b"\x16\x03\x01"

OPEN = {
    "usual": b"HTTP/1.1 200 Connection established\r\n\r\n",
    "another 2xx": b"HTTP/1.1 204 Tunnel\r\n\r\n",
    "framing, which means nothing here": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n",
    "interim answer first": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
}

STATUSES = {
    300: Outcome.NOT_A_PROXY,
    400: Outcome.NOT_A_PROXY,
    403: Outcome.FORBIDDEN,
    404: Outcome.NOT_A_PROXY,
    405: Outcome.FORBIDDEN,
    407: Outcome.AUTH_REQUIRED,
    301: Outcome.NOT_A_PROXY,
    401: Outcome.NOT_A_PROXY,
    500: Outcome.REFUSED_BY_PROXY,
    501: Outcome.FORBIDDEN,
    502: Outcome.REFUSED_BY_PROXY,
    503: Outcome.REFUSED_BY_PROXY,
    504: Outcome.REFUSED_BY_PROXY,
}

connect = partial(http_proxy.connect, target=TARGET)


@pytest.mark.parametrize("answer", OPEN.values(), ids=OPEN)
def test_what_follows_the_head_is_left_to_the_target(play, answer):
    played = play(connect, [answer + TRAILING])
    assert (played.outcome, played.rest) == (Outcome.OK, TRAILING)
    assert played.stream.first_byte_at is None  # the judge has not answered yet


@pytest.mark.parametrize(("status", "outcome"), STATUSES.items())
def test_refusal(play, status, outcome):
    played = play(connect, [b"HTTP/1.1 %d No\r\nContent-Length: 9\r\n\r\n" % status])
    assert (played.outcome, played.detail) == (outcome, f"HTTP status {status}")


@pytest.mark.parametrize("status", [401, 407], ids=["as tinyproxy says it", "as the standard says it"])
def test_credentials_turned_down(play, status):
    played = play(partial(connect, credentials=LOGIN), [b"HTTP/1.1 %d No\r\n\r\n" % status])
    assert played.outcome is Outcome.AUTH_FAILED
    assert "secret" not in played.detail


@pytest.mark.parametrize(
    ("target", "credentials", "expected"),
    [
        (TARGET, None, b"CONNECT 192.0.2.7:443 HTTP/1.1\r\nHost: 192.0.2.7:443\r\n\r\n"),
        (Target("::1", 80), None, b"CONNECT [::1]:80 HTTP/1.1\r\nHost: [::1]:80\r\n\r\n"),
        (
            Target("judge.example", 80),
            Credentials("Aladdin", "open sesame"),  # the example of RFC 7617 section 2
            b"CONNECT judge.example:80 HTTP/1.1\r\nHost: judge.example:80\r\n"
            b"Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n",
        ),
    ],
    ids=["address", "IPv6", "credentials"],
)
def test_request(play, target, credentials, expected):
    played = play(partial(http_proxy.connect, target=target, credentials=credentials), [])
    assert played.sent == [expected]


@given(chunks=st.lists(st.sampled_from([b"HTTP/1.1 ", b"200", b"\r\n"]) | st.binary(min_size=1, max_size=64)))
def test_any_bytes_in_any_chunks_end_alike(play_chunks, chunks):
    played = play_chunks(connect, chunks)
    assert played.outcome is play_chunks(connect, [b"".join(chunks)]).outcome
    assert played.most <= MAX_HEAD + 64
