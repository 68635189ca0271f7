import msgspec

from eagleray.actors.checker import CheckerStats
from eagleray.cluster.figures import Progress
from eagleray.cluster.progress import line
from eagleray.pipelines.frontier import Frontier
from eagleray.pipelines.proxies.outcome import OK, Outcome


def stats(name, held_back=""):
    return CheckerStats(name, pid=1, judge="", running=3, lag=0.0, held_back=held_back)


def test_a_checker_that_is_held_back_says_why():
    progress = Progress(checkers=[stats("checker-0"), stats("checker-1", "no local port left")])
    assert "fewer connections: checker-1: no local port left" in line(progress)
    assert "in flight 6" in line(progress)


def test_nothing_is_said_where_nothing_is_in_the_way():
    assert "fewer connections" not in line(Progress(checkers=[stats("checker-0")]))


def test_checks_without_a_verdict_are_no_checks():
    frontier = Frontier(1, hint_size=1, state_size=1, merge=lambda old, _: old, lease_seconds=1.0)
    figures = msgspec.structs.replace(
        frontier.stats(0),
        recorded=25,
        standing={OK.code: 4, Outcome.REFUSED.code: 6},
        settled={OK.code: 3, Outcome.REFUSED.code: 2},
        ended={OK.code: 3, Outcome.JUDGE_UNAVAILABLE.code: 7},
    )
    progress = Progress(frontier=figures, recorded_before=20)
    assert (progress.checked, progress.alive, progress.outcomes) == (5, 4, {"ok": 3, "refused": 2})
    assert progress.undecided == {"judge_unavailable": 7}
