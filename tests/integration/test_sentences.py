"""What the machine refuses ends in a sentence and an exit code, in every command. Ray never starts here."""

import fcntl
import os
import resource
import sqlite3
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import yaml

from eagleray.actors.sinks.log.frames import MARKER, encode
from eagleray.cluster.cli.descriptors import LEAST, LEAST_OF_OTHERS
from eagleray.cluster.cli.failures import VARIABLE

CHECK = ["check", "127.0.0.1:1", "--judge", "http://127.0.0.1:1/", "--allow", "127.0.0.0/8"]
# Command lines that write to stdout, and need nothing but a data directory with an empty pool.
TALKERS = [
    ["--help"],
    ["--version"],
    ["collect", "list.txt"],
    ["config", "check"],
    ["config", "schema"],
    ["config", "show"],
    ["judge", "--port", "0"],
    ["list", "--format", "json"],
    ["log", "verify"],
    ["proving-ground", "--endpoints", "20"],
    ["sources"],
    ["store", "check"],
]
COMMANDS = [
    "check",
    "collect",
    "config",
    "demo",
    "doctor",
    "judge",
    "list",
    "log",
    "proving-ground",
    "run",
    "store",
]
FULL = "No space left on device"
UNSHARE = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--mount"]


@pytest.fixture
def here(eagleray, tmp_path):
    """The command line in a directory that has a data directory, a list and a configuration."""
    (tmp_path / "list.txt").write_text("203.0.113.7:8080\n")
    source = {"name": "a", "kind": "file", "path": "list.txt"}
    proxies = {"sources": [source], "judges": ["http://judge.invalid/"]}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"pipelines": {"proxies": proxies}}))
    log = tmp_path / "eagleray-data" / "log"
    log.mkdir(parents=True)
    (log / "lock").touch()
    assert eagleray("store", "migrate").returncode == 0
    return eagleray


def sentences(result: subprocess.CompletedProcess[str]) -> str:
    """What was said: a few lines, and none of Python's."""
    said = result.stderr
    assert "eagleray: " in said
    assert len(said.splitlines()) <= 5
    assert not [word for word in ("Traceback", "Warning", "Error:", "[Errno", "unexpected") if word in said]
    return said


@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
@pytest.mark.parametrize("words", TALKERS, ids=" ".join)
def test_stdout_on_a_full_disk(here, words, unbuffered):
    with Path("/dev/full").open("w") as full:
        result = here(*words, stdout=full, env=here.options["env"] | {"PYTHONUNBUFFERED": unbuffered})
    assert result.returncode == 1
    assert f"eagleray: cannot write to the standard output: {FULL}\n" in sentences(result)


@pytest.mark.parametrize("words", TALKERS, ids=" ".join)
def test_stdout_is_closed(here, words):
    result = here(*words, stdout=None, preexec_fn=partial(os.close, 1))
    assert result.returncode == 1
    assert "eagleray: cannot write to the standard output: Bad file descriptor\n" in sentences(result)


def test_results_of_a_check_to_a_closed_stdout_are_refused_before_the_check(here):
    result = here(*CHECK, stdout=None, preexec_fn=partial(os.close, 1))
    assert result.returncode == 2
    assert "cannot write the results: Bad file descriptor" in sentences(result)


@pytest.mark.parametrize("stderr", ["closed", "full"])
def test_stderr_that_takes_nothing_ends_no_work(here, stderr):
    options = {"preexec_fn": partial(os.close, 2)} if stderr == "closed" else {}
    with Path("/dev/full").open("w") as full:
        result = here("store", "backup", "--json", stderr=None if options else full, **options)
    assert result.returncode == 0
    assert '"rows"' in result.stdout


@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
def test_a_reader_who_has_enough_is_told_nothing(here, unbuffered):
    reading, writing = os.pipe()
    os.close(reading)
    result = here(
        "config", "schema", stdout=writing, env=here.options["env"] | {"PYTHONUNBUFFERED": unbuffered}
    )
    os.close(writing)
    assert (result.returncode, result.stderr) == (1, "")


def limited(count: int) -> None:
    """Leave this process so many descriptors."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))


@pytest.mark.parametrize("command", COMMANDS)
def test_too_few_descriptors(here, command):
    needed = LEAST.get(command, LEAST_OF_OTHERS)
    result = here(command, "--data", "none", preexec_fn=partial(limited, needed - 1))
    assert result.returncode == 2
    assert f"eagleray: {command} needs {needed} descriptors, has {needed - 1}\n" in sentences(result)
    assert f"`ulimit -n {needed}`" in result.stderr


@pytest.mark.parametrize(
    "words", [CHECK, ["list"], ["store", "backup"], ["log", "verify"]], ids=lambda w: w[0]
)
def test_just_enough_descriptors(here, words):
    enough = LEAST.get(words[0], LEAST_OF_OTHERS)
    result = here(*words, preexec_fn=partial(limited, enough))
    assert "Too many open files" not in result.stderr
    assert result.returncode == {"check": 3, "list": 1}.get(words[0], 0)


def with_failure(command: str, failure: str) -> list[str]:
    """Python's words for a command in which something fails that nobody has foreseen."""
    script = (
        f"import sys; from eagleray.cluster.cli import config, main\n"
        f"def fail(*_): {failure}\n"
        f"config.read_settings = fail; sys.argv = ['eagleray', *{command.split()!r}]; main.main()"
    )
    return ["-c", script]


