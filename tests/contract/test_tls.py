"""TLS to real proxies, and through them to the proving ground's TLS target."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from eagleray import CheckReport, CheckRules, check
from eagleray.cluster.proving_ground import Ready, started
from eagleray.pipelines.proxies.model import Protocol
from eagleray.pipelines.proxies.outcome import Outcome
from eagleray.pipelines.proxies.targets import parse_target_page, parse_tls_target

HTTP = {Protocol.HTTP, Protocol.HTTPS}


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


@pytest.mark.parametrize("server", ["squid, https_port", "tinyproxy behind stunnel", "ncat, --ssl"])
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


async def test_mitmproxy_is_found_out(servers: Mapping[str, Any], ground: Ready) -> None:
    report = await report_on("mitmproxy, --ssl-insecure", servers, ground)
    assert report.tls is not None
    assert report.tls.outcome is Outcome.TLS_INTERCEPTED
    assert report.tls.certificate is not None
    assert "mitmproxy" in report.tls.certificate.issuer
    assert (report.outcome, report.working) == (Outcome.OK, [Protocol.HTTP])
