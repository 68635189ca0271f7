"""The log on a file system that is really full: a tmpfs of 1 MB in a mount namespace of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from eagleray.actors.sinks.log.log import Fsync

SCRIPT = Path(__file__).with_name("full_disk.py")
UNSHARE = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--mount"]


def on_small_disk(directory: Path, *command: object) -> subprocess.CompletedProcess[str]:
    """Run a command that sees a tmpfs of 1 MB at `directory`."""
    mount = 'mount -t tmpfs -o size=1m none "$0" && exec "$@"'
    words = [*UNSHARE, "sh", "-c", mount, directory, *command]
    return subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def small_disk(tmp_path):
    """A directory for `on_small_disk`."""
    try:
        tried = on_small_disk(tmp_path, "true")
    except FileNotFoundError as error:
        pytest.skip(f"no mount namespace here: {error}")
    if tried.returncode:
        pytest.skip(f"no mount namespace here: {tried.stderr.strip()}")
    return tmp_path


@pytest.mark.parametrize("fsync", list(Fsync))
def test_a_full_disk_stops_intake_and_nothing_answered_is_lost(small_disk, fsync):
    result = on_small_disk(small_disk, sys.executable, SCRIPT, small_disk, fsync)
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["blocked"].endswith("No space left on device")
    assert report["before"] > 50  # of 5 kB each: the disk was filled
    assert len(report["answered"]) >= report["before"] + 20
    assert report["found"] == sorted(report["answered"])  # everything once
    assert (report["damaged"], report["still blocked"]) == (0, "")
    assert "cannot append" in result.stderr
    assert "appends again" in result.stderr
