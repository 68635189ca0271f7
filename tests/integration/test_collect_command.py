"""`eagleray collect` and `eagleray sources` as a program meets them."""

import asyncio
import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from eagleray.actors.sinks.migrations import schema_of
from eagleray.actors.sinks.sqlite import SqliteWriter
from eagleray.cluster.cli.main import build
from eagleray.pipelines.proxies.pipeline import ProxyPipeline
from eagleray.pipelines.proxies.tables import PROXIES, SOURCE_POLLS
from eagleray.pipelines.tables import seal

EAGLERAY = [sys.executable, "-m", "eagleray"]


@pytest.fixture
def run(monkeypatch):
    """Run a command in this process; gives its result."""
    monkeypatch.delenv("EAGLERAY_DATA_DIR", raising=False)

    def invoke(*words: object):
        return CliRunner().invoke(build(["collect"]), [str(word) for word in words])

    return invoke


@pytest.fixture
def lists(tmp_path: Path) -> Path:
    """A directory with lists of several protocols and what is no list."""
    folder = tmp_path / "lists"
    (folder / "more").mkdir(parents=True)
    (folder / "http.txt").write_text("1.1.1.1:80\n10.0.0.1:80\n8.8.8.8:3128\n")
    (folder / "SOCKS5_RAW.txt").write_text("1.1.1.1:80\n10.0.0.1:80\n")
    (folder / "more" / "any.txt").write_text("9.9.9.9:1\n9.9.9.9:0\n")
    (folder / "LICENSE").write_text("7.7.7.7:7\n")
    return folder


def test_a_directory(run, lists):
    result = run("collect", lists)
    assert result.exit_code == 0
    summary = json.loads(result.stdout)
    assert (summary["entries"], summary["unique"], summary["candidates"]) == (7, 4, 3)
    assert summary["refused"] == {"blocked_address": 1, "bad_port": 1}
    by_name = {Path(each["source"]).name: each for each in summary["sources"]}
    assert set(by_name) == {"http.txt", "SOCKS5_RAW.txt", "any.txt"}
    assert by_name["http.txt"] == {
        "source": str(lists / "http.txt"),
        "documents": 1,
        "bytes": 36,
        "entries": 3,
        "candidates": 2,
        "refused": {"blocked_address": 1},
        "error": "",
        "seconds": by_name["http.txt"]["seconds"],
    }
    assert "3/3" in result.stderr


@pytest.mark.parametrize(
    ("options", "lines"),
    [
        (
            [],
            {"http://1.1.1.1:80", "socks5://1.1.1.1:80", "http://8.8.8.8:3128", "9.9.9.9:1"},
        ),
        (
            ["--protocol", "socks4"],
            {f"socks4://{each}" for each in ("1.1.1.1:80", "8.8.8.8:3128", "9.9.9.9:1")},
        ),
        (
            ["--allow", "10.0.0.0/8"],
            {
                "http://1.1.1.1:80",
                "socks5://1.1.1.1:80",
                "http://8.8.8.8:3128",
                "9.9.9.9:1",
                "http://10.0.0.1:80",
                "socks5://10.0.0.1:80",
            },
        ),
    ],
    ids=["claimed by names", "claimed by a flag", "allowed"],
)
def test_output(run, lists, tmp_path, options, lines):
    output = tmp_path / "out.txt"
    output.write_text("old")
    assert run("collect", lists, "--output", output, *options).exit_code == 0
    assert sorted(output.read_text().splitlines()) == sorted(lines)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("out")] == ["out.txt"]


def test_output_that_cannot_be_written(run, lists, tmp_path):
    result = run("collect", lists, "--output", tmp_path / "none" / "out.txt")
    assert result.exit_code == 2
    assert "cannot write" in result.stderr


def test_output_to_a_device_leaves_it_in_place(run, lists):
    assert run("collect", lists, "--output", "/dev/null").exit_code == 0
    assert Path("/dev/null").is_char_device()


def test_configured_sources(run, lists, tmp_path):
    config = tmp_path / "e.yaml"
    config.write_text(
        "pipelines: {proxies: {sources: ["
        f"{{name: one, kind: file, path: {lists}/http.txt, protocols: [socks4]}},"
        f"{{name: two, kind: file, path: {lists}/none.txt}}]}}}}"
    )
    both = json.loads(run("collect", "--config", config).stdout)
    assert {each["source"]: each["error"] for each in both["sources"]} == {
        "one": "",
        "two": "No such file or directory",
    }
    one = json.loads(run("collect", "one", "--config", config).stdout)
    assert [each["source"] for each in one["sources"]] == ["one"]


