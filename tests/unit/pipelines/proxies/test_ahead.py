"""Slow servers are asked again ahead of their first answer, and that counts only once it has come."""

import pytest

from eagleray.pipelines.proxies.attempt import Step
from eagleray.pipelines.proxies.check_plan import CheckPlan
from eagleray.pipelines.proxies.check_rules import CheckRules, Depth
from eagleray.pipelines.proxies.detection import first_attempt
from eagleray.pipelines.proxies.judging import Judged
from eagleray.pipelines.proxies.model import Anonymity, Candidate, Endpoint, Protocol, ProtocolReport
from eagleray.pipelines.proxies.outcome import OK, Outcome

HTTP, HTTPS, SOCKS4, SOCKS5 = Protocol.HTTP, Protocol.HTTPS, Protocol.SOCKS4, Protocol.SOCKS5
JUDGED = Judged(Anonymity.ELITE, "192.0.2.9")
SLOWLY = ProtocolReport(OK, total_ms=5_000.0)
CLOSED, TIMEOUT = ProtocolReport(Outcome.CLOSED), ProtocolReport(Outcome.TIMEOUT)


def begin(protocol, depth=Depth.FULL):
    """A plan, and its first attempt."""
    candidate = Candidate(Endpoint("192.0.2.1", 8080), frozenset({protocol}))
    rules = CheckRules(depth=depth)
    return CheckPlan(candidate, rules, known_page=True), first_attempt(candidate, rules.types)


def names(attempts):
    return [f"{a.protocol} {a.step}{' ahead' if a.ahead else ''}" for a in attempts]


@pytest.fixture
def socks5():
    """A SOCKS5 proxy that has answered the greeting, and is asked again; plan, first attempt, that."""
    plan, first = begin(SOCKS5)
    (again,) = plan.slow(first, heard=True)
    return plan, first, again


def test_a_server_that_has_begun_to_answer_is_asked_again(socks5):
    _, _, again = socks5
    assert (again.protocol, again.confirming, again.ahead) == (SOCKS5, True, True)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["first answer first", "second answer first"])
def test_two_answers_confirm_in_any_order(socks5, order):
    plan, *attempts = socks5
    handed_out = [each for at in order for each in plan.ended(attempts[at], SLOWLY, JUDGED)]
    assert plan.report(1.0, "").confirmed
    assert names(handed_out) == ["http judge", "socks4 judge", "https judge"]  # no other second request


def test_without_a_first_answer_it_is_worth_nothing(socks5):
    plan, first, again = socks5
    assert plan.ended(again, SLOWLY, JUDGED) == []
    assert names(plan.ended(first, TIMEOUT, None)) == ["http judge"]
    assert (plan.report(1.0, "").outcome, plan.report(1.0, "").confirmed) == (Outcome.TIMEOUT, False)


def test_a_check_does_not_wait_for_it(socks5):
    plan, attempt, _ = socks5
    while not plan.over:
        (attempt,) = plan.ended(attempt, CLOSED, None) or [None]
    assert plan.report(1.0, "").outcome is Outcome.CLOSED


@pytest.mark.parametrize("early", [True, False], ids=["before the first answer", "after it"])
def test_a_failure_leads_to_a_second_request_as_usual(socks5, early):
    plan, first, again = socks5
    ends = [(again, CLOSED, None), (first, SLOWLY, JUDGED)]
    handed_out = [each for end in (ends if early else ends[::-1]) for each in plan.ended(*end)]
    (second,) = [attempt for attempt in handed_out if attempt.confirming]
    assert (second.protocol, second.ahead, second.after) == (SOCKS5, False, 0.0)
    plan.ended(second, SLOWLY, JUDGED)
    assert plan.report(1.0, "").confirmed


def test_who_is_silent_to_all_is_not_asked_again():
    plan, first = begin(HTTP)
    beside = plan.slow(first, heard=False)
    assert names(beside) == ["socks5 judge", "socks4 judge", "https judge"]
    assert [plan.slow(attempt, heard=False) for attempt in beside] == [[], [], []]
    assert plan.ended(beside[0], TIMEOUT, None) == []


def test_who_refuses_one_protocol_is_at_work_on_the_other():
    plan, first = begin(HTTP)
    beside = plan.slow(first, heard=False)
    ahead = plan.ended(beside[1], CLOSED, None)
    assert names(ahead) == ["http judge ahead", "http known_page ahead"]
    assert plan.ended(beside[0], CLOSED, None) == []  # once is enough
    for attempt in (*ahead, first):
        new = plan.ended(attempt, SLOWLY, JUDGED if attempt.step is Step.JUDGE else None)
        assert new == []
    assert plan.report(1.0, "").confirmed


def test_a_changed_page_that_comes_before_the_first_answer():
    plan, first = begin(HTTP)
    _, page = plan.slow(first, heard=True)
    assert plan.ended(page, ProtocolReport(Outcome.TAMPERED, detail="<script>"), None) == []
    plan.ended(first, SLOWLY, JUDGED)
    assert (plan.report(1.0, "").tampered, plan.report(1.0, "").outcome) == ("<script>", Outcome.TAMPERED)


def test_another_protocol_that_answers_first_is_asked_again_itself():
    plan, first = begin(HTTP)
    socks5, socks4, _ = plan.slow(first, heard=False)
    ahead, _ = plan.ended(socks4, CLOSED, None)
    (second,) = plan.ended(socks5, ProtocolReport(OK, total_ms=900.0), JUDGED)
    assert names([second]) == ["socks5 judge"]
    assert plan.ended(ahead, SLOWLY, JUDGED) == []
    assert not plan.report(1.0, "").confirmed


def test_over_tls_to_the_proxy():
    plan, first = begin(HTTP)
    (socks5,) = plan.ended(first, CLOSED, None)
    over_tls = next(attempt for attempt in plan.slow(socks5, heard=False) if attempt.tls_to_proxy)
    plan.ended(socks5, TIMEOUT, None)
    again, _ = plan.slow(over_tls, heard=True)
    assert (again.protocol, again.tls_to_proxy, again.ahead) == (HTTP, True, True)


def test_a_quick_check_asks_once():
    plan, first = begin(SOCKS5, Depth.QUICK)
    assert plan.slow(first, heard=True) == []
