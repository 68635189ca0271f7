from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eagleray.pipelines.proxies.latency import LEAST, LEAST_VARIANCE, from_percentiles, observed

TIMES = st.lists(st.floats(0.0, 60_000.0), min_size=1, max_size=60)


def latency_of(times):
    latency = None
    for time in times:
        latency = observed(latency, time)
    return latency


def test_one_sample_is_the_median():
    assert latency_of([250.0]).p50 == pytest.approx(250.0)
    assert latency_of([250.0]).p90 == pytest.approx(250.0 * 1.9, rel=0.01)


def test_percentiles_of_log_normal_times():
    """Evenly spaced quantiles of ln(ms) ~ N(5.5, 0.6), in an order that mixes them, give its percentiles."""
    normal = NormalDist(5.5, 0.6)
    latency = latency_of([2.718281828 ** normal.inv_cdf((i * 37 % 101 + 0.5) / 101) for i in range(101)])
    assert latency.p50 == pytest.approx(2.718281828**5.5, rel=0.35)
    assert latency.p90 / latency.p50 == pytest.approx(2.718281828 ** (1.2816 * 0.6), rel=0.35)


def test_the_newest_samples_count_most():
    assert latency_of([100.0] * 50 + [1000.0] * 10).p50 == pytest.approx(1000.0, rel=0.1)


@given(times=TIMES)
def test_bounds_and_round_trip(times):
    latency = latency_of(times)
    assert latency.variance >= LEAST_VARIANCE
    assert max(min(times), LEAST) * 0.999 <= latency.p50 <= max(max(times), LEAST) * 1.001
    copy = from_percentiles(latency.p50, latency.p90)
    assert copy.mu == pytest.approx(latency.mu, abs=1e-6)
    assert copy.variance == pytest.approx(latency.variance, rel=1e-6)
