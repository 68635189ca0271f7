import pytest

from eagleray.pipelines.alternatives import Alternatives, AskRules, quorum

RULES = AskRules(every=10.0, first_retry=0.5, last_retry=3.0)


@pytest.fixture
def group():
    return Alternatives(["a", "b", "c"], RULES)


def test_none_is_used_before_it_has_answered(group):
    assert group.healthy == []


def test_the_order_of_preference_stays_whatever_the_order_of_answers(group):
    for member in "cba":
        group.answered(member)
        assert group.healthy[0] == member
    assert group.healthy == ["a", "b", "c"]


def test_who_fails_is_set_aside_and_used_again_when_it_answers(group):
    group.answered("a")
    group.answered("b")
    group.failed("a")
    assert group.healthy == ["b"]
    group.failed("b")
    assert group.healthy == []
    group.answered("a")
    assert group.healthy == ["a"]


def test_who_goes_on_failing_is_asked_less_and_less_often(group):
    pauses = []
    for _ in range(5):
        group.failed("a")
        pauses.append(group.pause("a"))
    assert pauses == [0.5, 1.0, 2.0, 3.0, 3.0]
    group.answered("a")
    assert group.pause("a") == group.pause("b") == 10.0


def test_any_number_of_failures_can_be_counted(group):
    for _ in range(5000):
        group.failed("a")
    assert group.pause("a") == 3.0


@pytest.mark.parametrize(
    ("votes", "k", "value"),
    [("", 1, None), ("x", 1, "x"), ("xy", 2, None), ("xy", 1, None), ("xxy", 2, "x"), ("xyz", 2, None)],
    ids=["no votes", "one", "one each", "both have one", "two of three", "three opinions"],
)
def test_quorum(votes, k, value):
    assert quorum(votes, k) == value
