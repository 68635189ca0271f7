import errno

import pytest

from eagleray.actors.net.connection import HANDSHAKE, Connection, clock


class Quiet(Connection):
    def converse(self):
        return iter(())

    def ended(self) -> None:
        pass


class OldKernel:
    """A socket of a system that knows neither the option nor all of `TCP_INFO`: none such is at hand."""

    def setsockopt(self, *_):
        raise OSError(errno.ENOPROTOOPT, "not available")

    def getsockopt(self, _level, _option, size):
        return bytes(size // 2)

    def recvmsg(self, _size, _ancillary):
        return b"answer", [], 0, None


@pytest.fixture
def connection():
    made = Quiet("127.0.0.1", 80, connect_timeout=1.0, timeout=1.0)
    made.opened_at = clock() - 1.0
    return made


def test_where_the_kernel_tells_no_times_the_loops_clock_does(connection):
    sock = OldKernel()
    connection.establish(sock, connection.opened_at + 0.25)
    before = clock()
    chunk, waited = connection.receive_from(sock, 8192)
    assert (chunk, waited, connection.late) == (b"answer", 0.0, 0.0)
    assert connection.connected_at == connection.opened_at + 0.25
    assert before <= connection.now <= clock()


@pytest.mark.parametrize(
    ("retransmitted", "late"), [(0, 0.2), (1, 0.0)], ids=["noticed late", "SYN was lost"]
)
def test_a_handshake_that_was_noticed_late(connection, retransmitted, late):
    class Kernel(OldKernel):
        def getsockopt(self, *_):
            return HANDSHAKE.pack(retransmitted, 50_000)  # a round trip of 50 ms

    connection.establish(Kernel(), connection.opened_at + 0.25)
    assert connection.late == pytest.approx(late)
    assert connection.connected_at - connection.opened_at == pytest.approx(0.25 - late)