def test_an_unexpected_failure_is_a_sentence_without_what_may_be_secret(here):
    words = with_failure("config show", "raise KeyError('postgresql://me:hunter2@host')")
    hidden = {name: value for name, value in here.options["env"].items() if name != VARIABLE}
    result = here.python(*words, env=hidden)
    assert result.returncode == 1
    assert "eagleray: config failed: unexpected KeyError in cluster/cli/config.py, line " in result.stderr
    assert VARIABLE in result.stderr
    assert "hunter2" not in result.stderr


def test_whoever_asks_sees_the_traceback_of_an_unexpected_failure(here):
    command = [sys.executable, *with_failure("config show", "raise KeyError('x')")]
    result = subprocess.run(command, text=True, timeout=60, check=False, **here.options)
    assert result.returncode == 1
    assert "Traceback" in result.stderr


@pytest.mark.parametrize(
    ("options", "shown"), [([], False), (["-W", "default"], True)], ids=["as is", "asked for"]
)
def test_warnings_of_libraries_are_not_for_users(here, options, shown):
    warn = "import warnings; warnings.warn('serial number'); raise SystemExit(0)"
    result = here.python(*options, *with_failure("config show", warn))
    assert result.returncode == 0
    assert ("serial number" in result.stderr) == shown


def test_two_runs_in_one_data_directory(here, tmp_path):
    other = os.open(tmp_path / "eagleray-data", os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    result = here("run", "--config", "config.yaml")
    os.close(other)
    assert result.returncode == 2
    assert "another run is at work in eagleray-data" in sentences(result)
    assert "Starting Ray" not in result.stderr


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("fence", b"99999999999999999999", "fence is damaged"),
        ("fence", b"nonsense", "fence is damaged"),
        ("fence", bytes(range(256)), "fence is damaged"),
        (f"{0:020}.log", encode(b"x", 1, 0, 0.0).replace(MARKER, b"\xf5EL9"), "has format EL9"),
    ],
    ids=["huge fence", "fence of words", "binary fence", "log of a newer version"],
)
def test_a_log_that_is_not_for_this_program(here, tmp_path, file, content, said):
    (tmp_path / "eagleray-data" / "log" / file).write_bytes(content)
    result = here("run", "--config", "config.yaml")
    assert result.returncode == 2
    assert said in sentences(result)
    assert "Starting Ray" not in result.stderr
    assert (tmp_path / "eagleray-data" / "log" / file).read_bytes() == content


@pytest.mark.parametrize(
    "words", [["log", "inspect"], ["log", "verify"], ["log", "replay", "--store", "ndjson:x"]]
)
def test_a_log_of_a_newer_version_passes_for_no_damage(here, tmp_path, words):
    newer = encode(b"x", 1, 0, 0.0).replace(MARKER, b"\xf5EL9")
    (tmp_path / "eagleray-data" / "log" / f"{0:020}.log").write_bytes(newer)
    result = here(*words)
    assert (result.returncode, result.stdout) == (2, "")
    assert "has format EL9, this program knows EL2" in sentences(result)


@pytest.mark.parametrize(
    "words",
    [
        ["list"],
        ["get"],
        ["explain", "192.0.2.1:80"],
        ["sources"],
        ["store", "check"],
        ["store", "migrate"],
        ["log", "inspect"],
        ["log", "replay", "--store", "ndjson:x"],
    ],
    ids=" ".join,
)
def test_a_data_directory_that_is_a_file(here, words):
    result = here(*words, "--data", "list.txt")
    assert (result.returncode, result.stdout) == (2, "")
    assert "eagleray: list.txt is not a directory" in sentences(result)


@pytest.mark.parametrize("kind", ["pipe", "directory"])
@pytest.mark.parametrize(
    "words", [["list"], ["sources"], ["store", "check"], ["store", "migrate"]], ids=" ".join
)
def test_a_pool_that_is_no_file(here, tmp_path, words, kind):
    pool = tmp_path / "eagleray-data" / "proxies.sqlite"
    for file in pool.parent.glob("proxies.sqlite*"):
        file.unlink()
    os.mkfifo(pool) if kind == "pipe" else pool.mkdir()
    result = here(*words)
    assert result.returncode in (1, 2)
    assert "proxies.sqlite is not a file" in sentences(result)


