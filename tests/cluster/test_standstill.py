"""A checker that stood still in the middle of a run blames no proxy for it."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Timer

import pytest

from eagleray.actors.net.engine import STANDSTILL
from eagleray.cluster.cli.demo import read_verdicts
from eagleray.cluster.figures import Progress
from eagleray.cluster.runner import supervise
from eagleray.cluster.settings import Settings
from tests.cluster.test_kills import processes_of
from tests.hostile import Hostile, serving

PROXIES = 40


@pytest.fixture(scope="module")
def hostile() -> Iterator[Hostile]:
    with serving() as servers:
        yield servers


class StopOnce:
    """Shown the progress of a run, it stops the checker for a while as soon as a proxy has been asked."""

    def __init__(self, hostile: Hostile) -> None:
        self._hostile = hostile
        self.stopped = False

    def __call__(self, _: Progress) -> None:
        if not self.stopped and self._hostile.tallies()["impatient"].connections:
            self.stopped = True
            [pid] = processes_of("Checker")
            os.kill(pid, signal.SIGSTOP)
            Timer(STANDSTILL + 0.5, os.kill, (pid, signal.SIGCONT)).start()


@pytest.mark.usefixtures("ray_cluster")
def test_a_checker_that_is_stopped(
    hostile: Hostile, settings_of: Callable[..., Settings], tmp_path: Path
) -> None:
    port = hostile.ready.ports["impatient"]
    addresses = [f"socks5://127.9.1.{at}:{port}" for at in range(1, PROXIES + 1)]
    (tmp_path / "list.txt").write_text("\n".join(addresses))
    changed = settings_of(namespace="standstill", checkers=1).model_dump(exclude_defaults=True)
    changed["pipelines"]["proxies"] |= {
        "sources": [{"name": "list", "kind": "file", "path": str(tmp_path / "list.txt")}],
        "judges": [hostile.ready.judge],
    }
    settings = Settings.model_validate(changed)
    stop = StopOnce(hostile)

    asyncio.run(supervise(settings, once=True, show=stop))

    assert stop.stopped
    verdicts = read_verdicts(settings.data_dir)
    assert len(verdicts) == PROXIES
    assert {verdict["outcome"] for verdict in verdicts.values()} == {"ok"}
