"""`eagleray config`."""

import json

import pytest
from typer.testing import CliRunner

from eagleray.cluster.cli.main import build


@pytest.fixture
def run(monkeypatch):
    """Run a command in this process; gives its result."""
    monkeypatch.delenv("EAGLERAY_DATA_DIR", raising=False)

    def invoke(*words: object):
        return CliRunner().invoke(build(["config"]), ["config", *(str(word) for word in words)])

    return invoke


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "e.yaml"
    path.write_text(
        "data_dir: here\n"
        "pipelines:\n"
        "  proxies:\n"
        "    judges: ['http://h/get?token=geheim']\n"
        "    sources:\n"
        "      - name: one\n"
        "        kind: http\n"
        "        url: http://user:geheim@h/list\n"
        "        headers: {X-Key: geheim, User-Agent: me}\n"
    )
    return path


def test_check(run, config):
    result = run("check", config)
    assert (result.exit_code, result.stdout) == (0, f"{config}: valid (sources: 1, judges: 1)\n")
    assert run("check").exit_code == 0


def test_check_of_a_bad_file(run, config):
    config.write_text("ray:\n  scorers: 0\nlgo: {}\n")
    result = run("check", config)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines() == [
        f"{config}:2: ray.scorers: Input should be greater than or equal to 1 (got 0)",
        f"{config}:3: lgo: unknown key; did you mean 'log'?",
    ]


def test_show_says_where_a_value_comes_from_and_no_secret(run, config, monkeypatch):
    monkeypatch.setenv("EAGLERAY_LOG__FSYNC", "os")
    result = run("show", "--config", config)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert f'data_dir = "here"  # {config}:1' in lines
    assert 'log.fsync = "os"  # EAGLERAY_LOG__FSYNC' in lines
    assert "ray.scorers = 1  # default" in lines
    assert f'pipelines.proxies.sources.0.url = "http://***@h/list"  # {config}:8' in lines
    assert "geheim" not in result.stdout


def test_show_as_json(run, config):
    result = run("show", "--config", config, "--json")
    proxies = json.loads(result.stdout)["pipelines"]["proxies"]
    assert (proxies["check"]["timeout"], proxies["check"]["confirm_after"]) == ("auto", 0.5)
    assert proxies["sources"][0]["headers"] == {"X-Key": "***", "User-Agent": "me"}
    assert "geheim" not in result.stdout


def test_schema(run):
    schema = json.loads(run("schema").stdout)
    assert schema["properties"]["data_dir"]["default"] == "eagleray-data"
    timeout = schema["$defs"]["CheckSettings"]["properties"]["timeout"]
    number, word = timeout["anyOf"]
    assert (number["exclusiveMinimum"], number["maximum"], word["const"]) == (0, 300, "auto")
    assert timeout["description"].startswith("Seconds")
