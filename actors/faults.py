"""Errors of Eagleray itself that must stop nothing: they are counted, and each kind is logged once."""

import logging
import traceback
from collections import Counter

logger = logging.getLogger(__name__)

MAX_KINDS = 100  # that are told apart: a kind is an exception and the line that raised it
OTHER = "other"

counts: Counter[str] = Counter()  # of this process, by kind


def contain(error: BaseException) -> None:
    """Note an error that ends one piece of work and nothing else.

    The log has its traceback without its message: that may hold a stranger's bytes, or a password.
    """
    kind = kind_of(error)
    if kind not in counts and len(counts) >= MAX_KINDS:
        kind = OTHER
    counts[kind] += 1
    if counts[kind] == 1:
        trace = "".join(traceback.format_tb(error.__traceback__))
        logger.error("an error of Eagleray itself, please report it: %s\n%s", kind, trace.rstrip())


def kind_of(error: BaseException) -> str:
    """The exception's name, and where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return type(error).__name__
    last = frames[-1]
    return f"{type(error).__name__} in {last.name}, line {last.lineno} of {last.filename.rpartition('/')[2]}"
