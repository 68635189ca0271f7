"""A realistic list from end to end: `eagleray check` as a process against the proving ground.

First the whole list at full depth; then, on a shorter one, the limits that are learned beside fixed ones: how
much recall costs how much time.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from eagleray.cluster.proving_ground import Ready, read_truth, started
from eagleray.cluster.proving_ground.world import Mix, Truth

ENDPOINTS = 100_000
FEWER = 20_000  # for the comparison of limits
LIMITS: dict[str, list[str]] = {
    "learned": [],
    "connect 0.9 s, answer 3 s": ["--connect-timeout=0.9", "--timeout=3"],
    "connect 1.3 s, answer 8 s": ["--connect-timeout=1.3", "--timeout=8"],
    "connect 2 s, answer 8 s": ["--connect-timeout=2", "--timeout=8"],
    "connect 4 s, answer 15 s": ["--connect-timeout=4", "--timeout=15"],
}


class Swept(NamedTuple):
    """What one run came to."""

    wall: float  # seconds
    cpu: float  # µs a check, of all processes
    peak: float  # MB, the largest process
    recall: float
    precision: float


def main() -> None:
    print(f"{'full depth':40} {'wall s':>7} {'recall':>7} {'precision':>9} {'CPU µs':>7} {'peak MB':>8}")
    with started(ENDPOINTS, mix=Mix.FIELD) as ground:
        show(f"{ENDPOINTS} endpoints, limits learned", sweep(ground, []))
    for name, options in LIMITS.items():
        with started(FEWER, mix=Mix.FIELD) as ground:  # a new one: some proxies answer only once
            show(f"{FEWER} endpoints, {name}", sweep(ground, options))


def sweep(ground: Ready, options: Sequence[str]) -> Swept:
    """Check the list of a proving ground, and hold the verdict against the truth."""
    truth = read_truth(ground.truth)
    with tempfile.NamedTemporaryFile() as output:
        command = [sys.executable, "-m", "eagleray", "check", ground.everything, f"--output={output.name}"]
        command += [f"--judge={ground.judge}", f"--allow={ground.allow[0]}", "--tls-target=off", *options]
        began = time.monotonic()
        process = subprocess.Popen([*command, "--format=ndjson"], stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        found = [
            msgspec.json.decode(line)["endpoint"] for line in Path(output.name).read_bytes().splitlines()
        ]
    assert process.returncode == 0, command
    cpu = 1e6 * (usage.ru_utime + usage.ru_stime) / len(truth)
    return Swept(wall, cpu, usage.ru_maxrss / 1024, *verdict(truth, found))


def verdict(truth: Sequence[Truth], found: Sequence[str]) -> tuple[float, float]:
    """Recall and precision."""
    alive = {each.address for each in truth if each.alive}
    return len(alive & set(found)) / len(alive), len(alive & set(found)) / max(1, len(found))


def show(name: str, swept: Swept) -> None:
    figures = (
        f"{swept.wall:7.1f} {swept.recall:7.4f} {swept.precision:9.4f} {swept.cpu:7.0f} {swept.peak:8.0f}"
    )
    print(f"{name:40} {figures}", flush=True)


if __name__ == "__main__":
    main()
