"""kill -9 of any actor in the middle of a run, twice: it finishes, nothing is lost, every figure is true."""

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from eagleray.cluster.cli.demo import compare, read_verdicts
from eagleray.cluster.cli.run import summarize
from eagleray.cluster.figures import Progress
from eagleray.cluster.proving_ground import Ready, read_truth
from eagleray.cluster.runner import supervise
from eagleray.cluster.settings import Settings
from tests.store_count import count, last_cycle

AT = (50, 120)  # checks of 240 after which somebody is killed


def processes_of(actor_class: str) -> list[int]:
    """PIDs of the Ray workers below this process that run an actor of this class."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            title = (entry / "cmdline").read_bytes().split(b"\0")[0].decode()
            if title.startswith(f"ray::{actor_class}") and os.getpid() in ancestors(int(entry.name)):
                found.append(int(entry.name))
        except (OSError, ValueError):  # no process, or one that has just ended
            continue
    return found


def ancestors(pid: int) -> list[int]:
    chain = []
    while pid > 1:
        pid = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
        chain.append(pid)
    return chain


class Killer:
    """Shown the progress of a run, it kills an actor of the next class as soon as so much is checked."""

    def __init__(self, plan: Sequence[tuple[int, str]]) -> None:
        self._plan = list(plan)

    def __call__(self, progress: Progress) -> None:
        if not self._plan or progress.checked < self._plan[0][0]:
            return
        if found := processes_of(self._plan[0][1]):  # else it is not back yet
            self._plan.pop(0)
            os.kill(found[0], signal.SIGKILL)

    @property
    def done(self) -> bool:
        return not self._plan


@pytest.mark.usefixtures("ray_cluster")
@pytest.mark.parametrize("victim", ["Checker", "Frontier", "Sink", "Scorer", "Collector"])
def test_run_survives(victim: str, ground: Ready, settings_of: Callable[..., Settings]) -> None:
    settings = settings_of(namespace=f"kill-{victim}", checkers=2)
    truth, data = read_truth(ground.truth), settings.data_dir
    living = sum(each.alive for each in truth)
    kill = Killer([(at, victim) for at in AT])

    summary = summarize(asyncio.run(supervise(settings, once=True, show=kill)).progress)

    assert kill.done, "the run was over before everybody was killed"
    result = compare(truth, read_verdicts(data), data)
    assert (result["lost"], result["duplicates"], result["wrong"]) == (0, 0, 0)
    assert (result["recall"], result["precision"]) == (1.0, 1.0)

    found = count(data)
    assert (found.checks, found.endpoints, found.alive) == (len(truth), len(truth), living)
    figures = (summary["candidates"], summary["checked"], summary["alive"], summary["outcomes"])
    assert figures == (len(truth), len(truth), living, found.outcomes)
    assert last_cycle(data) == figures[1:]
    assert (summary["undecided"], summary["cut_off"]) == ({}, [])
    store = summary["stores"]["sqlite"]
    assert (store["lag_rows"], store["behind"]) == (0, "")
    assert store["rows"] >= len(truth) + living  # in `proxies`, and in `checks` what lives
