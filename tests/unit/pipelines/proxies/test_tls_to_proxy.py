import pytest

from eagleray.pipelines.proxies.attempt import Attempt
from eagleray.pipelines.proxies.model import Protocol, ProtocolReport
from eagleray.pipelines.proxies.outcome import Outcome
from eagleray.pipelines.proxies.tls_to_proxy import TlsToProxy

HTTP, SOCKS4, SOCKS5 = Protocol.HTTP, Protocol.SOCKS4, Protocol.SOCKS5


@pytest.fixture
def tls():
    return TlsToProxy(8080)


@pytest.mark.parametrize(
    ("protocol", "outcome", "tried"),
    [
        (HTTP, Outcome.CLOSED, [Attempt(HTTP, tls_to_proxy=True)]),
        (HTTP, Outcome.RESET, [Attempt(HTTP, tls_to_proxy=True)]),
        (HTTP, Outcome.TIMEOUT, []),
        (SOCKS4, Outcome.CLOSED, []),
    ],
)
def test_who_hangs_up_on_a_request_and_waits_at_a_greeting_is_tried_over_tls(tls, protocol, outcome, tried):
    tls.learn(Attempt(protocol), ProtocolReport(outcome))
    assert tls.beside() == []
    tls.silent(SOCKS5)
    assert tls.beside() == tried
    assert tls.beside() == []  # once
