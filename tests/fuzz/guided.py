"""Input that atheris mutates, led by the code that it reaches.

libFuzzer, on which it stands, ends its process; so each target has one: `python -m tests.fuzz.guided TARGET
OPTION…`. What leads to new code stays in .fuzz/TARGET, where the next run goes on from.
"""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

AVAILABLE = find_spec("atheris") is not None
WHERE = "it has wheels for CPython 3.11 to 3.14 on Linux x86-64 only"
KEPT = Path(".fuzz")
# Bytes, seconds, MiB; and how near a comparison came counts as new, too: a number is found ten times sooner.
OPTIONS = ["-max_len=8192", "-timeout=20", "-rss_limit_mb=2048", "-use_value_profile=1"]
EXECUTIONS = re.compile(r"^stat::number_of_executed_units: +([0-9]+)$", re.MULTILINE)


class Finding(Exception):
    """Raised where a target did not hold: what the fuzzer has said of it."""


def fuzz(name: str, seconds: float) -> int:
    """Run a target for so many seconds, one at least; the number of executions.

    Raises:
        Finding: it failed, hung or took too much memory; the input lies in .fuzz.
    """
    with TemporaryDirectory() as directory:
        options = [*OPTIONS, f"-max_total_time={max(1, round(seconds))}", "-print_final_stats=1"]
        options += [f"-artifact_prefix={KEPT / name}-", *prepared(name, Path(directory))]
        command = [sys.executable, "-m", "tests.fuzz.guided", name, *options]
        ran = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    said = ran.stdout + ran.stderr
    if ran.returncode != 0 or not (executions := EXECUTIONS.search(said)):
        raise Finding(f"{name}, exit code {ran.returncode}\n{said[-10_000:]}")
    return int(executions[1])


def prepared(name: str, directory: Path) -> list[str]:
    """The options that name dictionary, corpus and seeds, which are written first."""
    from tests.fuzz.seeds import SEPARATOR, seeds_of
    from tests.fuzz.targets import TARGETS

    words = [word for word in [*TARGETS[name].pieces, SEPARATOR] if len(word) <= 64]  # libFuzzer's limit
    entries = ["".join(f"\\x{byte:02x}" for byte in word) for word in words]
    (dictionary := directory / "dictionary").write_text("".join(f'"{entry}"\n' for entry in entries))
    (seeds := directory / "seeds").mkdir()
    for number, seed in enumerate(sorted(seeds_of(name))):
        (seeds / str(number)).write_bytes(seed)
    (corpus := KEPT / name).mkdir(parents=True, exist_ok=True)
    return [f"-dict={dictionary}", str(corpus), str(seeds)]


def main(name: str, options: list[str]) -> None:
    import atheris

    with atheris.instrument_imports(include=["eagleray.pipelines"]):
        from tests.fuzz.seeds import chunks_of
        from tests.fuzz.targets import TARGETS
    check = TARGETS[name].check

    def one(data: bytes) -> None:
        chunks = chunks_of(data)
        try:
            check(chunks)
        except Exception:
            print(f"{name} does not hold for chunks = {chunks}", file=sys.stderr)
            raise

    atheris.Setup([sys.argv[0], *options], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
