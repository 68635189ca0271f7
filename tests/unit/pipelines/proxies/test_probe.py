import json
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eagleray.pipelines.proxies.judging import Judge, Judged, parse_judge_url
from eagleray.pipelines.proxies.model import Anonymity, Credentials, Endpoint, Protocol
from eagleray.pipelines.proxies.outcome import Outcome
from eagleray.pipelines.proxies.probe import known_page, probe
from eagleray.pipelines.proxies.proof import VERSION, prove
from eagleray.pipelines.proxies.proof import known_page as known_bytes
from eagleray.pipelines.proxies.protocols.http1 import MAX_BODY, Answer

NONCE = "s1.a"
KEY = b"key"


def page(**fields) -> bytes:
    common = {"judge": "eagleray", "version": VERSION, "client": "127.0.0.1", "headers": []}
    return json.dumps({**common, **fields}).encode()


def http(body: bytes, status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)


JUDGE = Judge(
    parse_judge_url("http://127.0.0.1:8000/"),
    "127.0.0.1",
    Answer(200, page(session="s1", key=KEY.hex())),
)
ENDPOINT = Endpoint("127.0.0.1", 1080)
WITH_LOGIN = Endpoint("127.0.0.1", 1080, Credentials("user", "secret"))

PROOF = prove(KEY, NONCE, "127.0.0.1", [])
PROVEN = http(page(nonce=NONCE, proof=PROOF))
SOCKS4_OPEN = b"\x00\x5a" + bytes(6)
SOCKS5_OPEN = b"\x05\x00\x00\x01" + bytes(6)
CONNECTED = b"HTTP/1.1 200 Connection established\r\n\r\n"

WAYS = {
    Protocol.HTTP: [PROVEN],
    Protocol.HTTPS: [CONNECTED, PROVEN],
    Protocol.SOCKS4: [SOCKS4_OPEN, PROVEN],
    Protocol.SOCKS5: [b"\x05\x00", SOCKS5_OPEN, PROVEN],
}

FAILURES = {
    "forged page": (Protocol.HTTP, [http(page(nonce=NONCE, proof="0"))], Outcome.NOT_A_PROXY),
    "a web server": (Protocol.HTTP, [http(b"<html>", b"404 Not Found")], Outcome.NOT_A_PROXY),
    "forbidden": (Protocol.HTTP, [http(b"no", b"403 Forbidden")], Outcome.FORBIDDEN),
    "refused, its page without end": (
        Protocol.HTTP,
        [b"HTTP/1.1 407 No\r\n\r\n" + b"x" * 2 * MAX_BODY],
        Outcome.AUTH_REQUIRED,
    ),
    "judge's page cut short": (Protocol.HTTP, [PROVEN[:-1]], Outcome.CLOSED),
    "tunnel refused": (Protocol.HTTPS, [http(b"", b"502 Bad Gateway")], Outcome.REFUSED_BY_PROXY),
    "tunnel to another page": (Protocol.HTTPS, [CONNECTED, http(b"<html>")], Outcome.NOT_A_PROXY),
    "tunnel to an error": (Protocol.HTTPS, [CONNECTED, http(b"", b"502 Bad Gateway")], Outcome.NOT_A_PROXY),
    "tunnel that answers first": (Protocol.HTTPS, [CONNECTED + b"x"], Outcome.MALFORMED),
    "tunnel that closes": (Protocol.SOCKS4, [SOCKS4_OPEN], Outcome.CLOSED),
    "tunnel to another protocol": (Protocol.SOCKS4, [SOCKS4_OPEN, b"SSH-2.0-x\r\n"], Outcome.MALFORMED),
    "SOCKS5 to HTTP": (Protocol.SOCKS5, [http(b"", b"400 Bad Request")], Outcome.MALFORMED),
}


def ask(protocol: Protocol, endpoint: Endpoint = ENDPOINT):
    return partial(probe, endpoint=endpoint, protocol=protocol, judge=JUDGE, nonce=NONCE)


