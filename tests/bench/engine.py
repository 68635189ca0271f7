"""CPU of a quick check, beside other clients on the same endpoints: a bare C client, Go, aiohttp.

Then what a connection in flight costs in memory. Every endpoint is alive, so what is measured is the client.
The baselines are compiled here, where a C compiler and Go are installed; without a C compiler there is
nothing to check against.
"""

import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

BASELINES = Path(__file__).parent / "baselines"
ENDPOINTS = 40_000
IN_FLIGHT = 500
ROUNDS = 3  # the median is shown
HELD, HELD_MS = 15_000, 4_000  # connections in flight at once, to servers that are as slow as that


class Run(NamedTuple):
    """What one run of a client cost."""

    user: float  # µs a check
    system: float
    peak: float  # MB

    @property
    def total(self) -> float:
        return self.user + self.system


def main() -> None:
    if shutil.which("cc") is None:
        print("no C compiler: apt-get install gcc")
        return
    with tempfile.TemporaryDirectory() as folder, serving([compiled_c(Path(folder), "answerer")]) as port:
        endpoints = Path(folder) / "endpoints.txt"
        endpoints.write_text("".join(f"{host}:{port}\n" for host in hosts()))
        clients = commands(Path(folder), endpoints, f"http://127.0.0.1:{port}/get")
        runs: dict[str, list[Run]] = {name: [] for name in clients}
        for _ in range(ROUNDS):  # one after the other, so that a machine that slows down does so for all
            for name, command in clients.items():
                runs[name].append(measured(command))
        show({name: sorted(each, key=lambda run: run.total)[ROUNDS // 2] for name, each in runs.items()})
        show_memory(Path(folder))


def hosts() -> list[str]:
    rng = random.Random(1)
    numbers = rng.sample(range(1 << 16, 1 << 24), ENDPOINTS)
    return [f"127.{number >> 16}.{number >> 8 & 255}.{number & 255}" for number in numbers]


@contextmanager
def serving(server: Sequence[object]) -> Iterator[int]:
    """A server of `baselines` in a process of its own; its port."""
    with subprocess.Popen([str(word) for word in server], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


def compiled_c(folder: Path, name: str) -> Path:
    subprocess.run(["cc", "-O2", "-o", folder / name, BASELINES / f"{name}.c"], check=True)
    return folder / name


def commands(folder: Path, endpoints: Path, judge: str) -> dict[str, list[str]]:
    listed = [str(endpoints), str(IN_FLIGHT)]
    found = {"C, bare epoll": [str(compiled_c(folder, "client")), *listed]}
    if shutil.which("go"):
        source, binary = BASELINES / "goclient" / "main.go", folder / "goclient"
        environment = os.environ | {"GO111MODULE": "off", "GOCACHE": str(folder / "gocache")}
        subprocess.run(["go", "build", "-o", binary, source], check=True, env=environment)
        found["Go, raw sockets"] = [str(binary), "raw", *listed, judge]
        found["Go, net/http client a proxy"] = [str(binary), "client", *listed, judge]
    else:
        print("no Go: its two rows are left out")
    for name in ("eagleray", "aiohttp", "aiohttp_socks"):
        found[name] = [sys.executable, str(BASELINES / f"{name}_client.py"), *listed, judge]
    return found


def measured(command: Sequence[str], endpoints: int = ENDPOINTS) -> Run:
    """CPU and memory of a client that finds so many endpoints alive. What it prints leaves out its start."""
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, stdout=output)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        checks, alive, *seconds = output.read().split()
    assert process.returncode == 0, command
    assert int(checks) == int(alive) == endpoints, f"{command}: {checks} {alive}"
    user, system = map(float, seconds) if seconds else (usage.ru_utime, usage.ru_stime)
    return Run(1e6 * user / endpoints, 1e6 * system / endpoints, usage.ru_maxrss / 1024)


def show_memory(folder: Path) -> None:
    """What a process grows by where it holds more connections, for each of them."""
    with serving([compiled_c(folder, "delayer"), HELD_MS, 1]) as port:
        peaks = [peak_of(folder, port, held) for held in (HELD // 100, HELD)]
    grown = (peaks[1] - peaks[0]) / (HELD - HELD // 100) * 1024
    print(f"eagleray with {HELD} connections in flight: {peaks[1]:.0f} MB in all, {grown:.1f} kB each")


def peak_of(folder: Path, port: int, held: int) -> float:
    """MB of our client while it holds so many connections at once."""
    endpoints = folder / "held.txt"
    endpoints.write_text("".join(f"{host}:{port}\n" for host in hosts()[:held]))
    client = [sys.executable, str(BASELINES / "eagleray_client.py"), str(endpoints), str(held)]
    return measured([*client, f"http://127.0.0.1:{port}/get"], held).peak


def show(runs: dict[str, Run]) -> None:
    limit = runs["C, bare epoll"].total
    print(f"{ENDPOINTS} live endpoints, {IN_FLIGHT} in flight, median of {ROUNDS}")
    print(f"{'µs CPU a check':30} {'user':>6} {'system':>6} {'total':>6} {'× C':>6} {'peak MB':>8}")
    for name, run in runs.items():
        figures = f"{run.user:6.1f} {run.system:6.1f} {run.total:6.1f} {run.total / limit:6.2f}"
        print(f"{name:30} {figures} {run.peak:8.0f}")


if __name__ == "__main__":
    main()
