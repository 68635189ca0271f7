"""`python -m tests.fuzz [TARGET…]`: FUZZ_SECONDS (300) in equal shares for the targets.

The target `engine` is the running engine against servers that talk nonsense; all others are parsers.

Of each share Hypothesis has one half: it makes input from whole pieces of a protocol, and shrinks what fails
to the smallest example. The other half has atheris, which mutates the cases of the unit tests, led by the
code that they reach. The first failure ends it all with its traceback, and exit code 1.
"""

import os
import sys

from tests.fuzz import engine, generated, guided
from tests.fuzz.targets import TARGETS

ENGINE = "engine"
SECONDS = 300.0  # in all, unless FUZZ_SECONDS says otherwise


def main(wanted: list[str]) -> int:
    targets = [*TARGETS, ENGINE]
    if unknown := set(wanted) - set(targets):
        print(
            f"no such target: {', '.join(sorted(unknown))}; there are: {', '.join(targets)}", file=sys.stderr
        )
        return 2
    fuzzers = {"generated": generated.fuzz, "guided": guided.fuzz}
    if not guided.AVAILABLE:
        print(f"atheris is not here ({guided.WHERE}): Hypothesis has all the time", file=sys.stderr)
        del fuzzers["guided"]
    names = wanted or targets
    seconds = float(os.environ.get("FUZZ_SECONDS", SECONDS)) / len(names)
    for name in names:
        if name == ENGINE:
            print(f"{name:12} {engine.fuzz(seconds).checks:>9,} checks", flush=True)
            continue
        for kind, fuzz in fuzzers.items():
            print(f"{name:12} {fuzz(name, seconds / len(fuzzers)):>9,} {kind}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
