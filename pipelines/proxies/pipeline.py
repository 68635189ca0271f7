"""The proxy pipeline as the actors see it."""

from collections.abc import Mapping, Sequence
from typing import Any

from eagleray.pipelines.pipeline import Export, Restored
from eagleray.pipelines.proxies import packing
from eagleray.pipelines.proxies.exports import lists
from eagleray.pipelines.proxies.latency import from_percentiles
from eagleray.pipelines.proxies.model import Anonymity, Endpoint, canonical_host
from eagleray.pipelines.proxies.outcome import Outcome
from eagleray.pipelines.proxies.packing import Hint, State, bin_of, endpoint_key, source_id
from eagleray.pipelines.proxies.rows import credentials, over_tls, plain, protocols
from eagleray.pipelines.proxies.score import PRIOR, Evidence
from eagleray.pipelines.proxies.tables import PROXIES, TABLES
from eagleray.pipelines.tables import Row

NAME = "proxies"
OUTCOMES = {outcome.code: outcome.value for outcome in Outcome}
CODES = {name: code for code, name in OUTCOMES.items()}


class ProxyPipeline:
    """Implements `eagleray.pipelines.pipeline.Pipeline`."""

    name = NAME
    tables = TABLES
    state_table = PROXIES
    hint_size = packing.HINT.size
    state_size = packing.STATE.size
    outcomes = OUTCOMES

    @property
    def exports(self) -> Mapping[str, Export]:
        """The lists of what lives."""
        return {PROXIES.name: lists}

    def merge(self, old: bytes, new: bytes) -> bytes:
        """See `packing.merge`."""
        return packing.merge(old, new)

    def restore(self, rows: Sequence[Row]) -> Restored:
        """Columns from rows of PROXIES.

        Raises:
            ValueError: a value of a row is not what its column says.
        """
        restored = Restored([], [], [], [], [], [], [])
        for row in rows:
            fields = dict(zip(PROXIES.names, row, strict=True))
            restored.keys.append(endpoint_key(endpoint(fields)))
            restored.hints.append(hint(fields).pack())
            restored.states.append(state(fields).pack())
            restored.due.append(fields["next_due"])
            restored.codes.append(CODES.get(fields["outcome"], 0))  # a newer program may know more
            restored.records.append(fields["checks"])
            restored.lease_ids.append(fields["lease_id"])
        return restored


def endpoint(fields: Mapping[str, Any]) -> Endpoint:
    """The endpoint of a row."""
    return Endpoint(canonical_host(fields["ip"]), fields["port"], credentials(fields))


def hint(fields: Mapping[str, Any]) -> Hint:
    """What the sources claimed."""
    return Hint(
        protocols(fields["claimed"]),
        anonymity(fields["claimed_anonymity"]),
        fields["country"],
        source_id(fields["source"]),
        bin_of(source_id(fields["source"])),
    )


def state(fields: Mapping[str, Any]) -> State:
    """What the checks found out. The evidence is in the mean, (1 + s) / (2 + n), and in n, the samples."""
    samples = fields["samples"]
    # Rounded, because what never worked has exactly no success, and a cheap quantile by that.
    successes = round(fields["reliability"] * (2 * PRIOR + samples) - PRIOR, 6)
    p50, p90 = fields["latency_p50"], fields["latency_p90"]
    return State(
        evidence=Evidence(successes, samples - successes, fields["checked_at"]),
        latency=None if p50 is None else from_percentiles(p50, p90),
        first_seen=int(fields["first_seen"]),
        first_ok=int(fields["first_ok"] or 0),
        last_ok=int(fields["last_ok"] or 0),
        checks=fields["checks"],
        failures_in_row=fields["failures_in_row"],
        protocols=protocols(plain(fields["protocols"])),
        over_tls=protocols(over_tls(fields["protocols"])),
        anonymity=anonymity(fields["anonymity"]),
    )


def anonymity(text: str) -> Anonymity | None:
    """A level from its name, None from an empty text."""
    return Anonymity(text) if text else None
