import pytest

from eagleray.pipelines.proxies.anonymity import classify, own_address_pattern
from eagleray.pipelines.proxies.model import Anonymity

OURS = "198.51.100.7"
PLAIN = [("Host", "judge.example"), ("User-Agent", "Mozilla/5.0"), ("Accept", "*/*"), ("Connection", "close")]
BASELINE = frozenset(name.lower() for name, _ in PLAIN)

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
    "our address in a header we set": ([("Host", f"{OURS}:8080")], Anonymity.ELITE),
    "an unknown header": ([("X-Whatever", "y")], Anonymity.ELITE),
    "Proxy-Connection": ([("proxy-connection", "keep-alive")], Anonymity.ANONYMOUS),
    "X-Proxy-ID": ([("X-PROXY-ID", "1")], Anonymity.ANONYMOUS),
    "header twice, ours second": ([("Via", "1.1 a"), ("Via", f"1.1 {OURS}")], Anonymity.TRANSPARENT),
}


def level(added, own=(OURS,), baseline=BASELINE):
    return classify([*PLAIN, *added], own_address_pattern(own), baseline)


@pytest.mark.parametrize(("added", "expected"), PROXIES.values(), ids=PROXIES)
def test_real_proxies(added, expected):
    assert level(added) is expected


@pytest.mark.parametrize(("added", "expected"), HEADERS.values(), ids=HEADERS)
def test_headers(added, expected):
    assert level(added) is expected


def test_a_proxy_header_that_reaches_the_judge_anyway_tells_nothing():
    added = [("Via", "1.1 front"), ("X-Forwarded-For", "9.9.9.9")]
    assert level(added, baseline=BASELINE | {"via", "x-forwarded-for"}) is Anonymity.ELITE
    assert (
        level([("X-Forwarded-For", OURS)], baseline=BASELINE | {"x-forwarded-for"}) is Anonymity.TRANSPARENT
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('for="[2001:db8::7]:80"', Anonymity.TRANSPARENT),
        ("2001:DB8::7", Anonymity.TRANSPARENT),
        ("2001:db8::70", Anonymity.ANONYMOUS),
        ("1:2001:db8::7", Anonymity.ANONYMOUS),
    ],
)
def test_our_address_in_ipv6(value, expected):
    assert level([("Forwarded", value)], own=["2001:db8::7"]) is expected


def test_either_of_our_addresses_is_a_leak():
    assert level([("Via", "2001:db8::7")], own=[OURS, "2001:db8::7"]) is Anonymity.TRANSPARENT


def test_without_an_address_of_ours_nothing_leaks():
    assert level([("X-Forwarded-For", OURS)], own=[]) is Anonymity.ANONYMOUS
