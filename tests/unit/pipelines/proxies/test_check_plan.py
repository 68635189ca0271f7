from collections import deque

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eagleray.pipelines.charge import Charge
from eagleray.pipelines.proxies.attempt import Step
from eagleray.pipelines.proxies.check_plan import CheckPlan
from eagleray.pipelines.proxies.check_rules import CheckRules, Depth
from eagleray.pipelines.proxies.detection import first_attempt, likely, settled
from eagleray.pipelines.proxies.judging import Judged
from eagleray.pipelines.proxies.model import Anonymity, Candidate, Endpoint, Protocol, ProtocolReport
from eagleray.pipelines.proxies.outcome import Outcome
from eagleray.pipelines.proxies.protocols.target import Target
from eagleray.pipelines.proxies.targets import parse_target_page
from eagleray.pipelines.proxies.weighing import TELLING, doubtful, most_revealing

HTTP, HTTPS, SOCKS4, SOCKS5 = Protocol.HTTP, Protocol.HTTPS, Protocol.SOCKS4, Protocol.SOCKS5
OK, CLOSED, MALFORMED, TIMEOUT = Outcome.OK, Outcome.CLOSED, Outcome.MALFORMED, Outcome.TIMEOUT
QUICK, FULL = CheckRules(depth=Depth.QUICK), CheckRules(depth=Depth.FULL)
JUDGED = Judged(Anonymity.ELITE, "192.0.2.9")


def candidate(claims=(), port=8080):
    return Candidate(Endpoint("192.0.2.7", port), frozenset(claims))


def report_of(outcome, total_ms=100.0):
    return ProtocolReport(outcome, total_ms=total_ms)


class Course(CheckPlan):
    """A plan that knows what its check began with."""

    def __init__(self, of, rules, known_page=False):
        super().__init__(of, rules, known_page)
        self.first = first_attempt(of, rules.types)


def run(plan, outcomes, silent=(), again=OK):
    """Let attempts end in the order in which they were handed out, silent ones last; their names in order.

    `outcomes` is by protocol, CLOSED where it lacks one; the second request ends with `again`.
    """
    waiting, names = deque([plan.first]), []
    while not plan.over:
        attempt = waiting.popleft()
        name = f"{attempt.protocol} again" if attempt.confirming else str(attempt.protocol)
        if name not in names:
            names.append(name)
            if attempt.protocol in silent and not attempt.confirming:
                waiting.extend([*plan.slow(attempt, heard=False), attempt])
                continue
        outcome = again if attempt.confirming else outcomes.get(attempt.protocol, CLOSED)
        waiting.extend(plan.ended(attempt, report_of(outcome), JUDGED if outcome is OK else None))
    return names


ORDERS = {
    "nothing known": (candidate(), "http socks5 socks4 https"),
    "port of SOCKS5": (candidate(port=1080), "socks5 http socks4 https"),
    "port of SOCKS4": (candidate(port=4145), "socks4 http socks5 https"),
    "claimed": (candidate({SOCKS4}), "socks4 http socks5 https"),
    **{f"port {port} of Tor's": (candidate(port=port), "socks5 http socks4 https") for port in (9050, 9150)},
    "port beside SOCKS5's": (candidate(port=1081), "socks5 http socks4 https"),
    "claims before port": (candidate({SOCKS4}, port=1080), "socks4 socks5 http https"),
    "two claims, the port's first": (candidate({HTTP, SOCKS5}, port=1080), "socks5 http socks4 https"),
}


@pytest.mark.parametrize(("of", "order"), ORDERS.values(), ids=ORDERS)
def test_likeliest_first(of, order):
    assert likely(of, frozenset()) == tuple(order.split())


def test_only_wanted_types_are_tried():
    assert likely(candidate({HTTP}, port=1080), frozenset({HTTPS, SOCKS4})) == (SOCKS4, HTTPS)


