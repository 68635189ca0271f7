"""One run of the pipeline from the start of Ray to its clean end, whatever shows its progress."""

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from threading import Thread
from typing import NamedTuple

import ray

from eagleray.actors.daemon import in_daemon_thread
from eagleray.cluster.figures import Progress
from eagleray.cluster.ray_watch import RayLost, unless_lost, vital_parts
from eagleray.cluster.reaper import reaping
from eagleray.cluster.settings import Settings
from eagleray.cluster.supervisor import Supervisor, within
from eagleray.cluster.topology import Fleet, launch, start_ray

INTERRUPTED = 130  # 128 + SIGINT, as shells have it
END_LIMIT = 2.0  # seconds for the actors to hear that they are to end
SHUTDOWN_LIMIT = 20.0  # seconds for Ray's own end, which takes one or two


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
        RayLost: Ray is gone. End the process by `os._exit`: what else Ray does at its end may take for ever.
    """
    with reaping() if settings.ray.address is None else nullcontext():
        on_start(start_ray(settings))
        try:
            finished = asyncio.run(supervise(settings, once, show))
        except RayLost:
            raise
        except BaseException:
            shut_down()
            raise
        shut_down()
        return finished


def shut_down() -> None:
    """End Ray, or this driver's part in a cluster.

    Raises:
        RayLost: it does not end.
    """
    thread = Thread(target=ray.shutdown, daemon=True)
    thread.start()
    thread.join(SHUTDOWN_LIMIT)
    if thread.is_alive():
        raise RayLost("Ray is lost: it does not end")


async def supervise(settings: Settings, once: bool, show: Callable[[Progress], None]) -> Finished:
    """Do the whole run, as long as Ray is there."""
    return await unless_lost(vital_parts(settings.ray.address), run(settings, once, show))


async def run(settings: Settings, once: bool, show: Callable[[Progress], None]) -> Finished:
    """Launch the actors, see the run through, and save what was done."""
    fleet = await in_daemon_thread(partial(launch, settings, once))  # without a head it would never return
    for scorer in fleet.scorers:  # nobody else here calls them: now it is known where they are
        scorer.__ray_ready__.remote()
    supervisor = Supervisor(fleet, show)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupt, supervisor)
    try:
        await supervisor.run(once)
        await supervisor.finish()
    except asyncio.CancelledError:
        fleet.kill()  # first, or they would come back
        await end(fleet)
        raise
    finally:
        fleet.kill()
    return Finished(supervisor.progress, supervisor.stopping.is_set())


async def end(fleet: Fleet) -> None:
    """Tell each actor itself to end: what `kill` says goes through Ray's head."""
    ends = [actor.end.options(max_task_retries=0).remote() for actor in fleet.actors]
    await within(END_LIMIT, asyncio.gather(*ends, return_exceptions=True))


def interrupt(supervisor: Supervisor) -> None:
    """Stop cleanly; a second time, at once: Ray's processes end with this one."""
    if supervisor.stopping.is_set():
        os._exit(INTERRUPTED)
    supervisor.stopping.set()
