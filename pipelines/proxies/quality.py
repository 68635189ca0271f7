"""How good the record of a proxy is: complete, accurate, consistent and fresh. Every part is 0..1."""

import msgspec

from eagleray.pipelines.proxies.model import Anonymity, Protocol

REQUIRED = 0.7  # weight of the required fields in completeness
OPTIONAL = 0.3
HOUR = 3_600.0
DAY = 86_400.0

Protocols = frozenset[Protocol]


class Weights(msgspec.Struct, frozen=True):
    """What each part of quality counts; they add up to 1."""

    completeness: float = 0.3
    accuracy: float = 0.3
    consistency: float = 0.2
    timeliness: float = 0.2


def completeness(protocol: bool, country: bool, anonymity: bool, source: bool) -> float:
    """Which fields are known: 0.7 × the required ones' share + 0.3 × the optional ones'.

    Required are host, port and a protocol, of which the first two are known of every endpoint.
    """
    return REQUIRED * (2 + protocol) / 3 + OPTIONAL * (country + anonymity + source) / 3


def accuracy(
    claimed: Protocols, claimed_anonymity: Anonymity | None, working: Protocols, anonymity: Anonymity | None
) -> float:
    """How much of what the sources claim was true at the last success: the mean over the kinds of claim.

    Of protocols, the share that works; of the anonymity, whether it is the one measured. Without a claim
    nothing is wrong: 1. Where nothing ever worked the listing itself was wrong: 0.
    """
    if not working:
        return 0.0
    parts = []
    if claimed:
        parts.append(len(claimed & working) / len(claimed))
    if claimed_anonymity and anonymity:
        parts.append(float(claimed_anonymity is anonymity))
    return sum(parts) / len(parts) if parts else 1.0


def consistency(successes: float, failures: float) -> float:
    """The share of successes in recent evidence; 0 without evidence."""
    return successes / (successes + failures) if successes else 0.0


def timeliness(last_ok: int, now: float) -> float:
    """By the age of the last success (Unix seconds): 1 under an hour, 0.8 under a day, else 0.5; never: 0."""
    if not last_ok:
        return 0.0
    age = now - last_ok
    if age < HOUR:
        return 1.0
    return 0.8 if age < DAY else 0.5


def quality(weights: Weights, complete: float, accurate: float, consistent: float, timely: float) -> float:
    """The weighted sum of the four parts."""
    return (
        weights.completeness * complete
        + weights.accuracy * accurate
        + weights.consistency * consistent
        + weights.timeliness * timely
    )
