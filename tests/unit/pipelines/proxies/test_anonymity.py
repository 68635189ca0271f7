import pytest

from eagleray.pipelines.proxies import anonymity
from eagleray.pipelines.proxies.anonymity import OwnAddresses, classify, entry_counts
from eagleray.pipelines.proxies.model import Anonymity

OURS = "198.51.100.7"
PLAIN = [("Host", "judge.example"), ("User-Agent", "Mozilla/5.0"), ("Accept", "*/*"), ("Connection", "close")]
BASELINE = entry_counts(PLAIN)

# What real proxies add to a request, and the level that follows.
PROXIES = {
    "squid": (
        [("Via", "1.1 host (squid/5.7)"), ("X-Forwarded-For", OURS), ("Cache-Control", "max-age=259200")],
        Anonymity.TRANSPARENT,
    ),
    "squid, forwarded_for delete": (
        [("Via", "1.1 host (squid/5.7)"), ("Cache-Control", "max-age=259200")],
        Anonymity.ANONYMOUS,
    ),
    "squid, forwarded_for off": (
        [("Via", "1.1 host (squid/5.7)"), ("X-Forwarded-For", "unknown")],
        Anonymity.ANONYMOUS,
    ),
    "squid, via off": ([("Cache-Control", "max-age=259200")], Anonymity.ELITE),
    "tinyproxy": ([("Via", "1.1 tinyproxy (tinyproxy/1.11.1)")], Anonymity.ANONYMOUS),
    "tinyproxy, DisableViaHeader": ([], Anonymity.ELITE),
    "tinyproxy, XTinyproxy": ([("X-Tinyproxy", OURS)], Anonymity.TRANSPARENT),
    "privoxy, ncat, mitmproxy, sing-box": ([], Anonymity.ELITE),
    "apache2, ProxyVia On": ([("Via", "1.1 localhost:8080")], Anonymity.ANONYMOUS),
    "proxy.py": ([("Via", "1.1 proxy.py v2.4.10")], Anonymity.ANONYMOUS),
}

HEADERS = {
    "Forwarded with our address": ([("Forwarded", f'for="{OURS}:4711";proto=http')], Anonymity.TRANSPARENT),
    "our address in a list": ([("X-Forwarded-For", f"10.0.0.1,{OURS}, 9.9.9.9")], Anonymity.TRANSPARENT),
    "our address mapped into IPv6": ([("X-Real-IP", f"::ffff:{OURS}")], Anonymity.TRANSPARENT),
    "our address in an unknown header": ([("X-Whatever", f"({OURS})")], Anonymity.TRANSPARENT),
    "an address that begins with ours": ([("X-Real-IP", OURS + "1")], Anonymity.ANONYMOUS),
    "an address that ends with ours": ([("X-Real-IP", "1" + OURS)], Anonymity.ANONYMOUS),
    "a number that holds ours": ([("X-Version", OURS + ".2")], Anonymity.ELITE),
    "our address in Host, as the judge's": ([("Host", f"{OURS}:8080")], Anonymity.ELITE),
    "our address in a header that we send": (
        [("User-Agent", f"Mozilla/5.0 ({OURS})")],
        Anonymity.TRANSPARENT,
    ),
    "our address mapped into IPv6, in hexadecimal": ([("X-Note", "::ffff:c633:6407")], Anonymity.TRANSPARENT),
    "another address mapped into IPv6": ([("X-Note", "::ffff:c633:6408")], Anonymity.ELITE),
    "our address behind a hostname": ([("X-Note", f"dead:{OURS}")], Anonymity.TRANSPARENT),
    "a time": ([("X-Note", "12:34:56")], Anonymity.ELITE),
    "colons": ([("X-Note", ":" * 5000 + "0:" * 5000)], Anonymity.ELITE),
    "an unknown header": ([("X-Whatever", "y")], Anonymity.ELITE),
    "Proxy-Connection": ([("proxy-connection", "keep-alive")], Anonymity.ANONYMOUS),
    "X-Proxy-ID": ([("X-PROXY-ID", "1")], Anonymity.ANONYMOUS),
    "header twice, ours second": ([("Via", "1.1 a"), ("Via", f"1.1 {OURS}")], Anonymity.TRANSPARENT),
}


def level(added, own=(OURS,), baseline=BASELINE):
    return classify([*PLAIN, *added], OwnAddresses(own), baseline)


