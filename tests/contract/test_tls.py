"""TLS to real proxies, and through them to the proving ground's TLS target."""

import socket
import ssl
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509 import load_der_x509_certificate, load_pem_x509_certificate

from eagleray import CheckReport, CheckRules, check
from eagleray.cluster.proving_ground import Ready, started
from eagleray.pipelines.proxies.model import Certificate, Protocol
from eagleray.pipelines.proxies.outcome import Outcome
from eagleray.pipelines.proxies.targets import parse_target_page, parse_tls_target
from tests.contract.servers import Place

HTTP = {Protocol.HTTP, Protocol.HTTPS}
SECURE = ["squid, https_port", "tinyproxy behind stunnel", "ncat, --ssl", "sing-box, tls"]


@pytest.fixture(scope="module")
def ground() -> Iterator[Ready]:
    with started(endpoints=1) as ready:
        yield ready


async def report_on(server: str, servers: Mapping[str, Any], ground: Ready) -> CheckReport:
    place = servers[server]
    if isinstance(place, LookupError):
        pytest.skip(str(place))
    if isinstance(place, Exception):
        raise place
    rules = CheckRules(
        confirm_after=0.1,
        silence=1.0,
        timeout=5.0,
        tls_target=parse_tls_target(ground.tls_target),
        pages=(parse_target_page(f"https://{ground.tls_target}/#contains=TLS"),),
        ca_file=ground.ca_file,
    )
    checking = check([str(place)], judge=ground.judge, allow=["127.0.0.0/8"], rules=rules)
    [report] = [report async for report in checking]
    return report


@pytest.mark.parametrize("server", SECURE)
async def test_tls_to_the_proxy_is_found(server: str, servers: Mapping[str, Any], ground: Ready) -> None:
    report = await report_on(server, servers, ground)
    assert (report.outcome, set(report.working), report.confirmed) == (Outcome.OK, HTTP, True)
    assert all(report.protocols[protocol].tls_to_proxy for protocol in HTTP)
    assert report.tls is not None
    assert report.tls.outcome is Outcome.OK
    assert [target.ok for target in report.targets.values()] == [True]


@pytest.mark.parametrize(
    ("server", "protocol"),
    [
        ("squid", Protocol.HTTPS),
        ("tinyproxy", Protocol.HTTPS),
        ("apache2", Protocol.HTTPS),
        ("privoxy", Protocol.HTTPS),
        ("dante", Protocol.SOCKS5),
        ("microsocks", Protocol.SOCKS5),
        ("ssh -D", Protocol.SOCKS5),
        ("proxy.py", Protocol.HTTPS),
        ("pproxy", Protocol.HTTPS),
        ("sing-box", Protocol.HTTPS),
    ],
)
async def test_an_honest_tunnel_is_verified(
    server: str, protocol: Protocol, servers: Mapping[str, Any], ground: Ready
) -> None:
    report = await report_on(server, servers, ground)
    assert report.tls is not None
    assert (report.tls.outcome, report.tls.protocol) == (Outcome.OK, protocol)
    assert [target.ok for target in report.targets.values()] == [True]
    assert not any(result.tls_to_proxy for result in report.protocols.values())


@pytest.mark.parametrize(
    ("server", "protocol", "outcome", "working"),
    [
        ("mitmproxy", Protocol.HTTPS, Outcome.OK, [Protocol.HTTP]),
        ("mitmproxy, socks5", Protocol.SOCKS5, Outcome.TLS_INTERCEPTED, []),
    ],
)
async def test_mitmproxy_is_found_out(
    server: str,
    protocol: Protocol,
    outcome: Outcome,
    working: list[Protocol],
    servers: Mapping[str, Any],
    ground: Ready,
) -> None:
    report = await report_on(server, servers, ground)
    assert report.tls is not None
    assert (report.tls.outcome, report.tls.protocol) == (Outcome.TLS_INTERCEPTED, protocol)
    assert (report.outcome, report.working) == (outcome, working)
    assert [target.outcome for target in report.targets.values()] == [Outcome.TLS_INTERCEPTED]


async def test_the_certificate_that_mitmproxy_shows_is_kept(
    servers: Mapping[str, Any], ground: Ready
) -> None:
    report = await report_on("mitmproxy", servers, ground)
    shown = load_der_x509_certificate(certificate_through(servers["mitmproxy"], ground.tls_target))
    authority = servers["mitmproxy"].directory / "mitmproxy-ca-cert.pem"
    shown.verify_directly_issued_by(load_pem_x509_certificate(authority.read_bytes()))

    assert report.tls is not None
    assert report.tls.certificate == Certificate(
        shown.fingerprint(SHA256()).hex(),
        subject=shown.subject.rfc4514_string(),
        issuer="O=mitmproxy,CN=mitmproxy",
        not_after=shown.not_valid_after_utc.isoformat(),
    )


def certificate_through(proxy: Place, target: str) -> bytes:
    """What a client sees that asks an HTTP proxy for a tunnel and verifies nothing, in DER."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection((proxy.host, proxy.port), timeout=5) as tunnel:
        tunnel.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
        assert b" 200 " in tunnel.recv(1024)
        with context.wrap_socket(tunnel, server_hostname=target.partition(":")[0]) as tls:
            return tls.getpeercert(binary_form=True) or b""
