"""One candidate per endpoint, and none that must not be dialled."""

from eagleray.pipelines.addresses import Allowed
from eagleray.pipelines.proxies.clean import clean
from eagleray.pipelines.proxies.model import Anonymity, Candidate, Credentials, Endpoint, Protocol

FIRST, SECOND = Endpoint("8.8.8.8", 80), Endpoint("8.8.4.4", 80)


def test_claims_are_merged_and_the_first_source_is_kept() -> None:
    candidates = [
        Candidate(FIRST, frozenset({Protocol.HTTP}), source="a", seen_at=1.0),
        Candidate(SECOND, source="a"),
        Candidate(FIRST, frozenset({Protocol.SOCKS4}), "US", None, "b", 2.0),
        Candidate(FIRST, frozenset(), "DE", Anonymity.ELITE, "c"),
    ]
    merged = Candidate(FIRST, frozenset({Protocol.HTTP, Protocol.SOCKS4}), "US", Anonymity.ELITE, "a", 1.0)
    result = clean(iter(candidates), Allowed())
    assert (result.candidates, dict(result.refused)) == ([merged, candidates[1]], {})


def test_credentials_tell_endpoints_apart() -> None:
    other = Endpoint(FIRST.host, FIRST.port, Credentials("user", "pass"))
    assert len(clean([Candidate(FIRST), Candidate(other)], Allowed()).candidates) == 2


def test_blocked_addresses_are_counted_once_each() -> None:
    blocked = ["10.0.0.1", "10.0.0.1", "127.0.0.7", "254.2.5.15", "::1", "64:ff9b::a00:1"]
    result = clean([Candidate(Endpoint(host, 80)) for host in blocked] + [Candidate(FIRST)], Allowed())
    assert [c.endpoint for c in result.candidates] == [FIRST]
    assert dict(result.refused) == {"blocked_address": 5}


def test_allowed_range_is_kept() -> None:
    assert clean([Candidate(Endpoint("127.0.0.7", 80))], Allowed(["127.0.0.0/8"])).refused.total() == 0
