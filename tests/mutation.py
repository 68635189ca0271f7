"""`python -m tests.mutation [-n N] [--seed S] [FILE…]`: does a test notice when a decision is changed?

N (300) small changes, chosen by the seed S (0), are made one by one in a copy of this tree: in `pipelines/`,
or in the files given, each in its turn. A change is killed when the unit tests fail, those that mirror the
file first. Where one survives, a test is missing, or the change makes no difference.
"""

import argparse
import ast
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import cache_from_source
from itertools import chain, islice, zip_longest
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parent.parent
TESTS = "tests/unit"
CPU_SECONDS = 60  # for one run of the tests, which needs 15: a change may loop without end
MEMORY = 4 << 30  # bytes for one run: … and collect
DECLARATIONS = {"annotation", "returns", "decorator_list"}  # they decide nothing
SWAPPED = {"min": "max", "max": "min", "any": "all", "all": "any"}
OPERATORS = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or,
    ast.Or: ast.And, ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div, ast.Mod: ast.Mult, ast.LShift: ast.RShift, ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.Break: ast.Continue, ast.Continue: ast.Break,
}  # fmt: skip


class Mutant(NamedTuple):
    """A changed file."""

    file: Path
    line: int
    change: str
    source: str


def others(node: ast.AST) -> Iterator[ast.AST]:
    """What may stand in the node's place."""
    match node:
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value) | float(value)):
            yield from (ast.Constant(value + 1), ast.Constant(value - 1))
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield operand
        case ast.Name(id=name) if name in SWAPPED:
            yield ast.Name(SWAPPED[name])
        case ast.Return(value=ast.AST() as value) if ast.unparse(value) != "None":
            yield ast.Return(ast.Constant(None))
        case ast.Expr(value=ast.Constant()) | ast.Assign(targets=[ast.Name(id="__slots__")]):
            return
        case ast.Expr() | ast.Assign() | ast.AugAssign() | ast.Raise():
            yield ast.Pass()
        case _ if type(node) in OPERATORS:
            yield OPERATORS[type(node)]()


def places(node: ast.AST) -> Iterator[tuple[Any, Any, int]]:
    """(container, key in it, line) of each node below this one; a container is a list, or a node's fields."""
    for field, value in ast.iter_fields(node):
        if field in DECLARATIONS or (isinstance(node, ast.ClassDef) and field == "keywords"):
            continue
        container, keys = (value, range(len(value))) if isinstance(value, list) else (vars(node), [field])
        for key in keys:
            if isinstance(child := container[key], ast.AST):
                yield container, key, getattr(child, "lineno", 0) or getattr(node, "lineno", 0)
                yield from places(child)


def mutants(file: Path) -> Iterator[Mutant]:
    tree = ast.parse((ROOT / file).read_text())
    original = ast.unparse(tree)
    for container, key, line in list(places(tree)):
        node = container[key]
        for other in others(node):
            container[key] = other
            source = ast.unparse(tree)
            container[key] = node
            lines = zip(original.splitlines(), source.splitlines(), strict=False)
            before, after = next((a.strip(), b.strip()) for a, b in lines if a != b)
            yield Mutant(file, line, f"{before}  ->  {after}", source)


def sample(files: list[Path], count: int, seed: int) -> list[Mutant]:
    chance = random.Random(seed)
    shuffled = [chance.sample(found, len(found)) for found in (list(mutants(file)) for file in files)]
    return list(islice((mutant for mutant in chain(*zip_longest(*shuffled)) if mutant), count))


def limit() -> None:
    os.nice(19)
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def passes(tree: Path, tests: str) -> bool:
    options = ["-x", "-q", "-p", "no:cacheprovider", "-o", "timeout=0", "--hypothesis-seed=0"]
    command = [sys.executable, "-m", "pytest", *options, tests]
    place = {"cwd": tree, "env": {**os.environ, "PYTHONPATH": str(tree)}}
    return not subprocess.run(command, **place, preexec_fn=limit, capture_output=True).returncode


def survives(mutant: Mutant, tree: Path) -> bool:
    file = tree / mutant.file
    original = file.read_text()
    file.write_text(mutant.source)
    Path(cache_from_source(str(file))).unlink(missing_ok=True)
    mirrored = Path("tests/unit") / mutant.file.with_name(f"test_{mutant.file.name}")
    alive = all(passes(tree, str(tests)) for tests in (mirrored, TESTS) if (tree / tests).exists())
    file.write_text(original)
    return alive


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation")
    parser.add_argument("-n", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("files", nargs="*", type=Path)
    wanted = parser.parse_args()
    files = wanted.files or sorted(file.relative_to(ROOT) for file in (ROOT / "pipelines").rglob("*.py"))
    with tempfile.TemporaryDirectory() as place:
        tree = Path(place) / "tree"
        shutil.copytree(ROOT, tree, symlinks=True, ignore=shutil.ignore_patterns(".*", "__pycache__"))
        if not passes(tree, TESTS):
            sys.exit("The tests fail without any change. Mend them first.")
        chosen, survived = sample(files, wanted.n, wanted.seed), 0
        for mutant in chosen:
            alive = survives(mutant, tree)
            survived += alive
            outcome = "survived" if alive else "killed"
            print(f"{outcome}\t{mutant.file}:{mutant.line}\t{mutant.change}", flush=True)
    print(f"{len(chosen)} mutants, {len(chosen) - survived} killed, {survived} survived")


if __name__ == "__main__":
    main()
