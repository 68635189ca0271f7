import pytest
from hypothesis import given
from hypothesis import strategies as st

from eagleray.pipelines.proxies.latency import observed
from eagleray.pipelines.proxies.score import Evidence, decayed, score

DAY = 86_400.0


@pytest.mark.parametrize(
    ("successes", "failures", "mean", "lower"),
    [
        (0, 0, 1 / 2, 0.05),
        (1, 0, 2 / 3, 0.2236),
        (100, 0, 101 / 102, 0.9708),
        (0, 9, 1 / 11, 0.0051),
        (9, 1, 10 / 12, 0.6356),
    ],
    ids=["nothing", "one success", "a hundred", "nine failures", "nine of ten"],
)
def test_reliability(successes, failures, mean, lower):
    evidence = Evidence(successes, failures)
    assert evidence.mean == pytest.approx(mean)
    assert evidence.lower == pytest.approx(lower, abs=1e-4)
    assert evidence.samples == successes + failures


@pytest.mark.parametrize(
    ("age", "weight"),
    [(0.0, 1.0), (DAY, 0.5), (2 * DAY, 0.25), (-DAY, 1.0), (1e9, 0.0)],
    ids=["at once", "a half-life", "two", "a clock set back", "long ago"],
)
def test_decay(age, weight):
    evidence = decayed(Evidence(8.0, 4.0, 1e9), 1e9 + age, DAY)
    assert (evidence.successes, evidence.failures) == pytest.approx((8 * weight, 4 * weight))
    assert evidence.at == 1e9 + age


@given(
    failed_once=st.integers(0, 100),
    failures=st.integers(0, 100),
    age=st.floats(0, DAY),
    milliseconds=st.floats(0.1, 60_000),
    quality=st.floats(0.01, 1.0),
)
def test_one_success_never_outranks_a_hundred(failed_once, failures, age, milliseconds, quality):
    latency = observed(None, milliseconds)
    once, often = (
        decayed(Evidence(successes, failed), age, DAY)
        for successes, failed in ((1, failed_once), (100, failures))
    )
    assert score(once.lower, latency, quality) < score(often.lower, latency, quality)


def test_score():
    assert score(0.8, observed(None, 1000.0), 0.5) == pytest.approx(0.8 * 0.5 * 0.5)
    assert score(0.8, None, 1.0) == 0.0


@given(slow=st.floats(1, 60_000), factor=st.floats(1.01, 10))
def test_the_faster_one_ranks_first(slow, factor):
    assert score(0.5, observed(None, slow / factor), 0.9) > score(0.5, observed(None, slow), 0.9)
