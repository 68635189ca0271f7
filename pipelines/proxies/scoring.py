"""From reports to rows and acks: what was known of an endpoint, plus one check, is what is known now."""

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from eagleray.pipelines.charge import Charge
from eagleray.pipelines.leases import NUMBER_BITS, Acks
from eagleray.pipelines.proxies.latency import observed
from eagleray.pipelines.proxies.model import Checked, CheckReport, Endpoint
from eagleray.pipelines.proxies.packing import PROTOCOL_TEXTS, Hint, State
from eagleray.pipelines.proxies.pipeline import NAME
from eagleray.pipelines.proxies.quality import (
    Weights,
    accuracy,
    completeness,
    consistency,
    quality,
    timeliness,
)
from eagleray.pipelines.proxies.schedule import ScheduleRules, next_due
from eagleray.pipelines.proxies.score import decayed, score
from eagleray.pipelines.proxies.tables import CHECKS, PROXIES
from eagleray.pipelines.tables import Row, encode_batch, seal

MICRO = 6  # digits of a time in a row: what stores with a type for times keep
SELF_RETRY = 60.0  # seconds until a check that failed for our own reasons is made again

_decode = msgspec.msgpack.Decoder(list[Checked]).decode
_encode = msgspec.msgpack.Encoder().encode
_json = msgspec.json.Encoder().encode


class ScoringRules(msgspec.Struct, frozen=True):
    """How evidence ages, what counts as quality, and when to check again."""

    half_life: float = 86_400.0  # seconds in which evidence halves
    weights: Weights = Weights()
    schedule: ScheduleRules = ScheduleRules()


def score_batch(checked: bytes, rules: ScoringRules, sources: Mapping[int, str]) -> tuple[bytes, bytes]:
    """Rows for the sink and acks for the frontier, from msgpack of `list[Checked]`.

    Every report makes a row of PROXIES; those of endpoints that work or ever did also one of CHECKS. A check
    that failed for our own reasons makes none, and its ack leaves the state as it was. `sources` names
    what `source_id` numbers. The rows are fenced by the oldest lease among them.

    Raises:
        msgspec.MsgspecError: `checked` is not such a list.
    """
    proxies: list[Row] = []
    checks: list[Row] = []
    states: list[bytes] = []
    due: list[float] = []
    items = _decode(checked)
    for item in items:
        report = item.report
        if report.outcome.charge is Charge.SELF:
            states.append(item.state)
            due.append(report.checked_at + SELF_RETRY)
            continue
        state = State.unpack(item.state)
        record(state, report, rules.half_life)
        states.append(state.pack())
        due.append(
            round(next_due(state, str(report.endpoint).encode(), report.checked_at, rules.schedule), MICRO)
        )
        proxies.append(proxy_row(item, state, due[-1], sources, rules.weights))
        if state.first_ok:
            checks.append(check_row(item, sources))
    fence = min((item.lease_id for item in items), default=0) >> NUMBER_BITS
    tables = ((PROXIES, proxies), (CHECKS, checks))
    envelopes = [seal(NAME, table, rows, fence) for table, rows in tables if rows]
    return encode_batch(envelopes), _encode(acks_of(items, states, due))


def acks_of(items: Sequence[Checked], states: Sequence[bytes], due: Sequence[float]) -> Acks:
    """The items as columns."""
    return Acks(
        lease_ids=np.array([item.lease_id for item in items], "<u8").tobytes(),
        slots=np.array([item.slot for item in items], "<u4").tobytes(),
        states=b"".join(states),
        due=np.array(due, "<f8").tobytes(),
        codes=bytes([item.report.outcome.code for item in items]),
    )


def record(state: State, report: CheckReport, half_life: float) -> None:
    """Enter one more check into `state`. Evidence counts only what is charged to the proxy itself."""
    now = int(report.checked_at)
    state.evidence = decayed(state.evidence, report.checked_at, half_life)
    state.checks += 1
    state.first_seen = state.first_seen or now
    if report.alive:
        record_success(state, report, now)
        return
    state.failures_in_row += 1
    if report.outcome.charge is Charge.SUBJECT:
        state.evidence.failures += 1


