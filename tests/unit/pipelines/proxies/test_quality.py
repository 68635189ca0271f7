import pytest

from eagleray.pipelines.proxies.model import Anonymity, Protocol
from eagleray.pipelines.proxies.quality import (
    DAY,
    HOUR,
    Weights,
    accuracy,
    completeness,
    consistency,
    quality,
    timeliness,
)

HTTP, HTTPS, SOCKS4, SOCKS5 = Protocol
ELITE, ANONYMOUS = Anonymity.ELITE, Anonymity.ANONYMOUS
NOW = 1_700_000_000


@pytest.mark.parametrize(
    ("known", "value"),
    [
        ((True, True, True, True), 1.0),
        ((True, False, False, False), 0.7),
        ((True, True, False, True), 0.9),
        ((False, False, False, False), 0.7 * 2 / 3),
    ],
    ids=["all", "required only", "no anonymity", "host and port only"],
)
def test_completeness(known, value):
    protocol, country, anonymity, source = known
    assert completeness(protocol, country, anonymity, source) == pytest.approx(value)


@pytest.mark.parametrize(
    ("claimed", "claimed_anonymity", "working", "anonymity", "value"),
    [
        ({HTTP}, ELITE, {HTTP}, ELITE, 1.0),
        ({HTTP, SOCKS4}, None, {HTTP}, None, 0.5),
        ({SOCKS4}, None, {HTTP}, None, 0.0),
        ({HTTP}, None, {HTTP, HTTPS, SOCKS5}, ELITE, 1.0),
        ({HTTP}, ELITE, {HTTP}, ANONYMOUS, 0.5),
        ({HTTP}, ELITE, {HTTP}, None, 1.0),
        (set(), ELITE, {HTTP}, ANONYMOUS, 0.0),
        (set(), None, {HTTP}, ELITE, 1.0),
        ({HTTP}, ELITE, set(), None, 0.0),
        (set(), None, set(), None, 0.0),
    ],
    ids=[
        "all true",
        "one of two",
        "another one",
        "more than claimed",
        "not so anonymous",
        "anonymity not measured",
        "only a wrong anonymity",
        "no claim",
        "never worked",
        "never worked, no claim",
    ],
)
def test_accuracy(claimed, claimed_anonymity, working, anonymity, value):
    assert accuracy(frozenset(claimed), claimed_anonymity, frozenset(working), anonymity) == value


@pytest.mark.parametrize(
    ("successes", "failures", "value"), [(0, 0, 0.0), (0, 3, 0.0), (3, 0, 1.0), (1.5, 0.5, 0.75)]
)
def test_consistency(successes, failures, value):
    assert consistency(successes, failures) == value


@pytest.mark.parametrize(
    ("last_ok", "value"),
    [
        (NOW, 1.0),
        (NOW - HOUR + 1, 1.0),
        (NOW - HOUR, 0.8),
        (NOW - DAY + 1, 0.8),
        (NOW - DAY, 0.5),
        (0, 0.0),
        (NOW + 9, 1.0),
    ],
    ids=["now", "under an hour", "an hour", "under a day", "a day", "never", "a clock set back"],
)
def test_timeliness(last_ok, value):
    assert timeliness(last_ok, NOW) == value


def test_weights():
    weights = Weights(0.4, 0.3, 0.2, 0.1)
    parts = [quality(weights, *(float(at == part) for at in range(4))) for part in range(4)]
    assert parts == [0.4, 0.3, 0.2, 0.1]
    assert quality(Weights(), 1.0, 1.0, 1.0, 1.0) == pytest.approx(1.0)
