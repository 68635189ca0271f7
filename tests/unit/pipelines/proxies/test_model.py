import msgspec
import pytest
from rich.pretty import pretty_repr

from eagleray.pipelines.proxies.model import (
    Candidate,
    CheckReport,
    Credentials,
    Endpoint,
    Protocol,
    ProtocolReport,
    canonical_host,
    ordered,
)
from eagleray.pipelines.proxies.outcome import Outcome

LOGIN = Credentials("user", "secret")


@pytest.mark.parametrize(
    ("endpoint", "text", "authority"),
    [
        (Endpoint("192.0.2.7", 80), "192.0.2.7:80", "192.0.2.7:80"),
        (Endpoint("2001:db8::1", 80), "[2001:db8::1]:80", "[2001:db8::1]:80"),
        (Endpoint("192.0.2.7", 80, LOGIN), "192.0.2.7:80", "user:secret@192.0.2.7:80"),
    ],
    ids=["IPv4", "IPv6", "credentials"],
)
def test_endpoint_as_text(endpoint, text, authority):
    assert (str(endpoint), endpoint.authority) == (text, authority)


@pytest.mark.parametrize("show", [str, repr, pretty_repr, "{}".format, "{!r}".format])
@pytest.mark.parametrize(
    "record", [LOGIN, Endpoint("192.0.2.7", 80, LOGIN), Candidate(Endpoint("192.0.2.7", 80, LOGIN))]
)
def test_no_representation_shows_credentials(show, record):
    shown = show(record)
    assert "secret" not in shown
    assert "user" not in shown


@pytest.mark.parametrize(
    ("text", "canonical"),
    [("192.0.2.7", "192.0.2.7"), ("2001:DB8:0:0::0001", "2001:db8::1"), ("::", "::")],
)
def test_canonical_host(text, canonical):
    assert canonical_host(text) == canonical


@pytest.mark.parametrize(
    "text",
    [
        "",
        "192.0.2",
        "192.0.2.07",
        " 192.0.2.7",
        "192.0.2.7\n",
        "[::1]",
        "fe80::1%eth0",
        "proxy.example",
        "٣.0.2.7",
    ],
)
def test_what_is_no_literal_address_is_refused(text):
    with pytest.raises(ValueError, match=r"does not appear to be|has a zone"):
        canonical_host(text)


def test_working_protocols_come_in_one_order():
    outcomes = {Protocol.SOCKS5: Outcome.OK, Protocol.HTTPS: Outcome.TIMEOUT, Protocol.HTTP: Outcome.OK}
    protocols = {protocol: ProtocolReport(outcome) for protocol, outcome in outcomes.items()}
    report = CheckReport(Endpoint("192.0.2.7", 80), Outcome.OK, protocols)
    assert report.working == [Protocol.HTTP, Protocol.SOCKS5]


def test_a_report_survives_the_wire():
    protocols = {Protocol.HTTP: ProtocolReport(Outcome.OK, connect_ms=1.5, detail="")}
    report = CheckReport(Endpoint("192.0.2.7", 80, LOGIN), Outcome.OK, protocols, exit_ip="192.0.2.7")
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(report), type=CheckReport) == report


def test_ordered_gives_each_protocol_once():
    assert ordered([Protocol.SOCKS5, Protocol.HTTP, Protocol.SOCKS5]) == [Protocol.HTTP, Protocol.SOCKS5]
