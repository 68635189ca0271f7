"""Ray goes away in the middle of a run: one sentence, no actor left, and the next run goes on."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml

from eagleray.cluster.cli.demo import compare, read_verdicts
from eagleray.cluster.proving_ground import Ready, read_truth
from eagleray.cluster.settings import Settings
from tests.cluster.test_interrupt import ENOUGH, recorded
from tests.processes import PATIENCE, Marked, wait_until

ACTORS = ("Checker", "Collector", "Frontier", "Scorer", "Sink")


@contextmanager
def running(data: Path, config: Path, *options: str) -> Iterator[tuple["subprocess.Popen[str]", Marked]]:
    """A run in its middle."""
    marked, before = Marked(), recorded(data)
    command = [
        sys.executable,
        "-m",
        "eagleray",
        "run",
        "--config",
        str(config),
        "--data",
        str(data),
        *options,
    ]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=marked.environment, start_new_session=True, **pipes) as process:
        try:
            wait_until(lambda: recorded(data) >= before + ENOUGH or process.poll() is not None)
            assert process.poll() is None, process.communicate()
            yield process, marked
        finally:
            marked.kill()


@pytest.fixture
def config(settings_of: Callable[..., Settings], tmp_path: Path) -> Path:
    path, settings = tmp_path / "config.yaml", settings_of(checkers=2, dashboard=False)
    path.write_text(yaml.safe_dump(settings.model_dump(mode="json", exclude_defaults=True)))
    return path


def says_one_sentence(process: "subprocess.Popen[str]", part: str) -> None:
    """The run ends with exit code 1, what has happened, what to do, and nothing of Ray's."""
    started = time.monotonic()
    _, said = process.communicate(timeout=PATIENCE)
    print(f"\n{part}: a sentence after {time.monotonic() - started:.1f} s")
    assert process.returncode == 1, said
    what, advice = said.splitlines()[-2:]
    assert what.startswith(f"eagleray: Ray is lost: {part} ")
    assert "goes on where the log ends" in advice
    assert "Traceback" not in said
    assert ".cc:" not in said
    assert "state-dump" not in said


@pytest.mark.timeout(300)
def test_local_ray(config: Path, tmp_path: Path, ground: Ready) -> None:
    """The raylet is killed, then in the next run the GCS, and a third one does the rest."""
    data = tmp_path / "data"
    for name, part in {"raylet": "the raylet of this machine", "gcs_server": "its head (the GCS)"}.items():
        with running(data, config) as (process, marked):
            victims = [
                pid for pid, line in marked.processes().items() if line.split()[0].endswith(f"/{name}")
            ]
            os.kill(victims[0], signal.SIGKILL)
            says_one_sentence(process, part)
            print(f"nothing left {marked.seconds_until_gone():.2f} s later")

    command = [sys.executable, "-m", "eagleray", "run", "--config", str(config), "--once"]
    last = subprocess.run(command, capture_output=True, text=True, timeout=2 * PATIENCE)
    assert last.returncode == 0, last.stderr
    result = compare(read_truth(ground.truth), read_verdicts(data), data)
    assert (result["lost"], result["duplicates"]) == (0, 0)
    assert (result["recall"], result["precision"]) == (1.0, 1.0)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A head and another node, both on this machine, in a folder of their own: paths of sockets are short."""
    from ray.cluster_utils import Cluster

    with TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        monkeypatch.setenv("RAY_TMPDIR", folder)
        marked = Marked()
        monkeypatch.setenv("_TEST_MARK", marked.environment["_TEST_MARK"])
        node = {"num_cpus": 2, "include_dashboard": False}
        cluster = Cluster(initialize_head=True, head_node_args=node)
        cluster.add_node(num_cpus=2)
        yield cluster
        cluster.shutdown()
        marked.kill()  # Ray's agents, which outlive a raylet by a minute


@pytest.mark.timeout(300)
def test_cluster(cluster: Any, config: Path, tmp_path: Path) -> None:
    """The raylet of the driver's machine freezes; then the head is gone, and with it the GCS."""
    with running(tmp_path / "first", config, "--address", cluster.address) as (process, _):
        actors = actors_below(os.getpid(), "Sink")
        raylet = parent(actors[0])
        os.kill(raylet, signal.SIGSTOP)
        says_one_sentence(process, "the raylet of this machine")
        os.kill(raylet, signal.SIGCONT)
        wait_until(lambda: not actors_below(os.getpid(), *ACTORS))

    with running(tmp_path / "second", config, "--address", cluster.address) as (process, _):
        for service in ("raylet", "gcs_server"):
            os.kill(cluster.head_node.all_processes[service][0].process.pid, signal.SIGKILL)
        _, said = process.communicate(timeout=PATIENCE)
        assert process.returncode == 1, said
        assert "eagleray: Ray is lost: " in said.splitlines()[-2]
        wait_until(lambda: not actors_below(os.getpid(), *ACTORS))


def actors_below(root: int, *classes: str) -> list[int]:
    """PIDs of actors of these classes that a raylet below the process `root` has started."""
    found = []
    for path in Path("/proc").glob("[1-9]*"):
        try:
            title = (path / "cmdline").read_bytes().split(b"\0")[0].decode().strip()
            if title.startswith("ray::") and title.split(":")[-1].split(".")[0] in classes:
                found.append(int(path.name))
        except OSError:
            continue
    return [pid for pid in found if root in ancestors(pid)]


def parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except OSError:
        return 0


def ancestors(pid: int) -> list[int]:
    chain = []
    while (pid := parent(pid)) > 1:
        chain.append(pid)
    return chain