@pytest.mark.parametrize(("protocol", "replies"), WAYS.items(), ids=WAYS)
def test_a_way_to_the_judge(play, protocol, replies):
    played = play(ask(protocol), replies)
    assert (played.outcome, played.value) == (Outcome.OK, Judged(Anonymity.ELITE, "127.0.0.1"))


@pytest.mark.parametrize(("protocol", "replies"), WAYS.items(), ids=WAYS)
def test_marks_follow_the_steps(play_chunks, protocol, replies):
    stream = play_chunks(ask(protocol), replies).stream
    steps = len(replies)
    assert stream.first_byte_at == steps  # the clock counts chunks
    assert stream.tunnel_at == (None if protocol is Protocol.HTTP else steps - 1)


@pytest.mark.parametrize(("protocol", "replies", "outcome"), FAILURES.values(), ids=FAILURES)
def test_failure(play_chunks, protocol, replies, outcome):
    assert play_chunks(ask(protocol), replies).outcome is outcome


@pytest.mark.parametrize(
    ("protocol", "first"),
    [
        (Protocol.HTTP, b"GET http://127.0.0.1:8000/?n=s1.a HTTP/1.1\r\n"),
        (Protocol.HTTPS, b"CONNECT 127.0.0.1:8000 HTTP/1.1\r\n"),
        (Protocol.SOCKS4, b"\x04\x01\x1f\x40\x7f\x00\x00\x01user\x00"),
        (Protocol.SOCKS5, b"\x05\x02\x00\x02"),
    ],
    ids=["http", "https", "socks4", "socks5"],
)
def test_first_message_and_credentials(play, protocol, first):
    (sent,) = play(ask(protocol, WITH_LOGIN), []).sent
    assert sent.startswith(first)
    assert (b"Proxy-Authorization: Basic dXNlcjpzZWNyZXQ=\r\n" in sent) is sent.startswith(
        (b"GET", b"CONNECT")
    )


PAGE = known_bytes(KEY, NONCE)
FETCHES = {
    "as it is": (http(PAGE), Outcome.OK),
    "changed": (http(PAGE.replace(b"</body>", b"<script></script></body>")), Outcome.TAMPERED),
    "another page": (http(b"<html>welcome</html>"), Outcome.TAMPERED),
    "refused": (http(b"no", b"403 Forbidden"), Outcome.FORBIDDEN),
    "judge is full": (http(b"{}", b"503 Service Unavailable"), Outcome.REFUSED_BY_PROXY),
    "cut short": (http(PAGE)[:-1], Outcome.CLOSED),
}


@pytest.mark.parametrize(("reply", "outcome"), FETCHES.values(), ids=FETCHES)
def test_known_page(play, reply, outcome):
    played = play(partial(known_page, endpoint=WITH_LOGIN, judge=JUDGE, nonce=NONCE), [reply])
    assert played.outcome is outcome
    (sent,) = played.sent
    assert sent.startswith(b"GET http://127.0.0.1:8000/known?n=s1.a HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic dXNlcjpzZWNyZXQ=\r\n" in sent


def test_credentials_do_not_reach_the_judge(play):
    request = play(ask(Protocol.HTTPS, WITH_LOGIN), [CONNECTED]).sent[1]
    assert request.startswith(b"GET /?n=s1.a HTTP/1.1\r\n")
    assert b"Proxy-Authorization" not in request


PIECES = [SOCKS4_OPEN, SOCKS5_OPEN, b"\x05\x00", CONNECTED, PROVEN[:40], PROVEN[40:], b"\r\n"]
CHUNKS = st.lists(st.sampled_from(PIECES) | st.binary(min_size=1, max_size=100), max_size=12)


@given(protocol=st.sampled_from(Protocol), chunks=CHUNKS)
def test_any_bytes_end_in_a_verdict(play_chunks, protocol, chunks):
    played = play_chunks(ask(protocol), chunks)
    assert played.outcome is not Outcome.OK or PROOF.encode() in b"".join(chunks)
