"""How reliable a proxy is, and which one to use first."""

import msgspec

from eagleray.pipelines.proxies.beta import quantile
from eagleray.pipelines.proxies.latency import Latency

PRIOR = 1.0  # of either kind: Beta(1, 1), every reliability is as likely as any other
LOWER = 0.05  # the quantile that bounds the central 90 % interval from below


class Evidence(msgspec.Struct, gc=False):
    """What speaks for and against a proxy, as it counts at a time."""

    successes: float = 0.0
    failures: float = 0.0
    at: float = 0.0  # Unix seconds

    @property
    def samples(self) -> float:
        """Effective sample size: how many fresh checks the evidence is worth."""
        return self.successes + self.failures

    @property
    def mean(self) -> float:
        """Mean of the Beta posterior."""
        return (PRIOR + self.successes) / (2 * PRIOR + self.samples)

    @property
    def lower(self) -> float:
        """Lower bound of the posterior's central 90 % interval."""
        return quantile(PRIOR + self.successes, PRIOR + self.failures, LOWER)


def decayed(evidence: Evidence, now: float, half_life: float) -> Evidence:
    """Evidence as it counts at `now` (Unix seconds): successes and failures halve every `half_life` seconds.

    Exponential forgetting of a Beta posterior; the prior itself does not decay.
    """
    weight = 0.5 ** (max(0.0, now - evidence.at) / half_life)
    return Evidence(evidence.successes * weight, evidence.failures * weight, now)


def score(lower: float, latency: Latency | None, quality: float) -> float:
    """Orders proxies for use, 0..1: reliability, halved at one second to the first byte, times quality.

    What never answered has no latency and scores 0.
    """
    return lower * quality / (1 + latency.p50 / 1000) if latency else 0.0
