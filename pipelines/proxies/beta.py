"""Quantiles of the Beta distribution, so that scoring needs no statistics library."""

from math import exp, expm1, lgamma, log, log1p, sqrt
from statistics import NormalDist

PRECISION = 1e-10  # of a numeric quantile, relative to it
MAX_STEPS = 30  # of Halley's method, which needs 3 to 6
MAX_TERMS = 10_000  # of the continued fraction, which needs about sqrt(max(a, b))
TINY = 1e-300  # keeps the continued fraction from a division by zero


def quantile(a: float, b: float, p: float) -> float:
    """The x with I_x(a, b) = p, for a, b >= 1 and 0 < p < 1, to a relative error below 1e-8.

    Closed form where a or b is 1; else Halley's method on I_x, as in Press et al., "Numerical Recipes" (3rd
    edition, section 6.14.11).
    """
    if a == 1:
        return -expm1(log1p(-p) / b)
    if b == 1:
        return exp(log(p) / a)
    x = approximate_quantile(a, b, p)
    for _ in range(MAX_STEPS):
        newton = (incomplete(a, b, x) - p) / density(a, b, x)
        halley = newton / (1 - 0.5 * min(1.0, newton * ((a - 1) / x - (b - 1) / (1 - x))))
        last, x = x, x - halley
        if not 0 < x < 1:
            x = (last + (x >= 1)) / 2  # half of the way to the bound that was overstepped
        if abs(x - last) < PRECISION * x:
            break
    return x


def approximate_quantile(a: float, b: float, p: float) -> float:
    """Abramowitz and Stegun 26.5.22: within 0.07 for a, b >= 1, a start for the exact method."""
    normal = NormalDist().inv_cdf(1 - p)
    curve = (normal**2 - 3) / 6
    h = 2 / (1 / (2 * a - 1) + 1 / (2 * b - 1))
    skew = (1 / (2 * b - 1) - 1 / (2 * a - 1)) * (curve + 5 / 6 - 2 / (3 * h))
    return a / (a + b * exp(2 * (normal * sqrt(h + curve) / h - skew)))


def density(a: float, b: float, x: float) -> float:
    """Of Beta(a, b) at 0 < x < 1."""
    return exp(lgamma(a + b) - lgamma(a) - lgamma(b) + (a - 1) * log(x) + (b - 1) * log1p(-x))


def incomplete(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function I_x(a, b) for 0 < x < 1."""
    scale = density(a, b, x) * x * (1 - x)
    if x < (a + 1) / (a + b + 2):
        return scale * continued_fraction(a, b, x) / a
    return 1 - scale * continued_fraction(b, a, 1 - x) / b


def continued_fraction(a: float, b: float, x: float) -> float:
    """The continued fraction of I_x (DLMF 8.17.22) by Lentz's method; fast for x < (a + 1) / (a + b + 2)."""
    c, d = 1.0, 1 / nonzero(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, MAX_TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            c, d = nonzero(1 + term / c), 1 / nonzero(1 + term * d)
            value *= c * d
        if abs(c * d - 1) < PRECISION:
            break
    return value


def nonzero(value: float) -> float:
    """`value`, or TINY in place of 0."""
    return value or TINY
