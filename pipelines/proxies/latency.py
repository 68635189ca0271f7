"""Times to the first byte. Those of public proxies are log-normal, so their logarithms are averaged."""

from math import exp, log, sqrt

import msgspec

WEIGHT = 0.3  # of the newest sample: the last two make up half of the mean
Z90 = 1.2816  # the 90 % quantile of the standard normal distribution
FIRST_VARIANCE = 0.25  # a single sample says nothing of the spread: assume that p90 is 1.9 × p50
LEAST_VARIANCE = 1e-4  # a spread of 1 %: below that it is the clock's
LEAST = 0.01  # milliseconds; a shorter time is an error of the clock, and 0 has no logarithm


class Latency(msgspec.Struct, gc=False):
    """Exponentially weighted mean and variance of ln(milliseconds)."""

    mu: float
    variance: float = FIRST_VARIANCE

    @property
    def p50(self) -> float:
        """Median in milliseconds."""
        return exp(self.mu)

    @property
    def p90(self) -> float:
        """90 % quantile in milliseconds."""
        return exp(self.mu + Z90 * sqrt(self.variance))


def observed(latency: Latency | None, milliseconds: float) -> Latency:
    """`latency` after one more sample.

    Finch, "Incremental calculation of weighted mean and variance" (2009), section 9.
    """
    sample = log(max(milliseconds, LEAST))
    if latency is None:
        return Latency(sample)
    change = sample - latency.mu
    variance = (1 - WEIGHT) * (latency.variance + WEIGHT * change**2)
    return Latency(latency.mu + WEIGHT * change, max(variance, LEAST_VARIANCE))


def from_percentiles(p50: float, p90: float) -> Latency:
    """The latency with these percentiles, in milliseconds, both above 0."""
    return Latency(log(p50), max((log(p90 / p50) / Z90) ** 2, LEAST_VARIANCE))
