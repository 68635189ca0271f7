"""`python -m tests.bench [NAME…]`: run the named benchmarks, or all but the soak; `soak [CHECKS]`."""

import sys
from importlib import import_module
from pkgutil import iter_modules

from tests import bench

LONG = {"soak"}  # run by name only: it takes minutes


def main(wanted: list[str]) -> int:
    if wanted[:1] == ["soak"] and len(wanted) == 2 and wanted[1].isdigit():
        import_module("tests.bench.soak").main(int(wanted[1]))
        return 0
    names = [module.name for module in iter_modules(bench.__path__) if not module.name.startswith("_")]
    if unknown := set(wanted) - set(names):
        print(
            f"no such benchmark: {', '.join(sorted(unknown))}; there are: {', '.join(names)}", file=sys.stderr
        )
        return 2
    for name in wanted or [name for name in names if name not in LONG]:
        print(f"# {name}", flush=True)
        import_module(f"tests.bench.{name}").main()
    return 0


sys.exit(main(sys.argv[1:]))
