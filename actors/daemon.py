"""Calls that may block for longer than anybody waits: a read from a pipe, the look-up of a name."""

import asyncio
import errno
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")

MAX_THREADS = 1_000  # at a time: a pipe that nobody writes to keeps its thread for ever, poll after poll

_room = threading.Semaphore(MAX_THREADS)


async def in_daemon_thread(function: Callable[[], T]) -> T:
    """The function's result, or its exception.

    Unlike the executor's threads a daemon is not waited for when the process ends, and takes no other's turn.

    Raises:
        OSError: `MAX_THREADS` calls have not come back yet.
    """
    if not _room.acquire(blocking=False):
        raise OSError(errno.EAGAIN, f"{MAX_THREADS} reads and look-ups have not come back yet")
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: Exception | None) -> None:
        if done.done():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]

    def work() -> None:
        result, error = None, None
        try:
            result = function()
        except Exception as caught:
            error = caught
        finally:
            _room.release()
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=work, daemon=True).start()
    return await done
