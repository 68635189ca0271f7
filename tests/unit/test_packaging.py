import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import eagleray

ROOT = Path(__file__).parents[2]
ROOMS = ("actors", "cluster", "pipelines")

IMPORT_ALL = """
import json, pkgutil, sys
from importlib import import_module
import eagleray.pipelines as room
names = [module.name for module in pkgutil.walk_packages(room.__path__, room.__name__ + ".")]
for name in names:
    import_module(name)
print(json.dumps([names, list(sys.modules)]))
"""
IMPORT_CLI = """
import json, sys
import eagleray.cluster.cli.main, eagleray.cluster.cli.console
print(json.dumps([["eagleray.cluster.cli.main"], list(sys.modules)]))
"""


def loaded(code: str) -> tuple[list[str], set[str]]:
    """What a fresh interpreter was asked to import, and the top-level packages it has loaded then."""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    names, modules = json.loads(ran.stdout)
    return names, {name.partition(".")[0] for name in modules}


def test_the_list_of_packages_is_complete():
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    found = {
        ".".join(["eagleray", *path.parent.relative_to(ROOT).parts])
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
    }
    assert set(setuptools["packages"]) == found | {"eagleray", "eagleray.configs"}


@pytest.mark.parametrize("room", ROOMS)
def test_every_folder_with_modules_is_a_package(room):
    folders = {path.parent for path in (ROOT / room).rglob("*.py")}
    assert [str(folder) for folder in folders if not (folder / "__init__.py").exists()] == []


def test_pipelines_import_without_ray():
    names, modules = loaded(IMPORT_ALL)
    assert len(names) > 10
    assert modules.isdisjoint({"ray", "aiohttp", "uvloop", "pydantic", "sqlite3"})


def test_the_command_lines_frame_imports_nothing_heavy():
    _, modules = loaded(IMPORT_CLI)
    assert modules.isdisjoint({"ray", "numpy", "pydantic", "aiohttp"})


def test_a_name_of_the_package_is_looked_up_once():
    assert eagleray.Outcome is vars(eagleray)["Outcome"]
