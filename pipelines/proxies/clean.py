"""Candidates of many lists to one candidate per endpoint, without those that must not be dialled."""

from collections import Counter
from collections.abc import Iterable

import msgspec

from eagleray.pipelines.addresses import Allowed
from eagleray.pipelines.proxies.model import Candidate, Endpoint
from eagleray.pipelines.proxies.parse.refusal import Refusal


class Cleaned(msgspec.Struct):
    """Unique candidates in the order of their first appearance, and the count of unique refused endpoints."""

    candidates: list[Candidate]
    refused: Counter[str]  # by `Refusal`


def clean(candidates: Iterable[Candidate], allowed: Allowed) -> Cleaned:
    """Merge what is claimed of the same endpoint; refuse addresses that are neither global nor allowed."""
    merged: dict[Endpoint, Candidate] = {}
    for candidate in candidates:
        known = merged.setdefault(candidate.endpoint, candidate)
        if known is not candidate:
            merged[candidate.endpoint] = union(known, candidate)
    kept = [candidate for endpoint, candidate in merged.items() if allowed.lists(endpoint.host)]
    refused = Counter({Refusal.BLOCKED_ADDRESS.value: len(merged) - len(kept)})
    return Cleaned(kept, +refused)


def union(first: Candidate, second: Candidate) -> Candidate:
    """The first candidate with what the second adds: all claimed protocols, and labels the first lacks."""
    return msgspec.structs.replace(
        first,
        protocols=first.protocols | second.protocols,
        country=first.country or second.country,
        anonymity=first.anonymity or second.anonymity,
    )
