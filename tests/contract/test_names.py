"""The user's targets travel by name through real proxies: by SOCKS4a, SOCKS5, CONNECT and HTTP."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest

from eagleray import CheckRules, Outcome, Protocol, check
from eagleray.pipelines.proxies.targets import parse_target_page

HTTP, HTTPS, SOCKS4, SOCKS5 = Protocol
WAYS = {
    "squid": [HTTP],
    "tinyproxy": [HTTP, HTTPS],
    "dante": [SOCKS5],
    "microsocks": [SOCKS5],
    "ssh -D": [SOCKS4, SOCKS5],
    "proxy.py": [HTTP, HTTPS],
    "pproxy": [HTTP, HTTPS, SOCKS5],
    "mitmproxy": [HTTP, HTTPS],
    "mitmproxy, socks5": [SOCKS5],
    "sing-box": [HTTP, HTTPS, SOCKS4, SOCKS5],
}


# They speak SOCKS4 without its extension for names, and try to reach 0.0.0.1.
WITHOUT_4A = {"dante": Outcome.REFUSED_BY_PROXY, "pproxy": Outcome.CLOSED}


async def outcome_by_name(server: str, protocol: Protocol, servers: Mapping[str, Any], judge: str) -> Outcome:
    """What becomes of a page whose host is a name, through a server that works for the judge's address."""
    place = servers[server]
    if isinstance(place, LookupError):
        pytest.skip(str(place))
    if isinstance(place, Exception):
        raise place
    page = parse_target_page(f"http://localhost:{urlsplit(judge).port}/get#contains=localhost")
    rules = CheckRules(confirm_after=0.1, timeout=5.0, types=frozenset({protocol}), pages=(page,))
    checking = check([str(place)], judge=judge, allow=["127.0.0.0/8"], rules=rules)
    [report] = [report async for report in checking]
    assert report.working == [protocol]
    return report.targets[page.url].outcome


@pytest.mark.parametrize(
    ("server", "protocol"), [(server, protocol) for server, ways in WAYS.items() for protocol in ways]
)
async def test_a_name_is_left_to_the_proxy(
    server: str, protocol: Protocol, servers: Mapping[str, Any], judge: str
) -> None:
    assert await outcome_by_name(server, protocol, servers, judge) is Outcome.OK


@pytest.mark.parametrize(("server", "outcome"), WITHOUT_4A.items())
async def test_a_name_is_too_much_for_socks4_alone(
    server: str, outcome: Outcome, servers: Mapping[str, Any], judge: str
) -> None:
    assert await outcome_by_name(server, SOCKS4, servers, judge) is outcome
