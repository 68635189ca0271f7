"""Whatever certificate an interceptor shows: it is one outcome, and ends nothing but its own check."""

import asyncio
import hashlib
import warnings

import pytest

from eagleray import CheckRules, check
from eagleray.actors import faults
from eagleray.pipelines.proxies.outcome import Outcome
from eagleray.pipelines.proxies.targets import parse_tls_target
from tests.certificates import odd
from tests.interceptors import HOST, intercepting

# Of a flight that ends with the certificate: OpenSSL does not read it, or does not trust it.
NO_TUNNEL = {Outcome.TLS_FAILED, Outcome.TLS_INTERCEPTED}


@pytest.fixture(scope="module")
def reports(ground, tmp_path_factory):
    """One check of all of them, by what is odd."""
    rules = CheckRules(
        confirm_after=0.01,
        timeout=3.0,
        tls_target=parse_tls_target(ground.tls_target),
        ca_file=ground.ca_file,
    )

    async def run():
        async with intercepting(odd(), tmp_path_factory.mktemp("keys")) as ports:
            endpoints = [f"http://{HOST}:{port}" for port in ports]
            checking = check(endpoints, judge=ground.judge, allow=ground.allow, rules=rules)
            return {ports[report.endpoint.port]: report async for report in checking}

    faults.counts.clear()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        found = asyncio.run(run())
    assert [str(warning.message) for warning in warned] == []
    return found


@pytest.fixture(params=[each.what for each in odd()])
def shown(request, reports):
    return next((each, report) for each, report in reports.items() if each.what == request.param)


def test_it_is_found_out(shown, tmp_path):
    each, report = shown
    assert report.outcome is Outcome.OK  # plain HTTP works
    try:
        each.context(tmp_path)
    except OSError:
        assert report.tls.outcome in NO_TUNNEL
    else:
        assert report.tls.outcome is Outcome.TLS_INTERCEPTED
        assert report.tls.certificate.sha256 == hashlib.sha256(each.der).hexdigest()


def test_no_error_of_ours_was_met(reports):
    assert len(reports) == len(list(odd()))
    assert dict(faults.counts) == {}