# candidate, outcomes by protocol, silent protocols -> attempts in order, outcome of a quick check
QUICK_CHECKS = {
    "works at once": (candidate(), {HTTP: OK}, (), "http", OK),
    "works as claimed": (candidate({SOCKS5}), {SOCKS5: OK}, (), "socks5", OK),
    "works as the third": (candidate(), {SOCKS4: OK}, (), "http socks5 socks4", OK),
    "speaks nothing": (candidate(), {}, (), "http socks5 socks4 https", CLOSED),
    "refused": (candidate(), {HTTP: Outcome.REFUSED}, (), "http", Outcome.REFUSED),
    "no answer to the SYN": (
        candidate(),
        {HTTP: Outcome.CONNECT_TIMEOUT},
        (),
        "http",
        Outcome.CONNECT_TIMEOUT,
    ),
    "may not be dialled": (candidate(), {HTTP: Outcome.BLOCKED_ADDRESS}, (), "http", Outcome.BLOCKED_ADDRESS),
    "a web server": (candidate(), {HTTP: Outcome.NOT_A_PROXY}, (), "http https", Outcome.NOT_A_PROXY),
    "a web server, said to be SOCKS5": (
        candidate({SOCKS5}),
        {SOCKS5: MALFORMED, HTTP: Outcome.NOT_A_PROXY},
        (),
        "socks5 http https",
        Outcome.NOT_A_PROXY,
    ),
    "a web server, said to be both": (
        candidate({HTTP, SOCKS5}),
        {HTTP: Outcome.NOT_A_PROXY},
        (),
        "http socks5 https",
        Outcome.NOT_A_PROXY,
    ),
    "wants a login": (candidate(), {HTTP: Outcome.AUTH_REQUIRED}, (), "http https", Outcome.AUTH_REQUIRED),
    "forwards by CONNECT only": (candidate(), {HTTP: Outcome.FORBIDDEN, HTTPS: OK}, (), "http https", OK),
    "does not speak HTTP": (candidate(), {HTTP: MALFORMED, SOCKS5: OK}, (), "http socks5", OK),
    "speaks something else": (candidate(), {HTTP: MALFORMED}, (), "http socks5 socks4 https", MALFORMED),
    "a byte a second": (
        candidate(),
        {HTTP: TIMEOUT, SOCKS5: MALFORMED, SOCKS4: MALFORMED, HTTPS: TIMEOUT},
        (HTTP, HTTPS),
        "http socks5 socks4 https",
        TIMEOUT,
    ),
    "speaks something else, silent to SOCKS": (
        candidate(),
        {HTTP: MALFORMED, SOCKS5: TIMEOUT, SOCKS4: TIMEOUT},
        (),
        "http socks5 socks4 https",
        MALFORMED,
    ),
    "speaks something else, CONNECT claimed": (
        candidate({HTTP, HTTPS}),
        {HTTP: MALFORMED},
        (),
        "http https socks5 socks4",
        MALFORMED,
    ),
    "silent to HTTP": (candidate(), {HTTP: TIMEOUT, SOCKS5: OK}, (HTTP,), "http socks5", OK),
    "silent to all": (candidate(), {HTTP: TIMEOUT}, tuple(Protocol), "http socks5 socks4 https", TIMEOUT),
    "silent to all but CONNECT": (
        candidate(),
        {HTTP: TIMEOUT, HTTPS: OK},
        (HTTP, SOCKS4, SOCKS5),
        "http socks5 socks4 https",
        OK,
    ),
    "half an answer": (candidate(), {HTTP: TIMEOUT}, (), "http socks5 socks4", TIMEOUT),
    "late rather than silent": (candidate(), {HTTP: OK}, (HTTP,), "http socks5 socks4 https", OK),
    "says in HTTP that it speaks SOCKS": (
        candidate(),
        {HTTP: Outcome.FORBIDDEN, HTTPS: Outcome.FORBIDDEN, SOCKS5: OK},
        (),
        "http https socks5",
        OK,
    ),
    "ours to blame": (candidate(), {HTTP: Outcome.LOCAL_RESOURCE}, (), "http", Outcome.LOCAL_RESOURCE),
    "ours to blame beside a failure": (
        candidate(),
        {HTTP: CLOSED, SOCKS5: Outcome.LOCAL_RESOURCE},
        (),
        "http socks5",
        Outcome.LOCAL_RESOURCE,
    ),
    "judge to blame beside a silent one": (
        candidate(),
        {HTTP: TIMEOUT, SOCKS5: Outcome.JUDGE_UNAVAILABLE},
        (HTTP,),
        "http socks5 socks4 https",
        Outcome.JUDGE_UNAVAILABLE,
    ),
    "ours to blame beside a success": (
        candidate(),
        {HTTP: TIMEOUT, SOCKS5: Outcome.LOCAL_RESOURCE, SOCKS4: OK},
        (HTTP,),
        "http socks5 socks4",
        OK,
    ),
}


