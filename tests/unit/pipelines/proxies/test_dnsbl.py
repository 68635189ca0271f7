"""DNS block lists: names asked for, and what answers mean."""

import dns.name
import dns.reversename
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eagleray.pipelines.proxies.dnsbl import (
    MAX_ZONE,
    TEST_ENTRIES,
    parse_nameserver,
    parse_zone,
    query_name,
    self_test_problem,
    verdict,
)

# RFC 5782 sections 2.1 and 2.4, and its test entries.
NAMES = {
    "192.0.2.99": "99.2.0.192",
    "2001:db8:1:2:3:4:567:89ab": "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2",
    "::ffff:127.0.0.2": "2.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0",
}


@pytest.mark.parametrize(("address", "name"), NAMES.items())
def test_the_names_of_the_rfc(address, name):
    assert query_name(address, "bad.example.com") == f"{name}.bad.example.com"


@given(st.ip_addresses().filter(lambda address: not getattr(address, "ipv4_mapped", None)))
def test_names_are_those_that_the_dns_library_makes(address):
    origin = dns.name.from_text("bl.example")
    name = dns.reversename.from_address(str(address), origin, origin)
    assert query_name(str(address), "bl.example") == name.to_text(omit_final_dot=True)


@pytest.mark.parametrize("address", ["", "example.com", "127.0.0.256", "127.1"])
def test_no_name_for_what_is_no_address(address):
    with pytest.raises(ValueError, match="address"):
        query_name(address, "bl.example")


@pytest.mark.parametrize(
    ("text", "zone"),
    [
        ("zen.spamhaus.org", "zen.spamhaus.org"),
        ("BL.Example.", "bl.example"),
        ("local", "local"),
        ("0key-1._x.example", "0key-1._x.example"),
        ("a.xn--fiqs8s", "a.xn--fiqs8s"),
        ("1.2.3.4.example", "1.2.3.4.example"),
    ],
)
def test_a_zone(text, zone):
    assert parse_zone(text) == zone


LONGEST = ".".join(["a" * 62, "b" * 63, "c" * 62])


def test_the_longest_zone_leaves_room_for_an_ipv6_address():
    assert parse_zone(LONGEST) == LONGEST
    assert len(LONGEST) == MAX_ZONE
    assert len(query_name("::1", LONGEST)) == 253
    with pytest.raises(ValueError, match="190 characters"):
        parse_zone(f"a{LONGEST}")


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "a..b",
        "-a.example",
        "a-.example",
        "a b",
        "https://bl.example",
        "bl.example:53",
        "bl.example\n",
        "127.0.0.1",
        "bl.1",
        "::1",
        "ä.example",
        f"{'a' * 64}.example",
        "bl.example..",
        "*.example",
    ],
)
def test_no_zone(text):
    with pytest.raises(ValueError, match="not the name of a DNS zone"):
        parse_zone(text)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("192.0.2.53", "192.0.2.53", 53),
        ("192.0.2.53:5353", "192.0.2.53", 5353),
        ("2001:db8::53", "2001:db8::53", 53),
        ("[2001:db8::53]", "2001:db8::53", 53),
        ("[::1]:5353", "::1", 5353),
    ],
)
def test_a_nameserver(text, host, port):
    server = parse_nameserver(text)
    assert (server.host, server.port) == (host, port)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "dns.example",
        "dns.example:53",
        "192.0.2.53:",
        "192.0.2.53:0",
        "192.0.2.53:65536",
        "192.0.2",
        ":53",
        "[192.0.2.53]:53",
        "[::1",
        "::1]",
        "[]:53",
        "fe80::1%eth0",
        "192.0.2.53:5:3",
        "192.0.2.53 ",
        "1:2:3",
    ],
)
def test_no_nameserver(text):
    with pytest.raises(ValueError, match="not"):
        parse_nameserver(text)


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ([], ""),
        (["127.0.0.2"], "127.0.0.2"),
        (["127.0.0.10", "127.0.0.4", "127.0.0.10"], "127.0.0.4,127.0.0.10"),
        (["127.255.254.255"], "127.255.254.255"),
        (
            ["127.255.255.254"],
            "unknown: the list refuses to answer, 127.255.255.254: it was asked through a public resolver",
        ),
        (["127.0.0.2", "127.255.255.7"], "unknown: the list refuses to answer, 127.255.255.7"),
        (["198.51.100.1"], "unknown: 198.51.100.1 is no list's answer: the resolver makes up its own"),
        (
            ["127.0.0.2", "128.0.0.0"],
            "unknown: 128.0.0.0 is no list's answer: the resolver makes up its own",
        ),
    ],
)
def test_what_an_answer_means(records, said):
    assert verdict(records) == said


@pytest.mark.parametrize(
    ("version", "listed", "unlisted", "problem"),
    [
        (4, "127.0.0.2", "", ""),
        (6, "127.0.0.2,127.0.0.4", "", ""),
        (4, "", "", "it does not list 127.0.0.2, as each list of IPv4 addresses does"),
        (6, "", "127.0.0.2", "it does not list ::ffff:127.0.0.2, as each list of IPv6 addresses does"),
        (4, "127.0.0.2", "127.0.0.2", "it lists 127.0.0.1, so probably everything"),
        (4, "unknown: SERVFAIL", "", "SERVFAIL"),
        (4, "127.0.0.2", "unknown: no answer", "no answer"),
    ],
)
def test_the_self_test(version, listed, unlisted, problem):
    assert self_test_problem(version, listed, unlisted) == problem


def test_the_test_entries_are_addresses_of_their_version():
    lengths = {
        version: {query_name(entry, "x").count(".") for entry in TEST_ENTRIES[version]} for version in (4, 6)
    }
    assert lengths == {4: {4}, 6: {32}}
