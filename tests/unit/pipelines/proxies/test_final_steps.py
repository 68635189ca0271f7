import pytest

from eagleray.pipelines.proxies.attempt import Attempt, Step
from eagleray.pipelines.proxies.final_steps import FinalSteps
from eagleray.pipelines.proxies.model import Certificate, Protocol, ProtocolReport, TargetReport
from eagleray.pipelines.proxies.outcome import Outcome
from eagleray.pipelines.proxies.protocols.target import Target
from eagleray.pipelines.proxies.targets import Fetched, parse_target_page

HTTP, HTTPS, SOCKS4, SOCKS5 = Protocol.HTTP, Protocol.HTTPS, Protocol.SOCKS4, Protocol.SOCKS5
OK, FORBIDDEN, CLOSED = Outcome.OK, Outcome.FORBIDDEN, Outcome.CLOSED
INTERCEPTED, TLS_FAILED = Outcome.TLS_INTERCEPTED, Outcome.TLS_FAILED
SITE = Target("www.example.com", 443)
SHOWN = Certificate("ab", "CN=somebody else")


def ended(outcome):
    return ProtocolReport(outcome, handshake_ms=30.0, total_ms=50.0)


def steps_for(protocols, pages=(), site=SITE):
    reports = {protocol: ProtocolReport(outcome) for protocol, outcome in protocols.items()}
    return FinalSteps(site, [parse_target_page(url) for url in pages], reports), reports


def run(steps, outcomes, types=frozenset()):
    """Let every attempt end as `outcomes` says of its protocol; what was tried, in order."""
    waiting, tried = steps.begin(types), []
    while waiting:
        attempt = waiting.pop(0)
        tried.append(f"{attempt.step} {attempt.protocol}")
        if attempt.step is Step.CERTIFICATE:
            waiting += steps.ended(attempt, ended(OK), SHOWN)
        else:
            waiting += steps.ended(attempt, ended(outcomes[attempt.protocol]), None)
    return tried


# What works, how the tunnels to the site end, the tries, the verdict, and what works then.
TLS = {
    "CONNECT": ({HTTP: OK, HTTPS: OK}, {HTTPS: OK}, ["tls https"], OK, {HTTP, HTTPS}),
    "CONNECT only here": ({HTTP: OK, HTTPS: FORBIDDEN}, {HTTPS: OK}, ["tls https"], OK, {HTTP, HTTPS}),
    "CONNECT nowhere": ({HTTP: OK, HTTPS: FORBIDDEN}, {HTTPS: FORBIDDEN}, ["tls https"], FORBIDDEN, {HTTP}),
    "SOCKS5 instead": (
        {HTTP: OK, HTTPS: FORBIDDEN, SOCKS5: OK},
        {HTTPS: FORBIDDEN, SOCKS5: OK},
        ["tls https", "tls socks5"],
        OK,
        {HTTP, SOCKS5},
    ),
    "SOCKS": ({SOCKS4: OK, SOCKS5: OK}, {SOCKS5: OK}, ["tls socks5"], OK, {SOCKS4, SOCKS5}),
    "intercepted": (
        {HTTP: OK, HTTPS: OK},
        {HTTPS: INTERCEPTED},
        ["tls https", "certificate https"],
        INTERCEPTED,
        {HTTP},
    ),
    "intercepted by SOCKS5": (
        {SOCKS5: OK},
        {SOCKS5: INTERCEPTED},
        ["tls socks5", "certificate socks5"],
        INTERCEPTED,
        set(),
    ),
    "no TLS there": (
        {HTTPS: OK, SOCKS5: OK},
        {HTTPS: TLS_FAILED},
        ["tls https"],
        TLS_FAILED,
        {HTTPS, SOCKS5},
    ),
}


@pytest.mark.parametrize(("works", "ends", "tried", "verdict", "then"), TLS.values(), ids=TLS)
def test_tls(works, ends, tried, verdict, then):
    steps, reports = steps_for(works)
    assert run(steps, ends) == tried
    assert steps.tls.outcome is verdict
    assert steps.tls.handshake_ms == 20.0
    assert steps.tls.certificate == (SHOWN if verdict is INTERCEPTED else None)
    assert {protocol for protocol, report in reports.items() if report.outcome is OK} == then


def test_nothing_is_tried_without_a_site():
    steps, _ = steps_for({HTTP: OK}, site=None)
    assert run(steps, {}) == []
    assert steps.tls is None


def test_connect_is_not_tried_where_it_is_not_wanted():
    steps, _ = steps_for({HTTP: OK})
    assert run(steps, {}, types=frozenset({HTTP})) == []
    assert steps.tls is None


def test_what_is_our_own_fault_is_no_verdict():
    steps, reports = steps_for({HTTPS: OK})
    run(steps, {HTTPS: Outcome.LOCAL_RESOURCE})
    assert steps.tls is None
    assert reports[HTTPS].outcome is OK


PLAIN, SECURE = "http://example.com/", "https://example.com/"


@pytest.mark.parametrize(
    ("works", "tried"),
    [
        ({HTTP: OK, HTTPS: OK, SOCKS5: OK}, ["page http", "page https"]),
        ({SOCKS4: OK, SOCKS5: OK}, ["page socks5", "page socks5"]),
        ({HTTP: OK, HTTPS: FORBIDDEN}, ["page http", "page https"]),
        ({HTTPS: OK}, ["page https", "page https"]),
    ],
)
def test_a_page_comes_by_what_works_for_it(works, tried):
    steps, _ = steps_for(works, [PLAIN, SECURE], site=None)
    assert run(steps, dict.fromkeys(Protocol, CLOSED)) == tried


def test_what_a_page_came_to():
    steps, _ = steps_for({HTTP: OK}, [PLAIN, "http://example.com/2", "http://example.com/3"], site=None)
    good, bad, lost = steps.begin(frozenset())
    steps.ended(lost, ended(CLOSED), None)  # in whatever order they end
    steps.ended(bad, ended(OK), Fetched(500, False))
    steps.ended(good, ended(OK), Fetched(200, True))
    assert list(steps.targets.values()) == [
        TargetReport(True, 200, OK, 50.0),
        TargetReport(False, 500, Outcome.TARGET_MISMATCH, 50.0),
        TargetReport(False, None, CLOSED, 50.0),
    ]


def test_pages_that_share_a_url_are_told_apart_by_their_rules():
    steps, _ = steps_for({HTTP: OK}, [f"{PLAIN}#status=200", PLAIN, f"{SECURE}#status=204"] * 2, site=None)
    first, second, other = steps.begin(frozenset())
    steps.ended(second, ended(OK), Fetched(200, True))
    steps.ended(first, ended(OK), Fetched(200, False))
    steps.ended(other, ended(OK), Fetched(204, True))
    assert {name: report.ok for name, report in steps.targets.items()} == {
        f"{PLAIN}#status=200": False,
        PLAIN: True,
        SECURE: True,
    }


def test_a_proxy_that_wants_tls_gets_it_with_http_only():
    steps, reports = steps_for({HTTP: OK, SOCKS5: OK}, [PLAIN], site=None)
    reports[HTTP] = ProtocolReport(OK, tls_to_proxy=True)
    [attempt] = steps.begin(frozenset())
    assert attempt.tls_to_proxy
    steps, reports = steps_for({SOCKS5: OK}, [PLAIN], site=None)
    [attempt] = steps.begin(frozenset())
    assert attempt == Attempt(SOCKS5, step=Step.PAGE, page=parse_target_page(PLAIN))
