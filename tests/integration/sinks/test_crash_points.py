import subprocess
import sys
from pathlib import Path

import pytest

from tests import file_contents
from tests.integration.sinks.crash_points import EVENTS, STATE

SCRIPT = Path(__file__).with_name("crash_points.py")


@pytest.mark.parametrize("kind", ["ndjson", "parquet"])
def test_every_row_is_there_once_wherever_a_process_ended(kind, tmp_path):
    command = [sys.executable, SCRIPT, kind, tmp_path]
    steps = int(subprocess.run(command, capture_output=True, check=True, timeout=100).stdout)
    assert steps > 25
    for step in range(steps):
        events = file_contents.rows(tmp_path / str(step), kind, EVENTS)
        assert [row[0] for row in events] == list(range(10)), step
        assert file_contents.rows(tmp_path / str(step), kind, STATE) == [["host", 9]]
        assert len(file_contents.files(tmp_path / str(step), kind, EVENTS)) == 2, step