@pytest.mark.parametrize(
    ("of", "outcomes", "silent", "order", "outcome"), QUICK_CHECKS.values(), ids=QUICK_CHECKS
)
def test_quick_check(of, outcomes, silent, order, outcome):
    plan = Course(of, QUICK)
    assert " ".join(run(plan, outcomes, silent)) == order
    report = plan.report(1.0, "here")
    assert (report.outcome, report.confirmed) == (outcome, False)


# outcomes, silent protocols, end of the second request -> attempts in order, outcome, confirmed, what works
FULL_CHECKS = {
    "works": ({HTTP: OK}, (), OK, "http, http again, socks5, socks4, https", OK, True, [HTTP]),
    "works by two": (
        {HTTP: OK, HTTPS: OK},
        (),
        OK,
        "http, http again, socks5, socks4, https",
        OK,
        True,
        [HTTP, HTTPS],
    ),
    "works once": ({HTTP: OK}, (), Outcome.RESET, "http, http again", Outcome.UNCONFIRMED, False, []),
    "works once, ours to blame": (
        {HTTP: OK},
        (),
        Outcome.LOCAL_RESOURCE,
        "http, http again",
        OK,
        False,
        [HTTP],
    ),
    "works beside a silent one": (
        {HTTP: TIMEOUT, SOCKS5: OK},
        (HTTP,),
        OK,
        "http, socks5, socks4, https, socks5 again",
        OK,
        True,
        [SOCKS5],
    ),
    "works once, and once by another": (
        {HTTP: OK, SOCKS5: OK},
        (HTTP,),
        Outcome.RESET,
        "http, socks5, socks4, https, socks5 again",
        Outcome.UNCONFIRMED,
        False,
        [HTTP],
    ),
    "census in vain": (
        {SOCKS5: OK, HTTPS: Outcome.LOCAL_RESOURCE},
        (),
        OK,
        "http, socks5, socks5 again, socks4, https",
        OK,
        True,
        [SOCKS5],
    ),
    "dead": ({HTTP: Outcome.REFUSED}, (), OK, "http", Outcome.REFUSED, False, []),
}


@pytest.mark.parametrize(
    ("outcomes", "silent", "again", "order", "outcome", "confirmed", "working"),
    FULL_CHECKS.values(),
    ids=FULL_CHECKS,
)
def test_full_check(outcomes, silent, again, order, outcome, confirmed, working):
    plan = Course(candidate(), FULL)
    assert ", ".join(run(plan, outcomes, silent, again)) == order
    report = plan.report(1.0, "here")
    assert (report.outcome, report.confirmed, report.working) == (outcome, confirmed, working)


def test_the_report_says_what_the_judge_saw():
    plan = Course(candidate(), QUICK)
    run(plan, {HTTP: OK})
    report = plan.report(12.5, "here")
    assert (report.endpoint, report.anonymity, report.exit_ip) == (
        candidate().endpoint,
        Anonymity.ELITE,
        "192.0.2.9",
    )
    assert (report.checked_at, report.node) == (12.5, "here")


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["less revealing first", "more revealing first"])
def test_the_most_revealing_level_of_all_protocols_counts(order):
    seen = [Judged(Anonymity.ELITE, "192.0.2.9"), Judged(Anonymity.TRANSPARENT, "192.0.2.8")]
    plan = Course(candidate(), FULL)
    http = plan.first
    socks5, *_ = plan.slow(http, heard=False)
    plan.ended(http, report_of(OK), seen[order[0]])
    plan.ended(socks5, report_of(OK), seen[order[1]])
    report = plan.report(1.0, "")
    assert (report.anonymity, report.exit_ip) == (Anonymity.TRANSPARENT, seen[order[0]].exit_ip)


