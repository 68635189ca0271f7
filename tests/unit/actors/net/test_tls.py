import ssl

import pytest

from eagleray.actors.net import tls
from eagleray.actors.net.tls import over_tls, peer_certificate, unverified, verifying
from eagleray.cluster.proving_ground.certificates import authority, server_context
from eagleray.pipelines.proxies.certificate import read_certificate
from eagleray.pipelines.proxies.outcome import Outcome
from eagleray.pipelines.proxies.protocols import http1
from eagleray.pipelines.proxies.protocols.exchange import ProbeFailed, Stream

NAME = "192.0.2.1"
REQUEST = b"GET / HTTP/1.1\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
TO_THE_END = b"HTTP/1.1 200 OK\r\n\r\nhello"


@pytest.fixture(scope="module")
def signer():
    return authority("somebody")


@pytest.fixture(scope="module")
def server(signer, tmp_path_factory):
    return server_context(signer, NAME, tmp_path_factory.mktemp("server"))


@pytest.fixture(scope="module")
def trusting(signer, tmp_path_factory):
    file = tmp_path_factory.mktemp("trusted") / "ca.pem"
    file.write_bytes(signer.pem())
    return verifying(str(file))


class Peer:
    """A real TLS server in memory: answers the first request, and says goodbye or just goes."""

    def __init__(self, context, answer=ANSWER, goodbye=True):
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._answer, self._goodbye = answer, goodbye
        self.asked = b""

    def take(self, data):
        """What it sends for what it gets."""
        self._incoming.write(data)
        try:
            self._tls.do_handshake()
            self.asked += self._tls.read(65536)
        except ssl.SSLWantReadError:
            return self._outgoing.read()
        if self.asked == REQUEST:
            self._tls.write(self._answer)
            if self._goodbye:
                with pytest.raises(ssl.SSLWantReadError):
                    self._tls.unwrap()
        return self._outgoing.read()


def run(exchange, stream, take, chunking):
    """Drive an exchange to its end; the stream ends where the server has nothing more to say."""
    sent = next(exchange)
    try:
        while True:
            chunks = list(chunking(take(sent) if sent else b""))
            sent = b""
            for chunk in chunks or [None]:
                stream.now += 1
                sent += exchange.send(chunk)
    except StopIteration as result:
        return result.value


@pytest.mark.parametrize("goodbye", [True, False], ids=["close_notify", "abrupt end"])
@pytest.mark.parametrize("answer", [ANSWER, TO_THE_END], ids=["with a length", "to the end"])
def test_an_exchange_does_not_notice_it(server, trusting, chunking, answer, goodbye):
    peer, stream = Peer(server, answer, goodbye), Stream()
    exchange = over_tls(http1.read_answer(stream, REQUEST), stream, trusting, NAME)
    assert run(exchange, stream, peer.take, chunking) == http1.Answer(200, b"hello")
    assert peer.asked == REQUEST
    assert stream.first_byte_at <= stream.now
    assert stream.first_byte_at > 0


def test_tls_travels_through_tls(server, trusting, chunking):
    outer, inner, stream = Peer(server, b""), Peer(server), Stream()

    def take(data):
        outer._incoming.write(data)
        try:
            outer._tls.do_handshake()
            if reply := inner.take(outer._tls.read(65536)):
                outer._tls.write(reply)
        except ssl.SSLWantReadError:
            pass
        return outer._outgoing.read()

    within = over_tls(http1.read_answer(stream, REQUEST), stream, trusting, NAME)
    exchange = over_tls(within, stream, unverified())
    assert run(exchange, stream, take, chunking) == http1.Answer(200, b"hello")


@pytest.mark.parametrize(
    ("trusts", "name", "detail"),
    [
        (False, NAME, "TLS: unable to get local issuer certificate"),
        (True, "192.0.2.2", "TLS: IP address mismatch, certificate is not valid for '192.0.2.2'."),
    ],
    ids=["unknown issuer", "another name"],
)
def test_a_certificate_that_does_not_verify(server, trusting, chunking, trusts, name, detail):
    stream, peer = Stream(), Peer(server)
    context = trusting if trusts else verifying()
    exchange = over_tls(http1.read_answer(stream, REQUEST), stream, context, name)
    with pytest.raises(ProbeFailed) as failure:
        run(exchange, stream, peer.take, chunking)
    assert (failure.value.outcome, failure.value.detail) == (Outcome.TLS_INTERCEPTED, detail)
    assert peer.asked == b""


def test_what_an_interceptor_shows_is_kept(server, chunking):
    stream = Stream()
    der = run(peer_certificate(stream, unverified(), NAME), stream, Peer(server).take, chunking)
    shown = read_certificate(der)
    assert (shown.subject, shown.issuer) == (f"CN={NAME}", "CN=somebody")


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", Outcome.TLS_FAILED),
        (b"\x15\x03\x03\x00\x02\x02\x28", Outcome.TLS_FAILED),
        (b"\x16\x03\x03", Outcome.CLOSED),
        (b"", Outcome.CLOSED),
    ],
    ids=["plain HTTP", "an alert", "cut off", "nothing"],
)
def test_no_handshake(chunking, reply, outcome):
    stream = Stream()
    exchange = over_tls(http1.read_answer(stream, REQUEST), stream, unverified())
    with pytest.raises(ProbeFailed) as failure:
        run(exchange, stream, lambda _: reply, chunking)
    assert failure.value.outcome is outcome


def test_garbage_after_the_handshake(server, chunking):
    stream, peer = Stream(), Peer(server, b"", goodbye=False)
    exchange = over_tls(http1.read_answer(stream, REQUEST), stream, unverified())

    def take(data):
        reply = peer.take(data)
        return reply + b"\x17\x03\x03\x00\x20" + bytes(32) if peer.asked else reply

    with pytest.raises(ProbeFailed) as failure:
        run(exchange, stream, take, chunking)
    assert failure.value.outcome is Outcome.TLS_FAILED


def test_what_came_before_the_handshake_is_nobodys():
    stream = Stream()
    stream.buffer = b"x"
    with pytest.raises(ProbeFailed) as failure:
        next(over_tls(http1.read_answer(stream, REQUEST), stream, unverified()))
    assert failure.value.outcome is Outcome.MALFORMED


def test_what_is_received_is_bounded(server, monkeypatch, chunking):
    monkeypatch.setattr(tls, "MAX_RECEIVED", 200)
    stream = Stream()
    with pytest.raises(ProbeFailed) as failure:
        run(peer_certificate(stream, unverified(), NAME), stream, Peer(server).take, chunking)
    assert failure.value.outcome is Outcome.OVERSIZED


def test_whoever_gives_up_closes_the_exchange_within(server):
    stream, closed = Stream(), []

    def within():
        try:
            yield REQUEST
        finally:
            closed.append(True)

    exchange, peer = over_tls(within(), stream, unverified()), Peer(server)
    sent = next(exchange)
    while reply := peer.take(sent):
        if peer.asked:
            break
        sent = exchange.send(reply)
    exchange.close()
    assert closed == [True]


def test_contexts_are_made_once(trusting):
    assert verifying() is verifying()
    assert unverified() is unverified()
    assert verifying() is not trusting
