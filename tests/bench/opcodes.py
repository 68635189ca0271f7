"""Bytecode instructions of a quick check, by file: a figure that no busy machine blurs."""

import asyncio
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import eagleray
from tests.bench.engine import compiled_c, hosts, serving

CHECKS = 1_000
IN_FLIGHT = 100
ROOT = Path(eagleray.__file__).parent
MOST = 14  # files that are shown


def main() -> None:
    if shutil.which("cc") is None:
        print("no C compiler: apt-get install gcc")
        return
    with tempfile.TemporaryDirectory() as folder, serving([compiled_c(Path(folder), "answerer")]) as port:
        asyncio.run(check(port))  # what is imported and compiled once is not counted
        counts: Counter[str] = Counter()
        sys.settrace(counting(counts))
        try:
            asyncio.run(check(port))
        finally:
            sys.settrace(None)
    print(
        f"{CHECKS} live endpoints, {IN_FLIGHT} in flight; instructions a check: {counts.total() / CHECKS:.0f}"
    )
    for file, count in counts.most_common(MOST):
        print(f"{count / CHECKS:8.0f} {file}")


def counting(counts: Counter[str]) -> Callable[..., Any]:
    """A trace function that counts the instructions of our own files."""

    def trace(frame: FrameType, _event: str, _argument: object) -> Any:
        path = Path(frame.f_code.co_filename)
        if ROOT not in path.parents:
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        name = str(path.relative_to(ROOT))

        def count(_frame: FrameType, event: str, _argument: object) -> Any:
            counts[name] += event == "opcode"
            return count

        return count

    return trace


async def check(port: int) -> None:
    """Check every endpoint, quickly."""
    rules = eagleray.CheckRules(depth=eagleray.Depth.QUICK)
    checking = eagleray.check(
        [f"{host}:{port}" for host in hosts()[:CHECKS]],
        judge=f"http://127.0.0.1:{port}/get",
        allow=["127.0.0.0/8"],
        rules=rules,
        concurrency=IN_FLIGHT,
    )
    assert [report.alive async for report in checking] == [True] * CHECKS


if __name__ == "__main__":
    main()
