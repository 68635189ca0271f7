"""`eagleray log` on a real log."""

import asyncio
import json

import pytest
from typer.testing import CliRunner

from eagleray.actors.sinks.base import Cursor
from eagleray.actors.sinks.log.frames import HEADER, MARKER, START
from eagleray.actors.sinks.log.log import Log
from eagleray.cluster.cli.main import build
from eagleray.cluster.paths import log_dir

FRAME = HEADER.size + 6


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a command in the data directory."""
    monkeypatch.setenv("EAGLERAY_DATA_DIR", str(tmp_path))
    app = build(["log"])
    return lambda *words: CliRunner().invoke(app, ["log", *words])


@pytest.fixture
def directory(tmp_path):
    """A log of three frames in two segments, of which a store has one."""

    async def fill() -> None:
        log = Log.open(log_dir(tmp_path), segment_bytes=FRAME + 1)
        for _ in range(3):
            await log.append(b"secret", 2000)
        Cursor(log.directory / "sqlite.cursor").save(next(log.read(START)).next, 2000)
        await log.close()

    asyncio.run(fill())
    return log_dir(tmp_path)


def damage(directory) -> None:
    with (directory / f"{0:020d}.log").open("r+b") as file:
        file.seek(FRAME)
        file.write(b"\0")


def test_inspect(run, directory):
    result = run("inspect")
    assert (result.exit_code, result.stderr) == (0, "")
    first, *_ = result.stdout.splitlines()
    assert first == f"{directory}: 6000 records, {3 * FRAME} bytes, segments: 2"
    rows = [line.split() for line in result.stdout.splitlines() if line.startswith("│")]
    assert [row[1:8:2] for row in rows[:2]] == [
        ["00000000000000000000.log", "0", "4000", str(2 * FRAME)],
        ["00000000000000004000.log", "4000", "2000", str(FRAME)],
    ]
    assert rows[2][1:8:2] == ["sqlite", "0", str(FRAME), "4000"]
    assert "secret" not in result.output


def test_inspect_says_what_was_set_aside_and_what_is_unfinished(run, directory):
    damage(directory)
    log = Log.open(directory)
    list(log.read(START))
    asyncio.run(log.close())
    with (directory / f"{4000:020d}.log").open("ab") as file:
        file.write(MARKER)
    lines = run("inspect").stdout.splitlines()
    assert lines[1] == "unfinished: 4 bytes at the end, being written or cut off at the next start; no damage"
    assert lines[2] == f"damaged: 1 stretches, {FRAME} bytes, set aside in damaged/"


def test_inspect_for_a_program(run, directory):
    view = json.loads(run("inspect", "--json").stdout)
    assert (view["records"], view["damaged"], view["tail"]) == (6000, 0, 0)
    assert view["segments"][0]["from"] <= view["segments"][0]["to"]
    assert view["cursors"][0]["lag_records"] == 4000


def test_verify_a_sound_log(run, directory):
    result = run("verify")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == f"{directory}: sound; 6000 records in 3 frames, segments: 2\n"


def test_verify_a_log_that_is_being_written(run, directory):
    with (directory / f"{4000:020d}.log").open("ab") as file:
        file.write(MARKER)
    result = run("verify")
    assert result.exit_code == 0
    assert "unfinished: 4 bytes" in result.stdout


def test_verify_a_damaged_log(run, directory):
    damage(directory)
    result = run("verify")
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        f"{directory}: damaged; 4000 records in 2 frames, segments: 2",
        f"  segment 0, offset {FRAME}: {FRAME} damaged bytes, 2000 records lost",
    ]
    verdict = json.loads(run("verify", "--json").stdout)
    assert verdict["flaws"] == [{"segment": 0, "offset": FRAME, "bytes": FRAME, "records": 2000}]


@pytest.mark.parametrize("word", ["inspect", "verify"])
def test_no_log_says_what_to_do(run, tmp_path, word):
    result = run(word, "--data", str(tmp_path / "elsewhere"))
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"there is no log in {tmp_path / 'elsewhere' / 'log'}" in result.stderr
    assert "eagleray run" in result.stderr