@pytest.mark.parametrize(("added", "expected"), PROXIES.values(), ids=PROXIES)
def test_real_proxies(added, expected):
    assert level(added) is expected


@pytest.mark.parametrize(("added", "expected"), HEADERS.values(), ids=HEADERS)
def test_headers(added, expected):
    assert level(added) is expected


@pytest.mark.parametrize(
    "name",
    [
        "CDN-Loop",
        "ClientIP",
        "Fastly-Client-IP",
        "Max-Forwards",
        "Remote-Addr",
        "X-Original-Forwarded-For",
        "X-ProxyUser-Ip",
        "X-Varnish",
        "X-Via",
        "X_Forwarded_For",
    ],
)
def test_what_proxies_and_content_networks_add(name):
    assert level([(name, "10.0.0.1")]) is Anonymity.ANONYMOUS


def test_a_proxy_header_that_reaches_the_judge_anyway_tells_nothing():
    front = [("Via", "1.1 front"), ("X-Real_IP", "9.9.9.9")]
    assert level(front, baseline=entry_counts([*PLAIN, *front])) is Anonymity.ELITE
    assert level([("Via", OURS)], baseline=entry_counts([*PLAIN, *front])) is Anonymity.TRANSPARENT


@pytest.mark.parametrize(
    "added",
    [
        [("Via", "1.1 squid, 1.1 front")],
        [("Via", "1.1 squid"), ("via", "1.1 front")],
        [("Via", "1.1 front"), ("Forwarded", "for=10.0.0.1, for=9.9.9.9")],
    ],
    ids=["in one header", "in one of its own", "Forwarded"],
)
def test_an_entry_more_than_reaches_the_judge_anyway_is_a_proxys(added):
    baseline = entry_counts([*PLAIN, ("Via", "1.1 front"), ("Forwarded", "for=9.9.9.9")])
    assert level(added, baseline=baseline) is Anonymity.ANONYMOUS


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('for="[2001:db8::7]:80"', Anonymity.TRANSPARENT),
        ("2001:DB8::7", Anonymity.TRANSPARENT),
        ("2001:db8::70", Anonymity.ANONYMOUS),
        ("1:2001:db8::7", Anonymity.ANONYMOUS),
        ("2001:db8:0:0:0:0:0:7", Anonymity.TRANSPARENT),
        ("2001:0DB8:0000:0000:0000:0000:0000:0007", Anonymity.TRANSPARENT),
        ("/2001:db8:0:0:0:0:0:7:4711", Anonymity.TRANSPARENT),
        ("[2001:db8:0:0::7]:4711", Anonymity.TRANSPARENT),
        ("2001:db8:0:0:0:0:0:7%eth0", Anonymity.TRANSPARENT),
        ("2001:db8:0:0:0:0:0:70", Anonymity.ANONYMOUS),
    ],
)
def test_our_address_in_ipv6(value, expected):
    assert level([("Forwarded", value)], own=["2001:db8::7"]) is expected


def test_what_a_hostile_page_makes_us_parse_is_bounded(monkeypatch):
    parsed = []
    monkeypatch.setattr(anonymity, "canonical", lambda text: parsed.append(text) or text)
    assert level([("X-Note", "1::1, " * 5000)] * 2) is Anonymity.ELITE
    assert len(parsed) == 2 * anonymity.MAX_SPELLED


def test_values_of_two_headers_make_no_address():
    assert level([("X-A", "198.51.100"), ("X-B", ".7"), ("X-C", "::ffff:c633"), ("X-D", ":6407")]) is (
        Anonymity.ELITE
    )


def test_either_of_our_addresses_is_a_leak():
    assert level([("Via", "2001:db8::7")], own=[OURS, "2001:db8::7"]) is Anonymity.TRANSPARENT


def test_without_an_address_of_ours_nothing_leaks():
    assert level([("X-Forwarded-For", OURS)], own=[]) is Anonymity.ANONYMOUS


def test_entries_are_counted_alike_in_one_header_and_in_several():
    assert entry_counts([("Via", "1.1 a, 1.1 b"), ("X_Note", "c")]) == {"via": 2, "x-note": 1}
    assert entry_counts([("Via", "1.1 a"), ("via", "1.1 b")]) == {"via": 2}
