"""The last wall: what no command has foreseen ends in one sentence, too; its traceback is for who asks."""

import os
import re
import traceback
from contextlib import suppress
from pathlib import Path

VARIABLE = "EAGLERAY_TRACEBACK"  # set to anything: show the traceback of an unexpected failure

ERRNO = re.compile(r"^\[Errno \d+\] ")
OURS, RAYS = "eagleray.", "ray."


def cause_of(error: BaseException) -> BaseException:
    """What is behind errors that only carry others: a group's first, and what Ray brings from an actor."""
    carried = error
    while inner := carried_by(carried):
        carried = inner
    return carried


def carried_by(error: BaseException) -> BaseException | None:
    """The error that another one carries, if it does no more than that."""
    if isinstance(error, BaseExceptionGroup):
        return error.exceptions[0]
    cause = getattr(error, "cause", None)  # Ray's: this module must not import it
    return cause if isinstance(cause, BaseException) else None


def sentence(error: BaseException) -> str:
    """What failed, without what may be secret: messages only where we or the system wrote them."""
    error = cause_of(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if isinstance(error, MemoryError):
        return "out of memory"
    if type(error).__module__.startswith(OURS):
        return str(error)
    if type(error).__module__.startswith(RAYS):
        return of_ray(error)
    return f"unexpected {type(error).__name__}{place(error)}"


def of_ray(error: BaseException) -> str:
    """What Ray says of a process: its first line, or of an actor that did not start the traceback's last."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    if getattr(error, "actor_init_failed", False):
        return ERRNO.sub("", lines[-1].partition(": ")[2] or lines[-1])
    return lines[0].rstrip(".")


def place(error: BaseException) -> str:
    """Where in our own code it came up."""
    own = Path(__file__).parents[2]
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        with suppress(ValueError):
            return f" in {Path(frame.filename).relative_to(own)}, line {frame.lineno}"
    return ""


def show_traceback(error: BaseException) -> bool:
    """Write the traceback to stderr if somebody wants it, as our tests do; whether it was."""
    wanted = bool(os.environ.get(VARIABLE))
    if wanted:
        traceback.print_exception(error)
    return wanted