@pytest.mark.parametrize(
    "words", [["list"], ["store", "migrate"], ["run", "--config", "config.yaml"]], ids=" ".join
)
def test_a_table_made_by_hand(here, tmp_path, words):
    pool = tmp_path / "eagleray-data" / "proxies.sqlite"
    pool.unlink()
    with sqlite3.connect(pool) as database:
        database.execute("CREATE TABLE proxies (a, b)")
    database.close()
    result = here(*words)
    assert result.returncode in (1, 2)
    assert "table proxies in the store is not that of this program (it lacks ip, port, " in sentences(result)
    helps = "`eagleray store migrate` brings" in result.stderr
    assert helps == (words == ["list"])  # it is not advised by itself, nor where it was tried
    assert "Starting Ray" not in result.stderr


@pytest.mark.parametrize("command", ["list", "get"])
def test_an_empty_pool_is_called_empty(here, tmp_path, command):
    assert "the pool is empty: nothing has been checked yet" in sentences(here(command))


@pytest.mark.parametrize("command", ["list", "get"])
def test_a_pool_in_which_nothing_works(here, tmp_path, command):
    with sqlite3.connect(tmp_path / "eagleray-data" / "proxies.sqlite") as database:
        columns = database.execute("SELECT name, type FROM pragma_table_info('proxies')").fetchall()
        values = [b"" if kind == "BLOB" else "" if kind == "TEXT" else 0 for _, kind in columns]
        database.execute(f"INSERT INTO proxies VALUES ({', '.join('?' * len(values))})", values)
    database.close()
    assert "the pool has no working proxy: none that was checked works" in sentences(here(command))


@pytest.fixture
def mounted(here, tmp_path):
    """`mounted(mount, *words)`: the command where `mount`, a line of shell, was done before."""

    def command(mount: str, *words: str) -> subprocess.CompletedProcess[str]:
        line = f'cd "$0" && {mount} && exec "$@"'
        inside = [*UNSHARE, "sh", "-c", line, str(tmp_path), *words]
        return subprocess.run(inside, text=True, timeout=60, check=False, **here.options)

    try:
        tried = command("mkdir -p full && mount -t tmpfs -o size=64k none full", "true")
    except FileNotFoundError as error:
        pytest.skip(f"no mount namespace here: {error}")
    if tried.returncode:
        pytest.skip(f"no mount namespace here: {tried.stderr.strip()}")

    def run(mount: str, *words: str) -> subprocess.CompletedProcess[str]:
        return command(mount, sys.executable, "-m", "eagleray", *words)

    return run


COLLECT = ["collect", "list.txt", "--allow", "0.0.0.0/0", "--output", "full/out"]
ON_FULL = "mount -t tmpfs -o size=64k none full && { cat /dev/zero > full/filler 2>/dev/null || true; }"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["run", "--config", "config.yaml", "--data", "full/d"], 2, f"cannot write to full/d: {FULL}"),
        (["demo", "--data", "full/d"], 2, f"cannot write to full/d: {FULL}"),
        (["store", "migrate", "--data", "full/d"], 1, "full/d/proxies.sqlite: "),
        (["store", "backup", "--to", "full"], 1, f"store sqlite: {FULL}"),
        (["log", "replay", "--store", "ndjson:full/n"], 1, "/full/n: database or disk is full\n"),
        (COLLECT, 2, f"cannot write full/out: {FULL}"),
    ],
    ids=["run", "demo", "store migrate", "store backup", "log replay", "collect"],
)
def test_a_full_disk_at_the_start(mounted, words, code, said):
    result = mounted(ON_FULL, *words)
    assert result.returncode == code
    assert said in result.stderr
    sentences(result)
    assert "Starting Ray" not in result.stderr


@pytest.mark.parametrize(
    ("mount", "said"),
    [
        # With `bind` only here: else the memory of all processes would be read-only.
        ("mount -o remount,bind,ro /dev/shm", "Ray cannot write to /dev/shm, the shared memory"),
        ("export RAY_TMPDIR=full && " + ON_FULL, f"Ray cannot write to full/ray: {FULL}"),
        ("export RAY_TMPDIR=/proc", "Ray cannot write to /proc/ray: No such file or directory"),
    ],
    ids=["shared memory read-only", "Ray's disk full", "Ray's folder can't be made"],
)
def test_ray_is_not_started_where_it_can_not_run(mounted, mount, said):
    result = mounted(mount, "run", "--config", "config.yaml")
    assert result.returncode == 1
    assert said in sentences(result)


def test_rays_start_has_a_limit(here):
    script = (
        "import sys, time; from eagleray.cluster.cli import main, run\n"
        "from eagleray.cluster import topology\n"
        "run.RAY_START_LIMIT = 0.2; topology.ray.init = lambda **_: time.sleep(600)\n"
        "sys.argv = ['eagleray', 'run', '--config', 'config.yaml']; main.main()"
    )
    result = here.python("-c", script)
    assert result.returncode == 1
    assert "eagleray: Ray has not started within 0 s" in sentences(result)