def confirmed_plan(again=JUDGED):
    """A plan whose first protocol, HTTP, has answered twice; and what it hands out then."""
    plan = Course(candidate(), FULL, known_page=True)
    (second,) = plan.ended(plan.first, report_of(OK), JUDGED)
    return plan, plan.ended(second, report_of(OK), again)


def test_a_second_judge_that_sees_more_and_elsewhere():
    plan, _ = confirmed_plan(Judged(Anonymity.TRANSPARENT, "192.0.2.8"))
    report = plan.report(1.0, "")
    assert (report.anonymity, report.exit_ip) == (Anonymity.TRANSPARENT, JUDGED.exit_ip)
    assert report.protocols[HTTP].detail == "second request: from 192.0.2.8"


@pytest.mark.parametrize(
    ("levels", "level"),
    [((None, None), None), ((None, Anonymity.ELITE), Anonymity.ELITE)],
    ids=["neither tells", "one tells"],
)
def test_judges_that_tell_no_level(levels, level):
    assert most_revealing(*levels) is level


PAGES = {
    "as it is": (report_of(OK), OK, "", OK),
    "changed": (
        ProtocolReport(Outcome.TAMPERED, detail="<script>"),
        Outcome.TAMPERED,
        "<script>",
        Outcome.TAMPERED,
    ),
    "does not come": (report_of(TIMEOUT), OK, "", OK),
}


@pytest.mark.parametrize(("page", "outcome", "tampered", "http"), PAGES.values(), ids=PAGES)
def test_known_page(page, outcome, tampered, http):
    plan, attempts = confirmed_plan()
    for attempt in attempts:
        assert not plan.over
        plan.ended(attempt, page if attempt.step is Step.KNOWN_PAGE else report_of(CLOSED), None)
    assert plan.over
    report = plan.report(1.0, "")
    assert (report.outcome, report.tampered, report.protocols[HTTP].outcome) == (outcome, tampered, http)
    assert report.alive is not bool(tampered)


def test_the_known_page_is_fetched_once_and_only_by_forwarding():
    plan = Course(candidate({SOCKS5}), FULL, known_page=True)
    (second,) = plan.ended(plan.first, report_of(OK), JUDGED)
    census = plan.ended(second, report_of(OK), JUDGED)
    assert not any(attempt.step is Step.KNOWN_PAGE for attempt in census)
    (page,) = plan.ended(next(a for a in census if a.protocol is HTTP), report_of(OK), JUDGED)
    assert (page.protocol, page.step) == (HTTP, Step.KNOWN_PAGE)


def test_what_a_judge_may_have_caused():
    connected = {CLOSED, TIMEOUT, Outcome.NOT_A_PROXY, Outcome.REFUSED_BY_PROXY, Outcome.TAMPERED}
    sure = {OK, Outcome.REFUSED, Outcome.CONNECT_TIMEOUT, Outcome.AUTH_REQUIRED, Outcome.LOCAL_RESOURCE}
    assert all(map(doubtful, connected))
    assert not any(map(doubtful, sure))


def test_the_second_request_waits_and_names_its_failure():
    plan = Course(candidate(), CheckRules(confirm_after=0.25))
    first = plan.first
    (second,) = plan.ended(first, report_of(OK), JUDGED)
    assert (second.protocol, second.after, second.confirming) == (HTTP, 0.25, True)
    plan.ended(second, ProtocolReport(Outcome.RESET, detail="ECONNRESET"), None)
    assert plan.report(1.0, "").protocols[HTTP].detail == "second request: reset ECONNRESET"


