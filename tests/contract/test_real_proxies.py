"""A check finds real proxies as what they are: one table of servers and expected verdicts.

The same endpoints are asked through aiohttp-socks, too, which must find the same protocols.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

import pytest

from eagleray import CheckReport, CheckRules, Protocol, check
from eagleray.cluster.cli.sheet import failed_step

AT_ONCE = 16  # endpoints: a small machine answers so many within the limits below
RULES = CheckRules(confirm_after=0.1, silence=1.0, timeout=5.0)


class Case(NamedTuple):
    """A server of conftest's SERVERS, and what a check must say of it."""

    server: str
    protocols: frozenset[str] = frozenset()
    anonymity: str = ""
    outcome: str = "ok"
    detail: str = ""  # of a failure: the step that decided
    credentials: str = ""

    def __str__(self) -> str:
        return f"{self.server} {self.credentials}".rstrip()


def alive(server: str, protocols: frozenset[str], anonymity: str, credentials: str = "") -> Case:
    return Case(server, protocols, anonymity, credentials=credentials)


def dead(server: str, outcome: str, detail: str, credentials: str = "") -> Case:
    return Case(server, outcome=outcome, detail=detail, credentials=credentials)


HTTP = frozenset({"http", "https"})
SOCKS = frozenset({"socks4", "socks5"})
SOCKS5 = frozenset({"socks5"})
# Two users: Squid 5 lets a wrong password pass while it has the right one of the same user checked.
RIGHT, WRONG = "u:p@", "v:p@"
CASES = [
    alive("squid", HTTP, "transparent"),
    alive("squid, forwarded_for delete", HTTP, "anonymous"),
    alive("squid, via off", HTTP, "elite"),
    alive("squid, password", HTTP, "elite", RIGHT),
    dead("squid, password", "auth_failed", "HTTP status 407", WRONG),
    dead("squid, password", "auth_required", "HTTP status 407"),
    dead("squid, deny", "forbidden", "HTTP status 403"),
    dead("squid, no way out", "refused_by_proxy", "HTTP status 502"),
    alive("squid, ::1", HTTP, "transparent"),
    alive("tinyproxy", HTTP, "anonymous"),
    alive("tinyproxy, no Via", HTTP, "elite"),
    alive("tinyproxy, XTinyproxy", HTTP, "transparent"),
    alive("tinyproxy, password", HTTP, "anonymous", RIGHT),
    dead("tinyproxy, password", "auth_failed", "HTTP status 401", WRONG),  # sic; only without any it says 407
    dead("tinyproxy, password", "auth_required", "HTTP status 407"),
    alive("tinyproxy, ConnectPort", frozenset({"http"}), "anonymous"),
    dead("tinyproxy, Deny", "forbidden", "HTTP status 403"),
    alive("tinyproxy, ::1", HTTP, "anonymous"),
    alive("privoxy", HTTP, "elite"),
    alive("apache2", HTTP, "elite"),
    alive("apache2, Via", HTTP, "anonymous"),
    alive("apache2, password", HTTP, "elite", RIGHT),
    dead("apache2, password", "auth_failed", "HTTP status 407", WRONG),
    dead("apache2, password", "auth_required", "HTTP status 407"),
    dead("apache2, web server", "not_a_proxy", "HTTP status 404"),
    alive("ncat", HTTP, "elite"),
    alive("ncat, password", HTTP, "elite", RIGHT),
    dead("ncat, password", "auth_failed", "HTTP status 407", WRONG),
    dead("ncat, password", "auth_required", "HTTP status 407"),
    alive("dante", SOCKS, "elite"),
    dead("dante, password", "auth_failed", "SOCKS5 password", WRONG),  # its users are the system's
    dead("dante, password", "auth_required", "SOCKS5 greeting"),
    dead("dante, block", "forbidden", "SOCKS5 reply: code 2"),
    alive("microsocks", SOCKS5, "elite"),
    alive("microsocks, password", SOCKS5, "elite", RIGHT),
    dead("microsocks, password", "auth_failed", "SOCKS5 password", WRONG),
    dead("microsocks, password", "auth_required", "SOCKS5 greeting"),
    alive("microsocks, ::1", SOCKS5, "elite"),
    alive("ssh -D", SOCKS, "elite"),
    alive("ssh -D, ::1", SOCKS, "elite"),
    dead("sshd", "malformed", "not HTTP"),
    alive("proxy.py", HTTP, "anonymous"),
    alive("proxy.py, password", HTTP, "anonymous", RIGHT),
    dead("proxy.py, password", "auth_failed", "HTTP status 407", WRONG),
    dead("proxy.py, password", "auth_required", "HTTP status 407"),
    alive("pproxy", HTTP | SOCKS, "elite"),
    alive("pproxy, password", HTTP | SOCKS5, "elite", RIGHT),
    dead("pproxy, password", "auth_failed", "HTTP status 407", WRONG),
    dead("pproxy, password", "auth_required", "HTTP status 407"),
    alive("mitmproxy", HTTP, "elite"),
    alive("mitmproxy, socks5", SOCKS5, "elite"),
    alive("mitmproxy, password", HTTP, "elite", RIGHT),
    dead("mitmproxy, password", "auth_failed", "HTTP status 407", WRONG),
    dead("mitmproxy, password", "auth_required", "HTTP status 407"),
    alive("sing-box", HTTP | SOCKS, "elite"),
    alive("sing-box, password", HTTP | SOCKS5, "elite", RIGHT),  # SOCKS4 carries no password
    dead("sing-box, password", "auth_failed", "HTTP status 407", WRONG),
    dead("sing-box, password", "auth_required", "HTTP status 407"),
    alive("sing-box, ::1", HTTP | SOCKS, "elite"),
]
Oracle = Callable[[str, str, str], Awaitable[bool]]


