from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eagleray.pipelines.proxies import packing
from eagleray.pipelines.proxies.latency import Latency
from eagleray.pipelines.proxies.model import Anonymity, Candidate, Credentials, Endpoint, Protocol
from eagleray.pipelines.proxies.packing import (
    HINT,
    STATE,
    WELL_LISTED,
    Hint,
    State,
    bin_of,
    endpoint_key,
    endpoint_of,
    hint_of,
    merge,
    source_id,
)
from eagleray.pipelines.proxies.score import Evidence

HTTP, HTTPS, SOCKS4, SOCKS5 = Protocol
TEXTS = st.text(max_size=40)
ENDPOINTS = st.builds(
    Endpoint,
    host=st.ip_addresses().map(str),
    port=st.integers(1, 65_535),
    credentials=st.none() | st.builds(Credentials, username=TEXTS, password=TEXTS),
)
SETS = st.frozensets(st.sampled_from(Protocol))
LEVELS = st.none() | st.sampled_from(Anonymity)
HINTS = st.builds(
    Hint,
    protocols=SETS,
    anonymity=LEVELS,
    country=st.sampled_from(["", "DE", "US"]),
    source_id=st.integers(0, 2**32 - 1),
)
SINGLE = st.floats(0, 1e6, width=32)
TIMES = st.integers(0, 2**32 - 1)
STATES = st.builds(
    State,
    evidence=st.builds(Evidence, successes=SINGLE, failures=SINGLE, at=TIMES),
    latency=st.none()
    | st.builds(Latency, mu=st.floats(-4, 15, width=32), variance=st.floats(2**-13, 64, width=32)),
    first_seen=TIMES,
    first_ok=TIMES,
    last_ok=TIMES,
    checks=TIMES,
    failures_in_row=st.integers(0, 2**16 - 1),
    protocols=SETS,
    anonymity=LEVELS,
)


@pytest.mark.parametrize(
    ("endpoint", "key"),
    [
        (Endpoint("1.2.3.4", 8080), "04 01020304 1f90"),
        (Endpoint("2001:db8::1", 1), "06 20010db8000000000000000000000001 0001"),
        (Endpoint("1.2.3.4", 8080, Credentials("me", "pw")), "04 01020304 1f90 0002 6d65 7077"),
        (Endpoint("1.2.3.4", 8080, Credentials("", "")), "04 01020304 1f90 0000"),
    ],
    ids=["IPv4", "IPv6", "credentials", "empty credentials"],
)
def test_key(endpoint, key):
    assert endpoint_key(endpoint) == bytes.fromhex(key)
    assert endpoint_of(bytes.fromhex(key)) == endpoint


@given(a=ENDPOINTS, b=ENDPOINTS)
def test_keys_are_one_to_one(a, b):
    assert endpoint_of(endpoint_key(a)) == a
    assert (endpoint_key(a) == endpoint_key(b)) is (a == b)


@given(hint=HINTS)
def test_hint_round_trip(hint):
    assert Hint.unpack(hint.pack()) == hint


@given(state=STATES)
def test_state_round_trip(state):
    assert State.unpack(state.pack()) == state


def test_zero_bytes_are_the_state_of_the_unchecked():
    assert State.unpack(bytes(STATE.size)) == State(Evidence())
    assert State(Evidence()).pack() == bytes(STATE.size)


def test_counters_stop_at_their_ends():
    state = State(Evidence(), checks=2**32, failures_in_row=2**16)
    assert State.unpack(state.pack()) == State(Evidence(), checks=2**32 - 1, failures_in_row=2**16 - 1)


def test_sizes():
    """The budget of a frontier's slot."""
    assert HINT.size + STATE.size <= 64


@pytest.mark.parametrize(
    ("old", "new", "merged"),
    [
        (Hint(), Hint(), Hint()),
        (Hint(frozenset({HTTP})), Hint(frozenset({SOCKS4})), Hint(frozenset({HTTP, SOCKS4}))),
        (
            Hint(),
            Hint(anonymity=Anonymity.ELITE, country="DE", source_id=7),
            Hint(frozenset(), Anonymity.ELITE, "DE", 7),
        ),
        (
            Hint(country="US", source_id=1),
            Hint(anonymity=Anonymity.ELITE, country="DE", source_id=7),
            Hint(frozenset(), Anonymity.ELITE, "US", 1),
        ),
        (Hint(source_id=1, listed_in=2), Hint(source_id=5, listed_in=32), Hint(source_id=1, listed_in=34)),
    ],
    ids=["nothing", "union", "first known", "first come", "sources"],
)
def test_merge(old, new, merged):
    assert Hint.unpack(merge(old.pack(), new.pack())) == merged


@given(a=HINTS, b=HINTS, c=HINTS)
def test_merge_is_associative_and_idempotent(a, b, c):
    a, b, c = a.pack(), b.pack(), c.pack()
    assert merge(merge(a, b), c) == merge(a, merge(b, c))
    assert merge(merge(a, b), b) == merge(a, b)


def test_hint_of_a_candidate():
    candidate = Candidate(
        Endpoint("1.2.3.4", 80), frozenset({HTTPS, SOCKS5}), "DE", Anonymity.ANONYMOUS, "a list"
    )
    assert Hint.unpack(hint_of(candidate)) == Hint(
        frozenset({HTTPS, SOCKS5}),
        Anonymity.ANONYMOUS,
        "DE",
        source_id("a list"),
        bin_of(source_id("a list")),
    )
    assert hint_of(Candidate(Endpoint("1.2.3.4", 80))) == bytes(HINT.size)


def test_what_many_sources_list_is_well_listed_however_often_they_are_polled():
    names = [*"abcdefgh"] * 3
    listed = [hint_of(Candidate(Endpoint("1.2.3.4", 80), source=name)) for name in names]
    counts = [Hint.unpack(reduce(merge, listed[:n])).listed_in.bit_count() for n in (1, 2, 8, 24)]
    assert counts[0] == 1
    assert counts[1] == 2
    assert WELL_LISTED <= counts[2] == counts[3]
    assert not Hint.unpack(listed[0]).well_listed
    assert Hint.unpack(reduce(merge, listed)).well_listed


def test_a_country_that_is_no_code_does_not_break_the_layout():
    assert Hint.unpack(Hint(country="ÅÄÖ").pack()).country == "??"


def test_every_set_of_protocols_has_a_text():
    assert packing.PROTOCOL_TEXTS[frozenset()] == ""
    assert packing.PROTOCOL_TEXTS[frozenset(Protocol)] == "http,https,socks4,socks5"
    assert len(packing.PROTOCOL_TEXTS) == 16
