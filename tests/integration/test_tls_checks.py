"""TLS through proxies and to them, and the user's own targets, on the proving ground."""

import json
import socket

import msgspec
import pytest

from eagleray import CheckRules, check
from eagleray.cluster.proving_ground import Kind, read_truth, started
from eagleray.pipelines.proxies.check_rules import Depth
from eagleray.pipelines.proxies.model import Protocol
from eagleray.pipelines.proxies.outcome import Outcome
from eagleray.pipelines.proxies.targets import parse_target_page, parse_tls_target


@pytest.fixture(scope="module")
def ground():
    with started(endpoints=100, seed=11) as ready:
        yield ready


@pytest.fixture(scope="module")
def live(ground):
    """The live endpoint of each kind that answers first."""
    best = {}
    for truth in sorted(read_truth(ground.truth), key=lambda truth: -truth.delay_ms):
        if truth.alive:
            best[truth.kind] = truth
    return best


@pytest.fixture
def rules(ground):
    pages = (f"https://{ground.tls_target}/#contains=TLS", f"https://{ground.tls_target}/x#status=204")
    return CheckRules(
        confirm_after=0.1,
        timeout=3.0,  # a SOCKS5 greeting to a proxy over TLS waits as long
        tls_target=parse_tls_target(ground.tls_target),
        pages=tuple(map(parse_target_page, pages)),
        ca_file=ground.ca_file,
    )


async def reports_on(ground, truths, rules, **options):
    addresses = [truth.address for truth in truths]
    checking = check(addresses, judge=ground.judge, allow=ground.allow, rules=rules, **options)
    return {str(report.endpoint): report async for report in checking}


async def test_each_kind_is_found_as_it_is(ground, live, rules):
    reports = await reports_on(ground, live.values(), rules)
    for truth in live.values():
        report = reports[truth.address]
        assert (report.outcome, set(report.working)) == (Outcome.OK, truth.protocols), truth
        assert report.tls.outcome is truth.tls, truth
        over_tls = {p for p in report.working if report.protocols[p].tls_to_proxy}
        assert over_tls == (truth.protocols if truth.kind is Kind.TLS_TO_PROXY else set())
        marker, status = report.targets.values()
        if truth.tls is Outcome.OK:
            assert (marker.ok, marker.status, marker.outcome) == (True, 200, Outcome.OK)
            assert (status.ok, status.status, status.outcome) == (False, 200, Outcome.TARGET_MISMATCH)
        else:
            assert (marker.ok, marker.outcome) == (False, truth.tls)


async def test_targets_that_share_a_url_have_a_result_each(ground, live, rules):
    wanted = {f"https://{ground.tls_target}/#contains={word}": word == "TLS" for word in ("TLS", "absent")}
    rules = msgspec.structs.replace(rules, pages=tuple(map(parse_target_page, wanted)))
    [report] = (await reports_on(ground, [live[Kind.HTTP_CONNECT]], rules)).values()
    assert {name: target.ok for name, target in report.targets.items()} == wanted
    assert {target.status for target in report.targets.values()} == {200}


async def test_an_interceptors_certificate_is_kept(ground, live, rules):
    truth = live[Kind.INTERCEPTOR]
    [report] = (await reports_on(ground, [truth], rules)).values()
    certificate = report.tls.certificate
    assert (certificate.subject, certificate.issuer) == ("CN=127.0.0.1", "CN=Eagleray interceptor")
    assert len(bytes.fromhex(certificate.sha256)) == 32
    assert report.protocols[Protocol.HTTPS].outcome is Outcome.TLS_INTERCEPTED


async def test_a_quick_check_takes_no_last_steps(ground, live, rules):
    quick = CheckRules(depth=Depth.QUICK, tls_target=rules.tls_target, pages=rules.pages)
    [report] = (await reports_on(ground, [live[Kind.HTTP_CONNECT]], quick)).values()
    assert (report.tls, report.targets) == (None, {})


@pytest.fixture
def unanswered():
    """host:port where nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{sock.getsockname()[1]}"


async def test_a_target_that_does_not_verify_directly_is_left_out(ground, live, unanswered):
    judge = ground.judge.removeprefix("http://").rstrip("/")
    reasons = {
        unanswered: "refused ECONNREFUSED",
        judge: "tls_failed TLS handshake: ",
        ground.tls_target: "tls_intercepted TLS: unable to get local issuer certificate",  # no --ca-file
        "10.0.0.1:443": "10.0.0.1 is not a global address; `--allow 10.0.0.1` allows it",
    }
    for target, reason in reasons.items():
        rules = CheckRules(confirm_after=0.1, tls_target=parse_tls_target(target))
        said = []
        reports = await reports_on(ground, [live[Kind.HTTP_CONNECT]], rules, on_warning=said.append)
        [report] = reports.values()
        assert (report.alive, report.tls) == (True, None)
        assert [text.startswith(f"TLS target {target} is left out: {reason}") for text in said] == [True]


def test_the_command_line_says_it_all(ground, live, eagleray):
    interceptor, over_tls = live[Kind.INTERCEPTOR].address, live[Kind.TLS_TO_PROXY].address
    page = f"https://{ground.tls_target}/"
    flags = ["--judge", ground.judge, "--allow", "127.0.0.0/8", "--timeout", "3", "--ca-file", ground.ca_file]
    flags += ["--tls-target", ground.tls_target, "--target", f"{page}#status=200", "--format", "ndjson"]
    done = eagleray("check", interceptor, over_tls, *flags)
    rows = {row["endpoint"]: row for row in map(json.loads, done.stdout.splitlines())}
    tls = rows[interceptor]["tls"]
    assert (tls["outcome"], tls["protocol"]) == ("tls_intercepted", "https")
    assert tls["handshake_ms"] > 0
    assert set(tls["certificate"]) == {"subject", "issuer", "sha256", "not_after"}
    assert rows[interceptor]["works_as"] == ["http"]
    assert rows[interceptor]["targets"][page]["ok"] is False
    assert rows[over_tls]["tls"]["outcome"] == "ok"
    assert rows[over_tls]["tls"]["certificate"] is None
    assert rows[over_tls]["urls"] == [f"https://{over_tls}"]
    assert all(
        result["tls_to_proxy"] for result in rows[over_tls]["protocols"].values() if result["outcome"] == "ok"
    )
    target = rows[over_tls]["targets"][page]
    assert (target["ok"], target["status"], target["outcome"]) == (True, 200, "ok")
    assert target["ms"] > 0


def test_a_target_that_is_left_out_is_said_once(ground, live, unanswered, eagleray):
    flags = ["--judge", ground.judge, "--allow", "127.0.0.0/8", "--timeout", "3", "--tls-target", unanswered]
    done = eagleray("check", *(truth.address for truth in live.values()), *flags, "--format", "txt")
    assert done.returncode == 0
    assert done.stderr.count(f"TLS target {unanswered} is left out") == 1
