"""kill -9 of any actor in the middle of a run: it finishes, nothing is lost, nothing is counted twice."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from eagleray.cluster.cli.demo import compare, read_verdicts
from eagleray.cluster.proving_ground import Ready, read_truth
from eagleray.cluster.runner import Finished, supervise
from eagleray.cluster.settings import Settings
from eagleray.cluster.supervisor import Progress

IN_THE_MIDDLE = range(24, 216)  # settled items of 240


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


class KillOnce:
    """Shown the progress of a run, it kills one actor of a class as soon as the run is in its middle."""

    def __init__(self, actor_class: str) -> None:
        self._class = actor_class
        self.killed_at: int | None = None

    def __call__(self, progress: Progress) -> None:
        if self.killed_at is None and progress.checked in IN_THE_MIDDLE:
            os.kill(processes_of(self._class)[0], signal.SIGKILL)
            self.killed_at = progress.checked


@pytest.mark.usefixtures("ray_cluster")
@pytest.mark.parametrize("victim", ["Checker", "Frontier", "Sink", "Scorer", "Collector"])
def test_run_survives(victim: str, ground: Ready, settings_of: Callable[..., Settings]) -> None:
    settings = settings_of(namespace=f"kill-{victim}", checkers=2)
    kill = KillOnce(victim)

    finished: Finished = asyncio.run(supervise(settings, once=True, show=kill))

    assert kill.killed_at is not None, "the run was over before anything could be killed"
    result = compare(read_truth(ground.truth), read_verdicts(settings.data_dir), settings.data_dir)
    assert (result["lost"], result["duplicates"], result["wrong"]) == (0, 0, 0)
    assert (result["recall"], result["precision"]) == (1.0, 1.0)
    assert finished.progress.frontier is not None
    assert finished.progress.frontier.known == len(read_truth(ground.truth))
