"""Reactor and wires over loopback; the reactor runs in the test's thread until the test's condition holds."""

import socket

import pytest

from eagleray.cluster.proving_ground import reactor as reactor_module
from eagleray.cluster.proving_ground.dial import Dial
from eagleray.cluster.proving_ground.listener import Listener
from eagleray.cluster.proving_ground.reactor import Reactor
from eagleray.cluster.proving_ground.wire import Peer

GUARD = 30  # seconds: a reactor that runs longer has missed what it waits for


@pytest.fixture
def reactor():
    reactor = Reactor(nap=0)
    reactor.call_later(GUARD, pytest.fail, "nothing happened")
    return reactor


@pytest.fixture
def listener():
    with socket.socket() as sock:
        sock.setblocking(False)
        sock.bind(("127.0.0.1", 0))
        yield sock


class Witness(Peer):
    """Notes what happens, and stops the reactor when the connection has ended."""

    def __init__(self, reactor, lifetime=GUARD):
        self.reactor, self.lifetime, self.seen = reactor, lifetime, []

    def data_received(self, data):
        self.seen.append(data)

    def pause_writing(self):
        self.seen.append("pause")

    def resume_writing(self):
        self.seen.append("resume")
        self.wire.close()

    def connection_lost(self):
        self.seen.append("lost")
        self.reactor.stop()


def test_timers_come_in_their_order_and_a_cancelled_one_never(reactor):
    calls = []
    reactor.call_later(0.02, reactor.stop)
    reactor.call_later(0.01, calls.append, 2)
    reactor.call_later(0, calls.append, 1)
    reactor.call_later(0, calls.append, 3).cancel()
    reactor.run()
    assert calls == [1, 2]


def test_what_a_client_sends_is_received_and_its_end_seen(reactor, listener):
    witness = Witness(reactor)
    Listener(reactor, listener, lambda _: witness)
    with socket.create_connection(listener.getsockname()) as client:
        client.sendall(b"hello")
    reactor.run()
    assert witness.seen == [b"hello", "lost"]


def test_a_connection_to_nobody_is_dropped(reactor, listener):
    Listener(reactor, listener, lambda _: reactor.stop())
    with socket.create_connection(listener.getsockname(), GUARD) as client:
        reactor.run()
        assert client.recv(1) == b""


def test_a_silent_connection_ends_after_its_lifetime(reactor, listener, monkeypatch):
    monkeypatch.setattr(reactor_module, "SWEEP_SECONDS", 0.01)
    witness = Witness(reactor, lifetime=0.05)
    Listener(reactor, listener, lambda _: witness)
    with socket.create_connection(listener.getsockname(), GUARD) as client:
        reactor.run()
        assert client.recv(1) == b""
    assert witness.seen == ["lost"]


def test_what_the_kernel_has_no_room_for_is_sent_later(reactor, listener):
    data, received = bytes(32 << 20), 0

    class Sender(Witness):
        def connection_made(self, wire):
            super().connection_made(wire)
            reactor.call_later(0, wire.write, data)

    witness = Sender(reactor)
    Listener(reactor, listener, lambda _: witness)

    def read(_events):
        nonlocal received
        received += len(client.recv(1 << 20))

    with socket.create_connection(listener.getsockname(), GUARD) as client:
        client.setblocking(False)
        reactor.watch(client.fileno(), 1, read)
        reactor.run()
        client.settimeout(GUARD)
        while chunk := client.recv(1 << 20):
            received += len(chunk)
    assert witness.seen == ["pause", "resume", "lost"]
    assert received == len(data)


def test_a_dial_that_is_refused_says_so(reactor, listener):
    said = []

    def refused():
        said.append("refused")
        reactor.stop()

    Dial(reactor, listener.getsockname(), "127.0.0.1", Witness(reactor), refused)
    reactor.run()
    assert said == ["refused"]


def test_a_dial_connects_its_peer(reactor, listener):
    listener.listen()
    witness = Witness(reactor)
    Dial(reactor, listener.getsockname(), "127.0.0.2", witness, lambda: pytest.fail("not connected"))
    listener.settimeout(GUARD)
    server, (client, _) = listener.accept()
    server.close()
    reactor.run()
    assert client == "127.0.0.2"
    assert witness.seen == ["lost"]
