from collections import Counter
from ipaddress import ip_address

import pytest

from eagleray.cluster.proving_ground.world import (
    LIVE,
    SHARES,
    Kind,
    Mix,
    Ports,
    apportioned,
    decode_truth,
    encode_truth,
    plan,
)
from eagleray.pipelines.proxies.model import Anonymity

PORTS = Ports(open=(1001, 1002), lost=2001, refused=3001, tls=4001)


@pytest.fixture(scope="module", params=list(Mix))
def world(request):
    return plan(request.param, 10_000, 7, PORTS)


def test_a_seed_gives_one_world_and_another_seed_another(world):
    again = plan(Mix.DEMO, 500, 7, PORTS)
    assert plan(Mix.DEMO, 500, 7, PORTS) == again
    assert plan(Mix.DEMO, 500, 8, PORTS) != again


def test_addresses_are_loopback_and_no_two_endpoints_share_one(world):
    assert len({truth.ip for truth in world}) == len(world)
    assert all(ip_address(truth.ip).is_loopback for truth in world)
    assert "127.0.0.1" not in {truth.ip for truth in world}


def test_ports_belong_to_the_way_a_kind_fails(world):
    home = {Kind.LOST_SYN: {2001}, Kind.REFUSED: {3001}, Kind.TLS_TO_PROXY: {4001}}
    assert all(truth.port in home.get(truth.kind, {1001, 1002}) for truth in world)


def test_only_the_live_have_protocols_and_an_exit(world):
    for truth in world:
        assert truth.alive == (truth.kind in LIVE) == bool(truth.protocols) == bool(truth.exit_ip)
        assert truth.alive == (truth.anonymity is not None) == (truth.tls is not None)
        assert truth.alive <= (truth.delay_ms > 0)


def test_a_proxy_that_does_not_forward_requests_is_elite(world):
    tunnels = [truth for truth in world if truth.alive and "http" not in truth.protocols]
    assert {truth.anonymity for truth in tunnels} == {Anonymity.ELITE}


def test_a_quarter_or_so_of_the_live_exit_elsewhere_from_no_endpoints_address():
    live = [truth for truth in plan(Mix.DEMO, 10_000, 7, PORTS) if truth.alive]
    elsewhere = [truth for truth in live if truth.exit_ip != truth.ip]
    assert 0.25 < len(elsewhere) / len(live) < 0.31
    assert not {truth.exit_ip for truth in elsewhere} & {truth.ip for truth in live}


@pytest.mark.parametrize(
    ("mix", "alive", "median", "longest"), [(Mix.DEMO, 2500, 50, 500), (Mix.FIELD, 110, 700, 7000)]
)
def test_share_of_the_live_and_their_delays(mix, alive, median, longest):
    delays = sorted(truth.delay_ms for truth in plan(mix, 10_000, 7, PORTS) if truth.alive)
    assert len(delays) == alive
    assert 0.6 * median < delays[len(delays) // 2] < 1.6 * median
    assert delays[-1] <= longest


@pytest.mark.parametrize("mix", list(Mix))
def test_shares_are_per_cent_of_every_kind(mix):
    assert sum(SHARES[mix].values()) == pytest.approx(100)
    assert set(SHARES[mix]) == set(Kind)


@pytest.mark.parametrize("total", [0, 1, 3, 10, 99])
def test_apportioning_gives_exactly_the_total_and_none_more_than_one_off(total):
    shares = {Kind.HTTP: 50.0, Kind.HANG: 33.0, Kind.CLOSE: 17.0}
    counts = Counter(apportioned(shares, total))
    assert counts.total() == total
    assert all(abs(counts[kind] - total * share / 100) < 1 for kind, share in shares.items())


def test_truth_survives_its_file(world):
    assert decode_truth(encode_truth(world)) == world
