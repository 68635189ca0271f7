from fractions import Fraction
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eagleray.pipelines.proxies.beta import approximate_quantile, incomplete, quantile

SHAPES = st.floats(1.0, 3000.0)


def exact(a, b, x):
    """I_x(a, b) for whole a and b: the binomial tail (DLMF 8.17.5), in rational numbers."""
    n, x = a + b - 1, Fraction(x)
    return float(sum(comb(n, j) * x**j * (1 - x) ** (n - j) for j in range(a, n + 1)))


@pytest.mark.parametrize("a", [1, 2, 10, 101])
@pytest.mark.parametrize("b", [1, 2, 7, 50])
@pytest.mark.parametrize("p", [0.05, 0.5, 0.95])
def test_quantile_against_the_binomial_tail(a, b, p):
    assert exact(a, b, quantile(a, b, p)) == pytest.approx(p, rel=1e-8)


@pytest.mark.parametrize(
    ("a", "b", "x"),
    [(1, 1, 0.05), (2, 1, 0.05**0.5), (1, 2, 1 - 0.95**0.5), (2, 2, 0.13535036)],
)
def test_known_values(a, b, x):
    assert quantile(a, b, 0.05) == pytest.approx(x, abs=1e-8)


@given(a=SHAPES, b=SHAPES, p=st.sampled_from([0.01, 0.05, 0.5, 0.95]))
def test_quantile_inverts_the_distribution(a, b, p):
    assert incomplete(a, b, quantile(a, b, p)) == pytest.approx(p, rel=1e-7)


@given(a=SHAPES)
def test_the_closed_forms_join_the_numeric_method(a):
    assert quantile(a, 1 + 1e-9, 0.05) == pytest.approx(quantile(a, 1, 0.05), rel=1e-6)
    assert quantile(1 + 1e-9, a, 0.05) == pytest.approx(quantile(1, a, 0.05), rel=1e-6)


@given(a=SHAPES, b=SHAPES)
def test_the_approximation_is_within_its_bound(a, b):
    assert abs(approximate_quantile(a, b, 0.05) - quantile(a, b, 0.05)) < 0.07
