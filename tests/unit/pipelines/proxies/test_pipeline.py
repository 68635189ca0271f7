import pytest

from eagleray.pipelines.frontier import Frontier
from eagleray.pipelines.pipeline import Pipeline
from eagleray.pipelines.proxies.model import Anonymity, Credentials, Endpoint, Protocol
from eagleray.pipelines.proxies.outcome import Outcome
from eagleray.pipelines.proxies.packing import Hint, State, bin_of, endpoint_of, source_id
from eagleray.pipelines.proxies.pipeline import ProxyPipeline
from eagleray.pipelines.proxies.score import Evidence
from eagleray.pipelines.proxies.tables import PROXIES

FIELDS = dict.fromkeys(PROXIES.names, "") | {
    "ip": "1.2.3.4", "port": 8080, "alive": False, "outcome": "refused", "reliability": 1 / 4, "samples": 2.0,
    "latency_p50": None, "latency_p90": None, "checks": 2, "failures_in_row": 2, "first_seen": 100.0,
    "first_ok": None, "last_ok": None, "checked_at": 200.5, "next_due": 300.5, "lease_id": 1,
}  # fmt: skip


def restore(**changes):
    return ProxyPipeline().restore([tuple((FIELDS | changes).values())])


def test_a_dead_endpoint():
    restored = restore()
    assert endpoint_of(restored.keys[0]) == Endpoint("1.2.3.4", 8080)
    assert Hint.unpack(restored.hints[0]) == Hint()
    assert State.unpack(restored.states[0]) == State(
        Evidence(0.0, 2.0, 200), first_seen=100, checks=2, failures_in_row=2
    )
    assert restored.due == [300.5]
    assert (restored.codes, restored.records, restored.lease_ids) == ([Outcome.REFUSED.code], [2], [1])


def test_labels_and_credentials():
    restored = restore(
        username="me", claimed="http,socks5", claimed_anonymity="elite", country="DE", source="a list",
        protocols="socks5", anonymity="anonymous",
    )  # fmt: skip
    assert endpoint_of(restored.keys[0]).credentials == Credentials("me", "")
    hint, state = Hint.unpack(restored.hints[0]), State.unpack(restored.states[0])
    assert hint == Hint(
        frozenset({Protocol.HTTP, Protocol.SOCKS5}),
        Anonymity.ELITE,
        "DE",
        source_id("a list"),
        bin_of(source_id("a list")),
    )
    assert (state.protocols, state.anonymity) == (frozenset({Protocol.SOCKS5}), Anonymity.ANONYMOUS)


@pytest.mark.parametrize(
    "changes",
    [{"ip": "example.org"}, {"ip": "1.2.3"}, {"claimed": "gopher"}, {"anonymity": "high"}],
    ids=["name", "address", "protocol", "level"],
)
def test_values_that_their_columns_forbid(changes):
    with pytest.raises(ValueError, match=r"\w"):
        restore(**changes)


def test_a_frontier_takes_what_was_restored():
    pipeline: Pipeline = ProxyPipeline()
    frontier = Frontier(
        1,
        hint_size=pipeline.hint_size,
        state_size=pipeline.state_size,
        merge=pipeline.merge,
        lease_seconds=60,
    )
    frontier.restore(restore())
    assert frontier.stats(300.5).next_due == 301.0
    assert frontier.stats(301).due == 1


def test_the_state_table_is_one_of_the_tables():
    assert ProxyPipeline().state_table in ProxyPipeline().tables