def record_success(state: State, report: CheckReport, now: int) -> None:
    """What a success adds to `state`; what this report does not tell stays as it was measured before."""
    state.evidence.successes += 1
    state.failures_in_row = 0
    state.first_ok = state.first_ok or now
    state.last_ok = now
    state.protocols = frozenset(report.dialable)
    state.over_tls = frozenset(report.working).difference(state.protocols)
    state.anonymity = report.anonymity or state.anonymity
    sample = first_byte(report)
    if sample is not None:
        state.latency = observed(state.latency, sample)


def first_byte(report: CheckReport) -> float | None:
    """Milliseconds to the first byte by the fastest protocol that works."""
    times = [report.protocols[protocol].first_byte_ms for protocol in report.working]
    return min((time for time in times if time is not None), default=None)


def proxy_row(item: Checked, state: State, due: float, sources: Mapping[int, str], weights: Weights) -> Row:
    """The row of PROXIES; `pipeline.ProxyPipeline.restore` reads it back."""
    report, endpoint, evidence, latency = item.report, item.report.endpoint, state.evidence, state.latency
    hint = Hint.unpack(item.hint)
    lower, worth = evidence.lower, quality_of(hint, state, report.checked_at, weights)
    return (
        endpoint.host,
        endpoint.port,
        *account(endpoint),
        report.alive,
        report.outcome,
        state.spoken,
        PROTOCOL_TEXTS[hint.protocols],
        hint.country,
        state.anonymity or "",
        hint.anonymity or "",
        report.exit_ip,
        sources.get(hint.source_id, ""),
        worth,
        evidence.mean,
        lower,
        evidence.samples,
        latency.p50 if latency else None,
        latency.p90 if latency else None,
        score(lower, latency, worth),
        state.checks,
        state.failures_in_row,
        state.first_seen,
        state.first_ok or None,
        state.last_ok or None,
        round(report.checked_at, MICRO),
        due,
        item.lease_id,
    )


def check_row(item: Checked, sources: Mapping[int, str]) -> Row:
    """The row of CHECKS."""
    report, hint = item.report, Hint.unpack(item.hint)
    return (
        report.endpoint.host,
        report.endpoint.port,
        account(report.endpoint)[0],
        item.lease_id,
        round(report.checked_at, MICRO),
        report.node,
        report.outcome,
        report.anonymity or "",
        report.exit_ip,
        first_byte(report),
        report.confirmed,
        _json(report.protocols).decode(),
        hint.country,
        sources.get(hint.source_id, ""),
        evidence_of(report),
    )


def evidence_of(report: CheckReport) -> str:
    """What a check found beside the protocols, as JSON: only what was looked at."""
    found = {name: getattr(report, name) for name in ("tampered", "tls", "targets", "dnsbl")}
    return _json({name: value for name, value in found.items() if value}).decode()


def account(endpoint: Endpoint) -> tuple[str, str]:
    """User name and password, empty where there are none."""
    credentials = endpoint.credentials
    return (credentials.username, credentials.password) if credentials else ("", "")


def quality_of(hint: Hint, state: State, now: float, weights: Weights) -> float:
    """The quality of what is known of an endpoint at `now` (Unix seconds)."""
    complete = completeness(
        protocol=bool(hint.protocols or state.protocols),
        country=bool(hint.country),
        anonymity=bool(hint.anonymity or state.anonymity),
        source=bool(hint.source_id),
    )
    return quality(
        weights,
        complete,
        accuracy(hint.protocols, hint.anonymity, state.protocols, state.anonymity),
        consistency(state.evidence.successes, state.evidence.failures),
        timeliness(state.last_ok, now),
    )
