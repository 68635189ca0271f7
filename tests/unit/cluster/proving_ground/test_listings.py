import json
import re

import pytest

from eagleray.cluster.proving_ground.listings import FORBIDDEN, listings
from eagleray.cluster.proving_ground.world import Mix, Ports, plan

WORLD = plan(Mix.DEMO, 1000, 3, Ports((1001, 1002), 2001, 3001, 4001))


@pytest.fixture(scope="module")
def bodies():
    return {listing.path: listing.body.decode() for listing in listings(WORLD, 3)}


def members(body):
    document = json.loads(body)
    rows = document if isinstance(document, list) else document.get("data") or document["proxies"]
    return [f"{row.get('ip')}:{row.get('port')}" for row in rows if isinstance(row, dict)]


def entries(path, body):
    if path.endswith(".json"):
        return members(body)
    return [line.rpartition("/")[2] for line in body.splitlines() if not line.startswith(("#", "//"))]


def test_every_endpoint_is_in_a_list(bodies):
    listed = {entry for path, body in bodies.items() for entry in entries(path, body)}
    assert {truth.address for truth in WORLD} <= listed


def test_nothing_listed_can_be_dialled_but_the_world_and_what_a_guard_refuses(bodies):
    known = {truth.address for truth in WORLD} | set(FORBIDDEN)
    for path, body in bodies.items():
        found = {entry for entry in entries(path, body) if re.fullmatch(r"[\d.]+:\d{1,5}", entry)}
        assert found - known <= {"127.1.2.300:8080", "127.1.2.3:99999"}
        assert set(FORBIDDEN) <= found


def test_lists_name_some_entries_twice(bodies):
    for path, body in bodies.items():
        listed = [entry for entry in entries(path, body) if entry in {truth.address for truth in WORLD}]
        assert len(set(listed)) < len(listed)


def test_most_labels_of_the_live_are_right_and_some_are_not(bodies):
    spoken = {truth.address: truth.protocols for truth in WORLD if truth.alive}
    labels = [
        (row["proxy"].partition("://")[2], row["protocol"])
        for row in json.loads(bodies["/list.json"])
        if isinstance(row, dict) and "proxy" in row
    ]
    right = [label in spoken[address] for address, label in labels if address in spoken]
    assert 0.75 < sum(right) / len(right) < 1


def test_a_seed_gives_the_same_lists():
    assert listings(WORLD, 3) == listings(WORLD, 3)
