"""`eagleray demo`, and a run whose sources and judge cannot be reached, as a person starts them."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

LIMIT = 110.0  # seconds: Ray starts, a hundred endpoints are checked, Ray ends

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def eagleray(tmp_path: Path) -> Run:
    """Run a command to its end in an empty directory."""

    def run(*words: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "eagleray", *words]
        result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=LIMIT)
        assert "Traceback" not in result.stderr
        return result

    return run


def test_demo_finds_the_truth(eagleray: Run, tmp_path: Path) -> None:
    result = eagleray("demo", "--json", "--endpoints", "100")
    assert result.returncode == 0
    summary = json.loads(result.stdout)
    assert (summary["recall"], summary["precision"]) == (1.0, 1.0)
    assert (summary["lost"], summary["duplicates"], summary["wrong"]) == (0, 0, 0)
    assert (summary["candidates"], summary["checked"], summary["alive"]) == (100, 100, 25)
    assert summary["source_errors"] == {"failing": "HTTP status 500"}
    assert (tmp_path / summary["data"] / "proxies.sqlite").exists()


@pytest.mark.parametrize("name", ["documents", "file"], ids=["another's directory", "a file"])
def test_demo_empties_only_its_own(eagleray: Run, tmp_path: Path, name: str) -> None:
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents" / "letter").write_text("dear")
    (tmp_path / "file").write_text("text")
    result = eagleray("demo", "--data", name)
    assert (result.returncode, result.stdout) == (2, "")
    assert f"{name}" in result.stderr
    assert (tmp_path / "documents" / "letter").read_text() == "dear"
    assert (tmp_path / "file").read_text() == "text"


def test_run_that_reaches_nobody(eagleray: Run, tmp_path: Path) -> None:
    sources = [{"name": n, "kind": "http", "url": f"http://{n}.invalid/"} for n in ("one", "two")]
    proxies = {"sources": sources, "judges": ["http://judge.invalid/"]}
    config = {"ray": {"checkers": 1, "dashboard": False}, "pipelines": {"proxies": proxies}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    result = eagleray("run", "--once", "--json", "--config", "config.yaml")
    assert result.returncode == 3
    summary = json.loads(result.stdout)
    assert set(summary["source_errors"]) == {"one", "two"}
    assert all("not known" in error or "resolution" in error for error in summary["source_errors"].values())
    assert "judge.invalid" in summary["judge_error"]
    assert summary["checked"] == 0
