"""One run of the pipeline from the start of Ray to its clean end, whatever shows its progress."""

import asyncio
import os
import signal
from collections.abc import Callable
from typing import NamedTuple

import ray

from eagleray.cluster.settings import Settings
from eagleray.cluster.supervisor import Progress, Supervisor
from eagleray.cluster.topology import launch, start_ray

INTERRUPTED = 130  # 128 + SIGINT, as shells have it


class Finished(NamedTuple):
    """What came of a run; everything it recorded is in the stores."""

    progress: Progress
    interrupted: bool


def execute(
    settings: Settings,
    once: bool,
    on_start: Callable[[str], None],
    show: Callable[[Progress], None],
) -> Finished:
    """Run until done or interrupted, and leave no actor behind.

    `on_start` is given the dashboard's URL (or nothing) once Ray is there, `show` the progress at every beat.
    The first SIGINT or SIGTERM ends the run cleanly, the second one at once.

    Raises:
        ConnectionError: there is no cluster at the configured address.
        RayError: an actor failed for good.
    """
    on_start(start_ray(settings))
    try:
        return asyncio.run(supervise(settings, once, show))
    finally:
        ray.shutdown()


async def supervise(settings: Settings, once: bool, show: Callable[[Progress], None]) -> Finished:
    """Launch the actors, see the run through, and save what was done."""
    fleet = launch(settings, once)
    supervisor = Supervisor(fleet, show)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupt, supervisor)
    try:
        await supervisor.run(once)
        await supervisor.finish()
    finally:
        fleet.kill()
    return Finished(supervisor.progress, supervisor.stopping.is_set())


def interrupt(supervisor: Supervisor) -> None:
    """Stop cleanly; a second time, at once: Ray's processes end with this one."""
    if supervisor.stopping.is_set():
        os._exit(INTERRUPTED)
    supervisor.stopping.set()