@pytest.mark.parametrize(("total_ms", "patience"), [(0.0, 1.0), (1000.0, 4.0), (None, 1.0)], ids=str)
def test_the_census_waits_by_what_the_endpoint_needed(total_ms, patience):
    plan = Course(candidate(), FULL)
    (second,) = plan.ended(plan.first, report_of(OK, total_ms), JUDGED)
    census = plan.ended(second, report_of(OK), JUDGED)
    assert {attempt.timeout for attempt in census} == {patience}


def test_a_second_request_that_takes_long_is_not_waited_for():
    plan = Course(candidate(), FULL, known_page=True)
    (second,) = plan.ended(plan.first, report_of(OK), JUDGED)
    beside = plan.slow(second, heard=False)
    assert {(a.protocol, a.step) for a in beside} == {
        *((p, Step.JUDGE) for p in (SOCKS5, SOCKS4, HTTPS)),
        (HTTP, Step.KNOWN_PAGE),
    }
    assert plan.slow(second, heard=False) == plan.ended(second, report_of(OK), JUDGED) == []


def test_what_is_found_beside_counts_only_if_the_second_request_succeeds():
    plan = Course(candidate(), FULL)
    (second,) = plan.ended(plan.first, report_of(OK), JUDGED)
    for attempt in plan.slow(second, heard=False):
        assert plan.ended(attempt, report_of(OK), JUDGED) == []
        assert not plan.over
    plan.ended(second, report_of(Outcome.TIMEOUT), None)
    assert (plan.over, plan.report(1.0, "").outcome) == (True, Outcome.UNCONFIRMED)


def test_a_promising_endpoint_gets_a_second_longer_try():
    plan = Course(msgspec.structs.replace(candidate(), promising=True), FULL)
    (again,) = plan.ended(plan.first, report_of(Outcome.CONNECT_TIMEOUT), None)
    assert (again.protocol, again.patient, again.after > 1) == (HTTP, True, True)
    assert plan.ended(again, report_of(Outcome.CONNECT_TIMEOUT), None) == []
    assert (plan.over, plan.report(1.0, "").outcome) == (True, Outcome.CONNECT_TIMEOUT)


def test_silence_after_a_success_starts_nothing():
    plan = Course(candidate(), FULL)
    first = plan.first
    beside = plan.slow(first, heard=False)
    plan.ended(beside[0], report_of(OK), JUDGED)
    assert plan.slow(beside[1], heard=False) == plan.slow(first, heard=False) == []


def test_every_outcome_has_its_place():
    assert sorted(TELLING) == sorted(Outcome)


TYPES = st.frozensets(st.sampled_from(Protocol))
PROBE_OUTCOMES = st.sampled_from([outcome for outcome in Outcome if outcome is not Outcome.UNCONFIRMED])


@given(
    of=st.builds(candidate, TYPES, st.sampled_from([8080, 443, 1080, 4145])),
    rules=st.builds(
        CheckRules,
        depth=st.sampled_from(Depth),
        types=TYPES,
        tls_target=st.none() | st.just(Target("www.example.com", 443)),
        pages=st.just(()) | st.just((parse_target_page("http://example.com/"),)),
    ),
    data=st.data(),
)
def test_any_course_of_events(of, rules, data):
    plan = Course(of, rules)
    open_attempts = [plan.first]
    handed_out, ends, slow = list(open_attempts), [], []
    while not plan.over:
        attempt = data.draw(st.sampled_from(open_attempts))  # fails where none is open: a check would hang
        if attempt not in slow and data.draw(st.booleans(), "slow"):  # a connection is told of once
            slow.append(attempt)
            new = plan.slow(attempt, data.draw(st.booleans(), "heard"))
        else:
            outcome = data.draw(PROBE_OUTCOMES)
            open_attempts.remove(attempt)
            new = plan.ended(attempt, report_of(outcome), JUDGED if outcome is OK else None)
            ends.append((attempt, outcome))
        open_attempts.extend(new)
        handed_out.extend(new)

    assert len(set(handed_out)) == len(handed_out)
    ahead = [attempt for attempt in handed_out if attempt.ahead]
    assert {attempt.protocol for attempt in ahead} <= {attempt.protocol for attempt in slow}
    judged = [attempt for attempt in handed_out if attempt.step is Step.JUDGE and not attempt.ahead]
    assert len(judged) <= len(Protocol) + 3  # the second request, and two over TLS to the proxy
    assert not rules.types or {attempt.protocol for attempt in judged} <= rules.types
    report = plan.report(1.0, "")
    assert set(report.targets) == {attempt.page.url for attempt in handed_out if attempt.page}
    if all(attempt.step is Step.JUDGE and not attempt.tls_to_proxy for attempt in handed_out):
        check_report(report, ends)