class Verdicts(NamedTuple):
    """What was said of one case: our reports by kind of judge, and what aiohttp-socks reaches a judge by."""

    reports: dict[str, CheckReport]
    oracle: set[str]


async def ask(authority: str, judge: str, oracle: Oracle) -> Verdicts:
    async def ours(url: str) -> CheckReport:
        [report] = [r async for r in check([authority], judge=url, allow=["127.0.0.0/8", "::1"], rules=RULES)]
        return report

    urls = {"eagleray": judge, "httpbin": f"{judge}get"}
    reports = await asyncio.gather(*map(ours, urls.values()))
    reached = await asyncio.gather(*(oracle(protocol, authority, urls["httpbin"]) for protocol in Protocol))
    return Verdicts(
        dict(zip(urls, reports, strict=True)),
        {protocol.value for protocol, there in zip(Protocol, reached, strict=True) if there},
    )


@pytest.fixture(scope="module")
def verdicts(servers: Mapping[str, Any], judge: str, oracle: Oracle) -> dict[Case, Verdicts]:
    """The verdict on every case whose server runs: all are asked at once, for most of the time is waiting."""

    async def ask_all() -> dict[Case, Verdicts]:
        turns = asyncio.Semaphore(AT_ONCE)

        async def one(case: Case) -> tuple[Case, Verdicts]:
            async with turns:
                return case, await ask(f"{case.credentials}{servers[case.server]}", judge, oracle)

        running = [case for case in CASES if not isinstance(servers[case.server], Exception)]
        return dict(await asyncio.gather(*map(one, running)))

    return asyncio.run(ask_all())


@pytest.fixture
def verdict(case: Case, servers: Mapping[str, Any], verdicts: dict[Case, Verdicts]) -> Verdicts:
    server = servers[case.server]
    if isinstance(server, LookupError):
        pytest.skip(str(server))
    if isinstance(server, Exception):
        raise server
    return verdicts[case]


@pytest.mark.parametrize("kind", ["eagleray", "httpbin"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_verdict(case: Case, kind: str, verdict: Verdicts) -> None:
    report = verdict.reports[kind]

    assert (report.outcome, set(report.working)) == (case.outcome, case.protocols)
    assert failed_step(report) == case.detail or report.alive
    assert (report.anonymity or "") == case.anonymity
    assert report.exit_ip == ("127.0.0.1" if case.protocols else "")
    assert report.confirmed is bool(case.protocols)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_aiohttp_socks_reaches_the_judge_by_the_same_protocols(case: Case, verdict: Verdicts) -> None:
    assert verdict.oracle == set(verdict.reports["httpbin"].working)
