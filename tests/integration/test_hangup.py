"""A terminal that is closed in the middle of a command."""

import os
import pty
import subprocess
import sys

import pytest

PROGRAM = """
import fcntl, signal, sys, termios
from eagleray.cluster.cli.console import end_on_sigterm, note
fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # as a shell's child has it
signal.signal(signal.SIGHUP, getattr(signal, sys.argv[1]))
end_on_sigterm()
try:
    note("ready")
    signal.sigtimedwait([signal.SIGUSR1], 60)
except KeyboardInterrupt:
    note("a word to nobody")
    sys.exit(130)
"""


@pytest.fixture
def start():
    """Run the program at a terminal; gives it, and a function that closes the terminal."""
    started = []

    def start(disposition):
        master, slave = pty.openpty()
        pipes = {"stdin": slave, "stdout": slave, "stderr": slave}
        command = [sys.executable, "-c", PROGRAM, disposition]
        started.append(subprocess.Popen(command, **pipes, start_new_session=True))
        os.close(slave)
        assert b"ready" in os.read(master, 100)
        return started[0], lambda: os.close(master)

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_it_ends_cleanly(start):
    process, close = start("SIG_DFL")
    close()
    assert process.wait(60) == 130


def test_nohup_is_heeded(start):
    process, close = start("SIG_IGN")
    close()
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