def check_report(report, ends):
    first = next((a.protocol for a, outcome in ends if outcome is OK and not a.confirming), None)
    confirmations = [outcome for a, outcome in ends if a.confirming and (not a.ahead or a.protocol is first)]
    firsts = {attempt.protocol: outcome for attempt, outcome in ends if not attempt.confirming}
    assert report.alive <= bool(report.working)
    assert report.alive or report.outcome is Outcome.UNCONFIRMED or not report.working
    assert report.confirmed is (OK in confirmations)
    assert (report.anonymity is not None) is (OK in firsts.values())
    assert set(report.protocols) == set(firsts)
    if OK not in firsts.values():
        assert report.outcome in firsts.values()
        own_fault = any(outcome.charge is Charge.SELF for outcome in firsts.values())
        assert (report.outcome.charge is Charge.SELF) is own_fault


def play_tls(plan, answer, silent=()):
    """Let attempts end by `answer(attempt)`, a report; what was tried, in order, TLS to the proxy marked."""
    waiting, tried = deque([plan.first]), []
    while not plan.over:
        attempt = waiting.popleft()
        name = f"{attempt.protocol}{' by TLS' if attempt.tls_to_proxy else ''}"
        if name not in tried:
            tried.append(name)
            if attempt.protocol in silent and not attempt.tls_to_proxy:
                waiting.extend([*plan.slow(attempt, heard=False), attempt])
                continue
        report = answer(attempt)
        waiting.extend(plan.ended(attempt, report, JUDGED if report.outcome is OK else None))
    return tried


ALERT = ProtocolReport(MALFORMED, detail="a TLS alert instead of HTTP")
BAD_REQUEST = ProtocolReport(Outcome.NOT_A_PROXY, detail="HTTP status 400")
HUNG_UP = ProtocolReport(CLOSED)
WANTS_TLS = {
    "an alert": (8080, ALERT, (), ["http", "http by TLS", "https by TLS"]),
    "status 400": (8080, BAD_REQUEST, (), ["http", "http by TLS", "https by TLS"]),
    "its port": (443, HUNG_UP, (), ["http", "http by TLS", "https by TLS"]),
    "a long wait after SOCKS5": (
        8080,
        HUNG_UP,
        (SOCKS5,),
        ["http", "socks5", "socks4", "https", "http by TLS", "https by TLS"],
    ),
}


@pytest.mark.parametrize("over_tls", [TIMEOUT, CLOSED, Outcome.TLS_FAILED, MALFORMED], ids=str)
def test_what_fails_over_tls_says_nothing_of_connect(over_tls):
    plan = Course(candidate(), FULL)

    def answer(attempt):
        if attempt.protocol is HTTPS:
            return report_of(OK)
        return report_of(over_tls) if attempt.tls_to_proxy else BAD_REQUEST

    assert play_tls(plan, answer) == ["http", "http by TLS", "https"]
    assert plan.report(0, "").outcome is OK


@pytest.mark.parametrize(("port", "plain", "silent", "tried"), WANTS_TLS.values(), ids=WANTS_TLS)
def test_tls_to_the_proxy_is_tried_and_kept(port, plain, silent, tried):
    plan = Course(candidate(port=port), FULL)

    def answer(attempt):
        return report_of(OK) if attempt.tls_to_proxy else plain

    assert play_tls(plan, answer, silent) == tried
    report = plan.report(0, "")
    assert (report.outcome, report.confirmed, set(report.working)) == (OK, True, {HTTP, HTTPS})
    assert all(report.protocols[protocol].tls_to_proxy for protocol in (HTTP, HTTPS))
    assert report.dialable == []


