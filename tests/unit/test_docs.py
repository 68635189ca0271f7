"""What the documentation says of the code, it says exactly."""

import re
from pathlib import Path

import pytest

from eagleray.pipelines.proxies.outcome import Outcome

DOCS = Path(__file__).parents[2] / "docs"
ROW = re.compile(r"^\| `(\w+)` \| (\w+) \| (.+?) \| (.+) \|$", re.MULTILINE)


@pytest.fixture(scope="module")
def rows() -> dict[str, tuple[str, str]]:
    found = ROW.findall((DOCS / "OUTCOMES.md").read_text())
    return {name: (charge, meaning) for name, charge, meaning, _ in found}


def test_every_outcome_is_documented_and_no_other(rows):
    assert list(rows) == [outcome.value for outcome in Outcome]


@pytest.mark.parametrize("outcome", Outcome)
def test_an_outcome_is_documented_as_it_is(rows, outcome):
    assert rows[outcome] == (outcome.charge, outcome.meaning)
