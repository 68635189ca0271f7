"""`python -m tests.bench [NAME…]`: run the named benchmarks, or all."""

import sys
from importlib import import_module
from pkgutil import iter_modules

from tests import bench


def main(wanted: list[str]) -> int:
    names = [module.name for module in iter_modules(bench.__path__) if not module.name.startswith("_")]
    if unknown := set(wanted) - set(names):
        print(
            f"no such benchmark: {', '.join(sorted(unknown))}; there are: {', '.join(names)}", file=sys.stderr
        )
        return 2
    for name in wanted or names:
        print(f"# {name}", flush=True)
        import_module(f"tests.bench.{name}").main()
    return 0


sys.exit(main(sys.argv[1:]))