def test_a_url_that_nobody_answers_and_no_secret_of_it(run):
    result = run("collect", "http://user:geheim@127.0.0.1:9/http.txt?token=geheim")
    assert result.exit_code == 1
    (source,) = json.loads(result.stdout)["sources"]
    assert source["source"] == "http://***@127.0.0.1:9/http.txt?token=***"
    assert source["error"]
    assert "geheim" not in result.output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["monosan"], "Did you mean monosans?"),
        (["zzzz"], "`eagleray sources` lists the configured ones."),
        (["ftp://h/x"], "this is no http:// or https:// URL"),
        (["http://h:99999/x"], "Port out of range"),
        (["monosans", "--allow", "10.0.0.1/8"], "pipelines.proxies.allow.0: 10.0.0.1/8 has host bits set"),
        (["monosans", "--protocol", "gopher"], "gopher"),
        (["--config", "/none"], "/none: No such file or directory"),
    ],
    ids=["misspelt name", "unknown name", "scheme", "port", "network", "protocol", "config"],
)
def test_wrong_usage(run, words, message):
    result = run("collect", *words)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""


def test_a_directory_without_lists(run, tmp_path):
    result = run("collect", tmp_path)
    assert result.exit_code == 2
    assert "holds no lists" in result.stderr


def test_a_directory_of_too_many_lists(run, lists, monkeypatch):
    monkeypatch.setattr("eagleray.cluster.cli.named_sources.MAX_FILES", 2)
    result = run("collect", lists)
    assert result.exit_code == 2
    assert "holds 3 lists" in result.stderr


def test_nothing_collected(run, tmp_path):
    (tmp_path / "empty.txt").write_text("# nothing\n")
    assert run("collect", tmp_path).exit_code == 1


def test_a_table_on_a_terminal(lists):
    terminal, standard_output = pty.openpty()
    done = subprocess.run(
        [*EAGLERAY, "collect", lists],
        stdout=standard_output,
        stderr=subprocess.PIPE,
        text=True,
        timeout=30,
        env=os.environ | {"COLUMNS": "250"},
    )
    os.close(standard_output)
    table = os.read(terminal, 1 << 16).decode()
    os.close(terminal)
    assert "blocked_address 1" in table
    assert "{" not in table
    assert "7 entries, 4 endpoints, 3 candidates" in done.stderr


def test_standard_input():
    done = subprocess.run([*EAGLERAY, "collect", "-"], input=b"1.1.1.1:80\n", capture_output=True, timeout=30)
    assert done.returncode == 0
    assert json.loads(done.stdout)["candidates"] == 1


def test_interrupted_while_the_standard_input_is_silent():
    process = subprocess.Popen(
        [*EAGLERAY, "collect", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        process.stdin.write(b"#" * (1 << 20))  # more than a pipe holds: done when the command reads
        process.stdin.flush()
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 130
    assert b"Traceback" not in stderr


def sources_config(tmp_path: Path) -> Path:
    config = tmp_path / "e.yaml"
    config.write_text(
        f"data_dir: {tmp_path}/data\n"
        "pipelines: {proxies: {sources: ["
        "{name: one, kind: http, url: 'http://u:geheim@h/', protocols: [socks4]},"
        "{name: two, kind: file, path: x}]}}"
    )
    return config


def test_sources_before_the_first_run(run, tmp_path):
    result = run("sources", "--config", sources_config(tmp_path))
    assert result.exit_code == 0
    assert json.loads(result.stdout)["sources"] == [
        {"source": "one", "kind": "http", "protocols": ["socks4"]},
        {"source": "two", "kind": "file", "protocols": []},
    ]


async def fill(store: Path) -> None:
    """A store in which source `one` was polled, with two endpoints of which one lives."""
    proxies = [
        [
            {"ip": "1.1.1.1", "port": port, "alive": alive, "source": "one"}.get(column.name, column.default)
            for column in PROXIES.columns
        ]
        for port, alive in ((80, True), (81, False))
    ]
    poll = ["one", 1.7e9, 1, 100, 3, 2, json.dumps({"bad_port": 1}), "", 0.5]
    store.parent.mkdir()
    writer = SqliteWriter(store)
    await writer.open()
    await writer.migrate(schema_of(ProxyPipeline()))
    await writer.write([seal("proxies", PROXIES, proxies, 1), seal("proxies", SOURCE_POLLS, [poll], 1)])
    await writer.close()


def test_sources_with_their_last_poll_and_yield(run, tmp_path):
    config = sources_config(tmp_path)
    asyncio.run(fill(tmp_path / "data" / "proxies.sqlite"))
    one, two = json.loads(run("sources", "--config", config, "--json").stdout)["sources"]
    assert (one["polled_at"], one["entries"], one["refused"]) == (1.7e9, 3, {"bad_port": 1})
    assert (one["checked"], one["alive"]) == (2, 1)
    assert "polled_at" not in two
    (other, _) = json.loads(run("sources", "--config", config, "--data", tmp_path).stdout)["sources"]
    assert "polled_at" not in other


def test_sources_of_a_file_that_is_no_store(run, tmp_path):
    (tmp_path / "proxies.sqlite").write_bytes(b"no database" * 100)
    result = run("sources", "--data", tmp_path)
    assert result.exit_code == 2
    assert "proxies.sqlite" in result.stderr
