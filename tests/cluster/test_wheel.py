"""A wheel holds everything: built from the sources, it runs the demo outside the checkout."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that the wheel is installed in."""
    wheels, target = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("installed")
    sources = tmp_path_factory.mktemp("sources")  # a build leaves its traces there, not in the checkout
    subprocess.run(["git", "checkout-index", "--all", f"--prefix={sources}/"], cwd=CHECKOUT, check=True)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    built = subprocess.run(
        [*pip, "wheel", "--no-deps", "--wheel-dir", wheels, sources],
        capture_output=True,
        text=True,
        check=False,
    )
    if built.returncode and "setuptools" in built.stderr:
        pytest.skip("no package index to fetch setuptools from, which builds the wheel")
    assert built.returncode == 0, built.stderr
    (wheel,) = wheels.glob("*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", target, wheel], check=True)
    return target


def test_demo_runs_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    environment = os.environ | {
        "PYTHONPATH": str(installed)
    }  # stands before the checkout, in Ray's workers, too
    where = subprocess.run(
        [sys.executable, "-c", "import eagleray; print(eagleray.__file__)"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(where.stdout.strip()).is_relative_to(installed)

    done = subprocess.run(
        [sys.executable, "-m", "eagleray", "demo", "--endpoints", "60", "--json"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )

    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["recall"], result["precision"], result["lost"], result["duplicates"]) == (1.0, 1.0, 0, 0)


def test_packaged_configuration_is_valid(installed: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "eagleray", "config", "check"]
    subprocess.run(command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(installed)}, check=True)
