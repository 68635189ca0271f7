from pathlib import Path

import pytest

from eagleray.actors.sinks.registry import WRITERS, create_writer

OPTIONS = {"sqlite": {"path": Path("never-opened.sqlite")}}


@pytest.mark.parametrize("kind", WRITERS)
def test_a_writer_bears_the_name_of_its_kind(kind):
    assert create_writer(kind, **OPTIONS[kind]).name == kind


def test_an_unknown_kind_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match=r"no store is called 'tape'; there are: .*sqlite"):
        create_writer("tape")