def test_connect_over_tls_where_forwarding_is_forbidden():
    plan = Course(candidate(port=443), FULL)

    def answer(attempt):
        if not attempt.tls_to_proxy:
            return HUNG_UP
        return report_of(OK if attempt.protocol is HTTPS else Outcome.FORBIDDEN)

    assert play_tls(plan, answer) == ["http", "http by TLS", "https by TLS"]
    assert plan.report(0, "").working == [HTTPS]


def test_a_try_over_tls_that_fails_leaves_the_plain_verdict():
    plan = Course(candidate(port=8443), FULL)

    def answer(attempt):
        return ProtocolReport(Outcome.TLS_FAILED) if attempt.tls_to_proxy else BAD_REQUEST

    assert play_tls(plan, answer) == ["http", "http by TLS", "https"]
    report = plan.report(0, "")
    assert report.protocols == {HTTP: BAD_REQUEST, HTTPS: BAD_REQUEST}


@pytest.mark.parametrize(
    "plain", [HUNG_UP, ProtocolReport(MALFORMED, detail="not HTTP"), ProtocolReport(Outcome.REFUSED)]
)
def test_elsewhere_tls_is_not_tried(plain):
    plan = Course(candidate(), FULL)
    assert not any("TLS" in name for name in play_tls(plan, lambda _: plain))


def test_a_tunnel_that_is_intercepted_is_no_way_alone():
    rules = CheckRules(tls_target=Target("www.example.com", 443))
    plan = Course(candidate(), rules)

    def answer(attempt):
        if attempt.step is Step.TLS:
            return ProtocolReport(Outcome.TLS_INTERCEPTED)
        return report_of(OK if attempt.protocol is HTTPS else CLOSED)

    play_tls(plan, answer)
    report = plan.report(0, "")
    assert (report.outcome, report.working, report.confirmed) == (Outcome.TLS_INTERCEPTED, [], True)
    assert report.tls.protocol is HTTPS


@pytest.mark.parametrize(
    ("outcome", "rules", "promising", "at_once"),
    [
        (OK, QUICK, False, True),
        (OK, FULL, False, False),
        (Outcome.REFUSED, FULL, False, True),
        (Outcome.CONNECT_TIMEOUT, QUICK, True, False),
        (CLOSED, QUICK, False, False),
        (Outcome.LOCAL_RESOURCE, QUICK, False, False),
    ],
    ids=[
        "works",
        "works, more is wanted",
        "dead",
        "dead, but worth more",
        "speaks something else",
        "our own",
    ],
)
def test_what_the_first_attempt_settles(outcome, rules, promising, at_once):
    of = msgspec.structs.replace(candidate(), promising=promising)
    assert settled(outcome, of, rules) is at_once
    plan = Course(of, rules)
    plan.ended(plan.first, report_of(outcome), JUDGED if outcome is OK else None)
    assert not at_once or (plan.over and plan.report(0.0, "").outcome is outcome)  # a plan says no more


def test_nothing_goes_beside_what_falls_silent_once_the_proxy_has_answered_over_tls():
    plan = Course(candidate(frozenset(Protocol)), QUICK)
    [socks5] = plan.ended(plan.first, report_of(Outcome.RESET), None)
    handed_out = plan.slow(socks5, heard=False)
    [over_tls] = [attempt for attempt in handed_out if attempt.tls_to_proxy]
    [socks4] = [attempt for attempt in handed_out if attempt.protocol is Protocol.SOCKS4]
    plan.ended(over_tls, report_of(Outcome.OVERSIZED), None)
    assert plan.slow(socks4, heard=False) == []


def test_only_what_is_tried_beside_a_silent_attempt_ends_with_it():
    plan = Course(candidate(), FULL)
    assert not plan.first.beside
    assert [attempt.beside for attempt in plan.slow(plan.first, heard=False)] == [True, True, True]
