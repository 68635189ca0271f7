"""What the documentation says of the code, it says exactly."""

import re
from pathlib import Path

import pytest

from eagleray.actors.sinks.log.frames import HEADER, MARKER, encode
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


def test_a_frame_is_documented_as_it_is():
    text = (DOCS / "DURABILITY.md").read_text()
    fields = {name: int(size) for name, size in re.findall(r"^\| `(\w+)` \| (\d+) \| ", text, re.MULTILINE)}
    assert list(fields) == ["marker", "crc", "length", "records", "number", "time"]
    assert sum(fields.values()) == HEADER.size
    frame = encode(b"payload", 2, 3, 0.0)
    start = {name: sum(list(fields.values())[:index]) for index, name in enumerate(fields)}
    read = {
        name: int.from_bytes(frame[start[name] : start[name] + size], "little")
        for name, size in fields.items()
    }
    assert (read["length"], read["records"], read["number"]) == (7, 2, 3)
    assert f'F5 "{MARKER[1:].decode()}"' in text
