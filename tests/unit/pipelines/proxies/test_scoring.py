import json

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eagleray.pipelines.leases import NUMBER_BITS, Acks
from eagleray.pipelines.proxies.latency import Latency
from eagleray.pipelines.proxies.model import (
    Anonymity,
    Checked,
    CheckReport,
    Credentials,
    Endpoint,
    Protocol,
    ProtocolReport,
)
from eagleray.pipelines.proxies.outcome import Outcome
from eagleray.pipelines.proxies.packing import STATE, Hint, State, bin_of, endpoint_key, source_id
from eagleray.pipelines.proxies.pipeline import ProxyPipeline
from eagleray.pipelines.proxies.scoring import ScoringRules, score_batch
from eagleray.pipelines.proxies.tables import CHECKS, PROXIES
from eagleray.pipelines.tables import decode_batch, open_rows

NOW = 1_700_000_000.25
INCARNATION = 1_699_999_000
LEASE = INCARNATION << NUMBER_BITS | 5
ENDPOINT = Endpoint("1.2.3.4", 8080)
HINT = Hint(
    frozenset({Protocol.HTTP, Protocol.SOCKS4}), None, "DE", source_id("a list"), bin_of(source_id("a list"))
)
SOURCES = {source_id("a list"): "a list"}
NEVER = bytes(STATE.size)
DEAD = CheckReport(
    ENDPOINT, Outcome.REFUSED, {Protocol.HTTP: ProtocolReport(Outcome.REFUSED)}, checked_at=NOW, node="n1"
)
ALIVE = CheckReport(
    ENDPOINT,
    Outcome.OK,
    {
        Protocol.HTTP: ProtocolReport(Outcome.OK, 10.0, 20.0, 400.0, 450.0),
        Protocol.SOCKS5: ProtocolReport(Outcome.OK, 10.0, 30.0, 300.0, 350.0),
        Protocol.SOCKS4: ProtocolReport(Outcome.MALFORMED, first_byte_ms=5.0),
    },
    anonymity=Anonymity.ELITE,
    exit_ip="5.6.7.8",
    confirmed=True,
    checked_at=NOW,
    node="n1",
)


def checked(report, state=NEVER, lease_id=LEASE, slot=3):
    return Checked(lease_id, slot, HINT.pack(), state, report)


def score(*items, rules=None):
    """Rows by table, fences, acks."""
    batch, acks = score_batch(msgspec.msgpack.encode(items), rules or ScoringRules(), SOURCES)
    envelopes = decode_batch(batch)
    tables = {table.name: table for table in (PROXIES, CHECKS)}
    rows = {
        envelope.table: [
            dict(zip(tables[envelope.table].names, row, strict=True))
            for row in open_rows(envelope, tables[envelope.table])
        ]
        for envelope in envelopes
    }
    return rows, [envelope.fence for envelope in envelopes], msgspec.msgpack.decode(acks, type=Acks)


def state_after(*reports):
    """The packed state after these reports in turn."""
    state = NEVER
    for report in reports:
        state = score(checked(report, state))[2].states
    return state


def at(report, seconds, **changes):
    return msgspec.structs.replace(report, checked_at=NOW + seconds, **changes)


def test_a_working_endpoint():
    rows, fences, acks = score(checked(ALIVE))
    (row,), (check,) = rows["proxies"], rows["checks"]
    assert row | {
        "ip": "1.2.3.4", "port": 8080, "username": "", "password": "", "alive": True, "outcome": "ok",
        "protocols": "http,socks5", "claimed": "http,socks4", "country": "DE", "anonymity": "elite",
        "claimed_anonymity": "", "exit_ip": "5.6.7.8", "source": "a list", "samples": 1.0, "checks": 1,
        "failures_in_row": 0, "first_seen": int(NOW), "first_ok": int(NOW), "last_ok": int(NOW),
        "checked_at": NOW, "lease_id": LEASE,
    } == row  # fmt: skip
    assert row["latency_p50"] == pytest.approx(300.0)
    assert row["reliability"] == pytest.approx(2 / 3)
    assert row["quality"] == pytest.approx(0.3 * 1 + 0.3 * 0.5 + 0.2 * 1 + 0.2 * 1)
    assert row["score"] == pytest.approx(row["reliability_lower"] * row["quality"] / 1.3)
    assert NOW + 270 <= row["next_due"] <= NOW + 330
    assert (check["latency"], check["confirmed"], check["lease_id"], check["node"]) == (
        300.0,
        True,
        LEASE,
        "n1",
    )
    assert json.loads(check["protocols"])["socks4"] == {"outcome": "malformed", "first_byte_ms": 5.0}
    assert fences == [INCARNATION, INCARNATION]
    assert np.frombuffer(acks.due, "<f8").tolist() == [row["next_due"]]


def test_an_endpoint_that_never_worked_has_no_history():
    rows, _, acks = score(checked(DEAD))
    (row,) = rows["proxies"]
    assert list(rows) == ["proxies"]
    assert (row["alive"], row["outcome"], row["score"], row["first_ok"], row["latency_p50"]) == (
        False, "refused", 0.0, None, None,
    )  # fmt: skip
    assert State.unpack(acks.states).evidence.failures == 1.0


def test_an_endpoint_that_worked_once_keeps_what_was_learned():
    state = state_after(ALIVE)
    rows, _, _ = score(checked(at(DEAD, 3600), state))
    (row,) = rows["proxies"]
    assert len(rows["checks"]) == 1
    assert (row["alive"], row["protocols"], row["anonymity"], row["failures_in_row"]) == (
        False, "http,socks5", "elite", 1,
    )  # fmt: skip
    assert (row["first_seen"], row["first_ok"], row["last_ok"]) == (int(NOW),) * 3
    assert row["latency_p50"] == pytest.approx(300.0)


