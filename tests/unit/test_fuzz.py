"""What `make fuzz` begins with holds already; what it finds goes to the tests of the code in question."""

import pytest

from tests.fuzz.seeds import SEEDS, SEPARATOR, chunks_of, seeds_of
from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_every_seed_holds(name: str) -> None:
    seeds = seeds_of(name)
    assert len(seeds) > 10
    for seed in seeds:
        TARGETS[name].check(chunks_of(seed))


@pytest.mark.parametrize("name", TARGETS)
def test_a_seed_comes_apart_into_the_chunks_of_its_case(name: str) -> None:
    for chunks in SEEDS[name]:
        assert chunks_of(SEPARATOR.join(chunks)) == [chunk for chunk in chunks if chunk]
