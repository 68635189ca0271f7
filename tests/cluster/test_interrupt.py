"""Ctrl-C in the middle of `eagleray run`; the next one goes on from the store. Stores down and silent."""

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from eagleray.cluster.cli.demo import compare, read_verdicts
from eagleray.cluster.proving_ground import Ready, read_truth
from eagleray.cluster.settings import Settings
from tests.servers import postgresql
from tests.servers.postgresql import MissingServer, PostgreSQL

ENOUGH = 24  # endpoints recorded of 240: the middle of the run
NEAR_THE_END = 200
LIMIT = 60.0  # seconds until something must have happened


@contextmanager
def running(config: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """`eagleray run` as a person starts it, in a process group of its own as a terminal gives it."""
    command = [sys.executable, "-m", "eagleray", "run", "--config", str(config), "--json", *options]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture
def config(settings_of: Callable[..., Settings], tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(
        yaml.safe_dump(
            settings_of(checkers=2, dashboard=False).model_dump(mode="json", exclude_defaults=True)
        )
    )
    return path


def recorded(data: Path) -> int:
    """Endpoints in the store."""
    try:
        with sqlite3.connect(f"file:{data}/proxies.sqlite?mode=ro", uri=True) as store:
            return int(store.execute("SELECT count(*) FROM proxies").fetchone()[0])
    except sqlite3.OperationalError:  # not there yet
        return 0


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.02)


def test_interrupt_saves_and_a_second_run_continues(config: Path, tmp_path: Path, ground: Ready) -> None:
    data, truth = tmp_path / "data", read_truth(ground.truth)
    with running(config, "--once") as process:
        wait_until(lambda: recorded(data) >= ENOUGH)
        os.killpg(process.pid, signal.SIGINT)
        output, progress = process.communicate(timeout=LIMIT)
    assert process.returncode == 130
    assert "Traceback" not in progress
    first = json.loads(output)
    assert ENOUGH <= first["checked"] == recorded(data) < len(truth)

    with running(config, "--once") as process:
        output, _ = process.communicate(timeout=2 * LIMIT)
    assert process.returncode == 0
    second = json.loads(output)
    assert first["checked"] + second["checked"] == len(truth)
    result = compare(truth, read_verdicts(data), data)
    assert (result["lost"], result["duplicates"]) == (0, 0)
    assert (result["recall"], result["precision"]) == (1.0, 1.0)


def test_second_interrupt_stops_at_once(config: Path, tmp_path: Path) -> None:
    with running(config) as process:
        wait_until(lambda: recorded(tmp_path / "data") >= ENOUGH)
        os.killpg(process.pid, signal.SIGINT)
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=LIMIT)
    assert process.returncode == 130


@pytest.fixture
def down() -> Iterator[PostgreSQL]:
    """A server with a database, and nobody there."""
    try:
        with postgresql.started() as server:
            server.sql("CREATE DATABASE pool")
            server.kill()
            yield server
    except MissingServer as error:
        pytest.skip(str(error))


@pytest.fixture
def waiting(config: Path, down: PostgreSQL) -> Iterator[subprocess.Popen[str]]:
    """A run whose only store is down."""
    settings = yaml.safe_load(config.read_text()) | {"stores": [down.url("pool")]}
    config.write_text(yaml.safe_dump(settings))
    with running(config, "--once") as process:
        assert process.stderr is not None
        lines = iter(process.stderr.readline, "")
        assert any("store postgresql does not answer, the run waits for it" in line for line in lines)
        assert any("store postgresql: " in line for line in lines)
        yield process


def test_a_run_waits_for_the_store_that_it_goes_on_from(
    waiting: subprocess.Popen[str], down: PostgreSQL
) -> None:
    down.start()
    output, progress = waiting.communicate(timeout=2 * LIMIT)
    assert waiting.returncode == 0, progress
    summary = json.loads(output)
    assert summary["checked"] == int(down.sql("SELECT count(*) FROM proxies", "pool")) == 240
    assert "Traceback" not in progress


def test_interrupt_while_a_run_waits_for_its_store(waiting: subprocess.Popen[str]) -> None:
    os.killpg(waiting.pid, signal.SIGINT)
    output, progress = waiting.communicate(timeout=LIMIT)
    assert waiting.returncode == 130, progress
    assert json.loads(output)["checked"] == 0
    assert "Traceback" not in progress


@pytest.fixture
def silent(config: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A run near its end, one of whose stores has just fallen silent."""
    try:
        with postgresql.started() as server:
            server.sql("CREATE DATABASE pool")
            settings = yaml.safe_load(config.read_text()) | {"stores": ["sqlite", server.url("pool")]}
            config.write_text(yaml.safe_dump(settings))
            try:
                with running(config, "--once") as process:
                    wait_until(lambda: recorded(tmp_path / "data") >= NEAR_THE_END)
                    server.signal(signal.SIGSTOP)
                    yield process
            finally:
                server.signal(signal.SIGCONT)
    except MissingServer as error:
        pytest.skip(str(error))


def test_a_store_that_falls_silent_near_the_end_is_told_of(silent: subprocess.Popen[str]) -> None:
    output, progress = silent.communicate(timeout=2 * LIMIT)
    assert silent.returncode == 1, progress
    summary = json.loads(output)
    good, bad = summary["stores"]["sqlite"], summary["stores"]["postgresql"]
    assert (good["lag_rows"], good["behind"], summary["checked"]) == (0, "", 240)
    assert bad["lag_rows"] > 0
    assert bad["behind"]
    assert re.search(r"waits for: store postgresql: \d+ rows left; \d+ s more at most", progress)
    lacks = f"store postgresql lacks {bad['lag_rows']:,} rows, which wait in the log: {bad['behind']}\n"
    assert progress.count(lacks) == 1


def test_interrupt_while_a_run_waits_for_a_store_at_its_end(silent: subprocess.Popen[str]) -> None:
    assert silent.stderr is not None
    assert any("waits for: store postgresql: " in line for line in iter(silent.stderr.readline, ""))
    os.killpg(silent.pid, signal.SIGINT)
    output, progress = silent.communicate(timeout=LIMIT)
    assert silent.returncode == 130, progress
    assert json.loads(output)["stores"]["postgresql"]["behind"] == "the wait for it was interrupted"
    assert "Traceback" not in progress
