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


def test_before_anything_is_known_the_longest_limits_hold(patience):
    assert (patience.connect, patience.answer) == (LONGEST_CONNECT, LONGEST_ANSWER)


def test_the_first_limit_is_the_second_copy_of_a_syn_and_a_round_trip(patience):
    for _ in range(ENOUGH):
        patience.connected(0.1)
    assert 1.2 + 1.5 * 0.1 <= patience.connect <= 1.2 + 1.5 * 0.1 * STEP
    assert patience.second_connect == patience.connect + 2


def test_slow_networks_move_no_limit_beyond_its_bound(patience):
    for _ in range(ENOUGH):
        patience.connected(0.9)
    assert patience.connect == LONGEST_CONNECT


def test_a_copy_that_was_answered_is_no_round_trip(patience):
    for _ in range(ENOUGH):
        patience.connected(1.1)
    assert patience.connect == LONGEST_CONNECT


def test_quick_answers_count_only_once_slow_ones_could_have_come(patience):
    for _ in range(2 * ENOUGH):
        patience.answered(0.5, begun_at=0.0, now=0.5)
    assert patience.answer == LONGEST_ANSWER
    patience.answered(0.5, begun_at=20.0, now=MATURE)
    assert patience.answer == SHORTEST_ANSWER


@pytest.mark.parametrize(
    ("slowest", "learned"), [(3.0, 4.5), (7.0, LONGEST_ANSWER)], ids=["within", "beyond"]
)
def test_the_limit_on_answers_follows_the_slow_ones(patience, slowest, learned):
    for n in range(ENOUGH + 1):
        patience.answered(slowest if n % 20 == 0 else 0.5, begun_at=0.0, now=0.0 if n < ENOUGH else MATURE)
    assert learned <= patience.answer <= learned * STEP


def test_a_limit_of_the_users_stays(patience):
    patience = Patience(Limits(connect=5.0, answer=30.0))
    for _ in range(ENOUGH):
        patience.connected(0.1)
        patience.answered(0.1, begun_at=0.0, now=100.0)
    assert (patience.connect, patience.answer) == (5.0, 30.0)


def test_a_histogram_is_right_within_a_step():
    histogram = Histogram()
    for n in range(1, 1001):
        histogram.add(n / 1000)
    for share in (0.1, 0.5, 0.99, 1.0):
        assert share / STEP <= histogram.quantile(share) <= share * STEP * 1.01
