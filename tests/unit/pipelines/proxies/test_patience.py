import pytest

from eagleray.pipelines.proxies.patience import (
    ENOUGH,
    LONGEST_ANSWER,
    LONGEST_CONNECT,
    SHORTEST_ANSWER,
    Histogram,
    Limits,
    Patience,
)

STEP = 2 ** (1 / 8)
MATURE = LONGEST_ANSWER + LONGEST_CONNECT


@pytest.fixture
def patience():
    return Patience(Limits())


def serve(patience, round_trip, answer, opened_at=0.0, times=ENOUGH):
    for _ in range(times):
        patience.served(opened_at, opened_at + round_trip, opened_at + round_trip + answer)


def test_before_anything_is_known_the_longest_limits_hold(patience):
    assert (patience.connect, patience.answer) == (LONGEST_CONNECT, LONGEST_ANSWER)


def test_the_first_limit_is_the_second_copy_of_a_syn_and_a_round_trip(patience):
    serve(patience, 0.1, 0.5)
    assert 1.2 + 2 * 0.1 <= patience.connect <= 1.2 + 2 * 0.1 * STEP
    assert patience.second_connect == patience.connect + 2


@pytest.mark.parametrize("round_trip", [0.9, 1.1], ids=["slow", "a copy was answered"])
def test_the_first_limit_has_a_bound(patience, round_trip):
    serve(patience, round_trip, 0.5)
    assert patience.connect == LONGEST_CONNECT


def test_quick_answers_count_only_once_slow_ones_could_have_come(patience):
    serve(patience, 0.1, 0.5, times=2 * ENOUGH)
    assert patience.answer == LONGEST_ANSWER
    serve(patience, 0.1, 0.5, opened_at=MATURE, times=1)
    assert patience.answer == SHORTEST_ANSWER


@pytest.mark.parametrize(
    ("slowest", "learned"), [(3.0, 6.0), (7.0, LONGEST_ANSWER)], ids=["within", "beyond"]
)
def test_the_limit_on_answers_follows_the_slow_ones(patience, slowest, learned):
    serve(patience, 0.1, 0.5, times=ENOUGH - 10)
    serve(patience, 0.1, slowest, times=10)
    serve(patience, 0.1, 0.5, opened_at=MATURE, times=1)
    assert learned <= patience.answer <= learned * STEP


def test_a_limit_of_the_users_stays():
    patience = Patience(Limits(connect=5.0, answer=30.0))
    serve(patience, 0.1, 0.1)
    serve(patience, 0.1, 0.1, opened_at=100.0)
    assert (patience.connect, patience.answer) == (5.0, 30.0)


def test_a_histogram_is_right_within_a_step():
    histogram = Histogram()
    many = 5 * ENOUGH
    for n in range(1, many + 1):
        histogram.add(n / many)
    for share in (0.1, 0.5, 0.99, 1.0):
        assert share / STEP <= histogram.quantile(share) <= share * STEP * 1.01


def test_answers_count_in_the_order_in_which_they_were_asked_for(patience):
    """The quick ones of a run end first; the slow ones that were begun with them count with them."""
    serve(patience, 0.1, 0.5, opened_at=1.0, times=2 * ENOUGH)
    serve(patience, 0.1, 3.5, opened_at=0.0, times=ENOUGH // 20)
    assert patience.answer == LONGEST_ANSWER
    serve(patience, 0.1, 0.5, opened_at=MATURE + 2.0, times=1)
    assert 2 * 3.5 <= patience.answer < LONGEST_ANSWER


def test_a_quantile_is_no_larger_than_the_share_needs():
    histogram = Histogram()
    for n in range(ENOUGH):
        histogram.add(0.1 if n < 0.99 * ENOUGH else 5.0)
    assert histogram.quantile(0.99) <= 0.1 * STEP
