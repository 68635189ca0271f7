"""What a user sees of Ray: nothing that it writes itself, and a sentence where it is lost."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NoReturn

from eagleray.cluster.cli.console import Exit, note


@contextmanager
def ray_silenced() -> Iterator[None]:
    """Keep Ray's own words from the user; its log files have them. Ours go to `sys.stderr` as ever.

    Ray prints to stdout what befalls its processes, and its C++ code writes errors to descriptor 2: pages of
    both, where one of them has died.
    """
    with Path(os.devnull).open("w") as nowhere, os.fdopen(os.dup(2), "w", buffering=1) as ours:
        os.dup2(nowhere.fileno(), 2)
        try:
            with redirect_stdout(nowhere), redirect_stderr(ours):
                yield
        finally:
            os.dup2(ours.fileno(), 2)  # which is /dev/null by now, where the terminal was closed


def end_without_ray(message: str, address: str | None) -> NoReturn:
    """End the process where Ray is lost, with a sentence, and without Ray's own end, which may never come."""
    goes_on = "the same command goes on where the log ends."
    note(f"eagleray: {message}")
    note(f"  Once `ray status` is well again, {goes_on}" if address else f"  Start again: {goes_on}")
    sys.stderr.flush()
    os._exit(Exit.NOTHING_ALIVE)
