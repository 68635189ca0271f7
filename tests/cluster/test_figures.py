"""A run that goes on while one actor after the other is killed: its figures are those of the store."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from eagleray.cluster.cli.run import summarize
from eagleray.cluster.figures import Progress
from eagleray.cluster.proving_ground import Ready, read_truth
from eagleray.cluster.runner import supervise
from eagleray.cluster.settings import Settings
from tests.cluster.test_kills import Killer
from tests.store_count import count, last_cycle

VICTIMS = ("Checker", "Frontier", "Sink", "Scorer", "Collector") * 2
STEP = 80  # checks from one kill to the next
ENOUGH = 4  # checks of an endpoint, on the average
LIMIT = 180.0  # seconds until everybody must have been killed


@pytest.fixture
def settings(settings_of: Callable[..., Settings]) -> Settings:
    """Everything is checked again every few seconds."""
    made = settings_of(namespace="figures", checkers=2).model_dump(exclude_defaults=True)
    made["pipelines"]["proxies"]["schedule"] = dict.fromkeys(("alive_min", "alive_max"), 1.0) | dict.fromkeys(
        ("dead_min", "dead_max"), 2.0
    )
    return Settings.model_validate(made)


class KillerThenInterrupt(Killer):
    """It interrupts the run once everybody was killed and every endpoint was checked."""

    def __init__(self, endpoints: int) -> None:
        super().__init__([(STEP * number, victim) for number, victim in enumerate(VICTIMS, 1)])
        self._endpoints = endpoints
        self._deadline = time.monotonic() + LIMIT
        self._interrupted = False
        self.shown: list[tuple[int, int]] = []  # checked, alive

    def __call__(self, progress: Progress) -> None:
        super().__call__(progress)
        self.shown.append((progress.checked, progress.alive))
        enough = progress.checked >= ENOUGH * self._endpoints
        all_met = sum(progress.outcomes.values()) == self._endpoints
        over = (self.done and enough and all_met) or time.monotonic() > self._deadline
        if over and not self._interrupted:
            self._interrupted = True
            os.kill(os.getpid(), signal.SIGINT)


def run(settings: Settings, once: bool, show: Callable[[Progress], None]) -> dict[str, Any]:
    return summarize(asyncio.run(supervise(settings, once=once, show=show)).progress)


@pytest.mark.timeout(2 * LIMIT)
@pytest.mark.usefixtures("ray_cluster")
def test_a_long_run_counts_checks_and_what_lives(settings: Settings, ground: Ready) -> None:
    truth, data = read_truth(ground.truth), settings.data_dir
    show = KillerThenInterrupt(len(truth))

    summary = run(settings, once=False, show=show)

    assert show.done, "not everybody was killed"
    found = count(data)
    assert found.endpoints == len(truth)
    assert found.checks >= ENOUGH * len(truth)
    figures = summary["checked"], summary["alive"], summary["outcomes"]
    assert figures == (found.checks, found.alive, found.outcomes) == last_cycle(data)
    assert max(alive for _, alive in show.shown) <= sum(each.alive for each in truth)
    checked = [checked for checked, _ in show.shown]
    assert checked == sorted(checked), "a figure went back"

    again = run(settings, once=True, show=lambda _: None)
    both = count(data)
    assert again["checked"] == both.checks - found.checks
    assert again["alive"] == both.alive
    assert sum(again["outcomes"].values()) == again["checked"] <= len(truth)
    assert last_cycle(data) == (again["checked"], again["alive"], again["outcomes"])
