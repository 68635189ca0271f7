from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eagleray.pipelines.addresses import Allowed, parse_networks

GLOBAL = ["8.8.8.8", "1.1.1.1", "223.255.255.254", "2606:4700::1111", "2a00:1450::1"]

NOT_GLOBAL = {
    "this network": "0.0.0.0",
    "private 10/8": "10.0.0.1",
    "shared": "100.64.0.1",
    "loopback": "127.0.0.1",
    "link-local, metadata service": "169.254.169.254",
    "private 172.16/12": "172.31.255.255",
    "documentation": "192.0.2.1",
    "6to4 relay": "192.88.99.1",
    "private 192.168/16": "192.168.1.1",
    "benchmarking": "198.18.0.1",
    "multicast": "224.0.0.1",
    "reserved": "240.0.0.1",
    "broadcast": "255.255.255.255",
    "IPv6 unspecified": "::",
    "IPv6 loopback": "::1",
    "mapped loopback": "::ffff:127.0.0.1",
    "mapped global": "::ffff:8.8.8.8",
    "compatible": "::8.8.8.8",
    "NAT64 of private": "64:ff9b::10.0.0.1",
    "NAT64 of local use": "64:ff9b:1::1",
    "discard": "100::1",
    "Teredo": "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "IPv6 documentation": "2001:db8::1",
    "6to4 of loopback": "2002:7f00:1::1",
    "6to4 of global": "2002:808:808::1",
    "newer documentation": "3fff::1",
    "segment routing": "5f00::1",
    "unique local": "fd00::1",
    "IPv6 link-local": "fe80::1",
    "site-local": "fec0::1",
    "IPv6 multicast": "ff0e::1",
    "zone": "2606:4700::1111%eth0",
}

NO_ADDRESSES = [
    "",
    "localhost",
    "127.1",
    "0x7f000001",
    "2130706433",
    "127.0.0.01",
    " 8.8.8.8",
    "8.8.8.8\n",
    "[::1]",
]


@pytest.mark.parametrize("host", GLOBAL)
def test_global_addresses_may_be_dialled(host):
    assert Allowed()(host)


@pytest.mark.parametrize("host", NOT_GLOBAL.values(), ids=NOT_GLOBAL)
def test_others_may_not(host):
    assert not Allowed()(host)


@pytest.mark.parametrize("host", NO_ADDRESSES)
def test_what_is_no_address_may_not(host):
    assert not Allowed(["0.0.0.0/0", "::/0"])(host)


@pytest.mark.parametrize(
    ("ranges", "host", "allowed"),
    [
        (["127.0.0.0/8"], "127.9.9.9", True),
        (["127.0.0.1"], "127.0.0.1", True),
        (["127.0.0.1"], "127.0.0.2", False),
        (["127.0.0.0/8"], "10.0.0.1", False),
        (["127.0.0.0/8"], "8.8.8.8", True),
        (["127.0.0.0/8"], "::1", False),
        (["127.0.0.0/8"], "::ffff:127.0.0.1", False),
        (["::1"], "::1", True),
        (["10.0.0.0/8", "::1"], "10.1.2.3", True),
    ],
)
def test_the_user_may_allow_ranges(ranges, host, allowed):
    assert Allowed(ranges)(host) is allowed


@pytest.mark.parametrize("text", ["", "localhost", "127.0.0.1/8", "127.0.0.0/33", "::/129", "127.0.0.0-9"])
def test_what_is_no_network_is_refused(text):
    with pytest.raises(ValueError, match=r"does not appear|has host bits"):
        parse_networks((text,))


@pytest.mark.parametrize(
    ("host", "listed"),
    [("8.8.8.8", True), ("225.107.100.1", True), ("10.0.0.1", False), ("240.0.0.1", False)],
)
def test_lists_may_name_global_multicast(host, listed):
    assert Allowed().lists(host) is listed


@given(host=st.text(max_size=40))
def test_any_text_gets_an_answer(host):
    assert not Allowed()(host) or ip_address(host).is_global


@given(address=st.ip_addresses())
def test_nothing_but_what_python_calls_global(address):
    assert Allowed()(str(address)) <= address.is_global
