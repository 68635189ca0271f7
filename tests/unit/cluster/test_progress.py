from eagleray.actors.checker import CheckerStats
from eagleray.cluster.progress import line
from eagleray.cluster.supervisor import Progress


def stats(name, held_back=""):
    return CheckerStats(name, pid=1, judge="", running=3, lag=0.0, held_back=held_back)


def test_a_checker_that_is_held_back_says_why():
    progress = Progress(checkers=[stats("checker-0"), stats("checker-1", "no local port left")])
    assert "fewer connections: checker-1: no local port left" in line(progress)
    assert "in flight 6" in line(progress)


def test_nothing_is_said_where_nothing_is_in_the_way():
    assert "fewer connections" not in line(Progress(checkers=[stats("checker-0")]))