def test_a_success_ends_the_failures():
    state = State.unpack(state_after(DEAD, at(DEAD, 10), at(ALIVE, 20)))
    assert (state.failures_in_row, state.checks, state.first_seen, state.first_ok) == (
        0,
        3,
        int(NOW),
        int(NOW) + 20,
    )


def test_evidence_halves_with_its_half_life():
    rules = ScoringRules(half_life=100.0)
    rows, _, _ = score(checked(at(DEAD, 100), state_after(ALIVE)), rules=rules)
    assert rows["proxies"][0]["samples"] == pytest.approx(1.5, abs=0.01)  # times of a state are whole seconds


@pytest.mark.parametrize("outcome", [Outcome.JUDGE_UNAVAILABLE, Outcome.LOCAL_RESOURCE])
@pytest.mark.parametrize("state", [NEVER, state_after(ALIVE)], ids=["unchecked", "known"])
def test_our_own_failures_change_nothing(outcome, state):
    rows, _, acks = score(checked(at(DEAD, 5, outcome=outcome), state))
    assert rows == {}
    assert acks.states == state
    assert np.frombuffer(acks.due, "<f8").tolist() == [NOW + 5 + 60]


def test_a_refused_address_is_not_evidence_but_backs_off():
    _, _, acks = score(checked(at(DEAD, 0, outcome=Outcome.BLOCKED_ADDRESS)))
    state = State.unpack(acks.states)
    assert (state.evidence.samples, state.failures_in_row, state.checks) == (0.0, 1, 1)


def test_acks_name_their_items():
    other = INCARNATION + 50 << NUMBER_BITS | 1
    rows, fences, acks = score(checked(DEAD, lease_id=other, slot=9), checked(DEAD, slot=70_000))
    assert np.frombuffer(acks.lease_ids, "<u8").tolist() == [other, LEASE]
    assert np.frombuffer(acks.slots, "<u4").tolist() == [9, 70_000]
    assert list(acks.codes) == [DEAD.outcome.code] * 2
    assert [row["lease_id"] for row in rows["proxies"]] == [other, LEASE]
    assert fences == [INCARNATION]  # the older one: nothing passes by the company it keeps


def test_the_same_batch_gives_the_same_bytes():
    batch = msgspec.msgpack.encode([checked(ALIVE), checked(DEAD, slot=4)])
    assert score_batch(batch, ScoringRules(), SOURCES) == score_batch(batch, ScoringRules(), SOURCES)


def test_nothing_checked():
    assert score() == ({}, [], Acks(b"", b"", b"", b"", b""))


@pytest.mark.parametrize(
    "data", [b"", b"\xc1", msgspec.msgpack.encode([[1, 2]])], ids=["empty", "garbage", "short"]
)
def test_what_is_no_batch(data):
    with pytest.raises(msgspec.MsgspecError):
        score_batch(data, ScoringRules(), SOURCES)


REPORTS = st.lists(
    st.tuples(st.sampled_from([ALIVE, DEAD]), st.floats(0.02, 60_000), st.integers(0, 10**6)),
    min_size=1,
    max_size=12,
)
CREDENTIALS = st.none() | st.builds(
    Credentials, username=st.text(min_size=1, max_size=9), password=st.text(max_size=9)
)


@given(reports=REPORTS, credentials=CREDENTIALS)
def test_a_row_restores_what_the_frontier_knew(reports, credentials):
    """After any history the last row of PROXIES gives key, hint, state and due time back."""
    endpoint = Endpoint("1.2.3.4", 8080, credentials)
    state, time = NEVER, 0
    for template, milliseconds, wait in reports:
        time += wait
        report = at(template, time, endpoint=endpoint)
        if report.alive:
            report.protocols = {Protocol.HTTPS: ProtocolReport(Outcome.OK, first_byte_ms=milliseconds)}
        rows, _, acks = score(checked(report, state))
        state = acks.states
    row = rows["proxies"][0]
    restored = ProxyPipeline().restore([tuple(row.values())])
    assert restored.keys == [endpoint_key(endpoint)]
    assert restored.hints == [HINT.pack()]
    assert restored.due == [row["next_due"]]
    assert_close(State.unpack(restored.states[0]), State.unpack(state))


def assert_close(got, wanted):
    """Equal, floats within what single precision and the row's rounding leave."""
    floats = [
        [
            state.evidence.successes,
            state.evidence.failures,
            *msgspec.structs.astuple(state.latency or Latency(0, 0)),
        ]
        for state in (got, wanted)
    ]
    assert floats[0] == pytest.approx(floats[1], rel=1e-4, abs=2e-6)
    assert (got.latency is None) is (wanted.latency is None)
    same = {"evidence": wanted.evidence, "latency": wanted.latency}
    assert msgspec.structs.replace(got, **same) == wanted
    assert got.evidence.at == wanted.evidence.at


def test_what_was_found_beside_the_protocols_is_kept_as_evidence():
    (plain,) = score(checked(ALIVE))[0]["checks"]
    found = msgspec.structs.replace(ALIVE, tampered="<script>", dnsbl={"bl.example": "127.0.0.2"})
    (check,) = score(checked(found))[0]["checks"]
    assert json.loads(plain["evidence"]) == {}
    assert json.loads(check["evidence"]) == {"tampered": "<script>", "dnsbl": {"bl.example": "127.0.0.2"}}


def test_times_in_rows_are_those_that_every_store_keeps():
    rows, _, _ = score(checked(at(ALIVE, 0.1234567)))
    assert rows["proxies"][0]["checked_at"] == rows["checks"][0]["checked_at"] == NOW + 0.123457
