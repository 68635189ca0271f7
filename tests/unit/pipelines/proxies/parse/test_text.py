"""Every form of a line."""

from collections.abc import Iterator
from typing import Any

import pytest

from eagleray.pipelines.proxies.model import Anonymity, Candidate, Credentials, Endpoint, Protocol
from eagleray.pipelines.proxies.parse import Labels, Refusal, parse_lines, stream_lines
from eagleray.pipelines.proxies.parse.lines import MAX_LINE

HTTP, HTTPS, SOCKS4, SOCKS5 = Protocol
USER = Credentials("user", "pass")


def items(line: str, **labels: Any) -> list[Candidate | Refusal]:
    return list(parse_lines([line], Labels(**labels)))


def only(line: str, **labels: Any) -> Candidate:
    (item,) = items(line, **labels)
    assert isinstance(item, Candidate)
    return item


@pytest.mark.parametrize(
    ("line", "host", "credentials", "protocols"),
    [
        ("192.0.2.1:80", "192.0.2.1", None, set()),
        ("  192.0.2.1:80\t", "192.0.2.1", None, set()),
        ("http://192.0.2.1:80", "192.0.2.1", None, {HTTP}),
        ("https://192.0.2.1:80/", "192.0.2.1", None, {HTTPS}),
        ("CONNECT://192.0.2.1:80", "192.0.2.1", None, {HTTPS}),
        ("socks4a://192.0.2.1:80", "192.0.2.1", None, {SOCKS4}),
        ("socks5h://192.0.2.1:80#name", "192.0.2.1", None, {SOCKS5}),
        ("socks://192.0.2.1:80", "192.0.2.1", None, {SOCKS4, SOCKS5}),
        ("http://user:pass@192.0.2.1:80", "192.0.2.1", USER, {HTTP}),
        ("user:pass@192.0.2.1:80", "192.0.2.1", USER, set()),
        ("user:8080@192.0.2.1:80", "192.0.2.1", Credentials("user", "8080"), set()),
        ("us%40er:p%3Ass@192.0.2.1:80", "192.0.2.1", Credentials("us@er", "p:ss"), set()),
        ("token@192.0.2.1:80", "192.0.2.1", Credentials("token"), set()),
        ("@192.0.2.1:80", "192.0.2.1", None, set()),
        ("192.0.2.1:80@socks5", "192.0.2.1", None, {SOCKS5}),
        ("1,http://user:pass@192.0.2.1:80", "192.0.2.1", USER, {HTTP}),
        ("1;US;SOCKS5://user:pass@192.0.2.1:80;DE", "192.0.2.1", USER, {SOCKS5}),
        ("user:pass@192.0.2.1:80,US", "192.0.2.1", USER, set()),
        ("user:pass@[2001:db8::1]:80|socks5", "2001:db8::1", USER, {SOCKS5}),
        ("(user:pass@192.0.2.1:80)", "192.0.2.1", USER, set()),
        ("http://us,er:pa;ss@192.0.2.1:80", "192.0.2.1", Credentials("us,er", "pa;ss"), {HTTP}),
        ("user:pa|ss@192.0.2.1:80", "192.0.2.1", Credentials("user", "pa|ss"), set()),
        ("192.0.2.1:80:user:pass", "192.0.2.1", USER, set()),
        ('"socks5://192.0.2.1:80:user:pass",', "192.0.2.1", USER, {SOCKS5}),
        ("192.0.2.1:80@user:pass", "192.0.2.1", USER, set()),
        ("http://192.0.2.1:80@user:8pass", "192.0.2.1", Credentials("user", "8pass"), {HTTP}),
        ("192.0.2.7:80@192.0.2.1:80", "192.0.2.1", Credentials("192.0.2.7", "80"), set()),
        ("[2001:DB8:0::1]:80", "2001:db8::1", None, set()),
        ("socks5://user:pass@[2001:db8::1]:80", "2001:db8::1", USER, {SOCKS5}),
        ("192.0.2.1 80", "192.0.2.1", None, set()),
        ("192.0.2.1\t80\tsocks5", "192.0.2.1", None, {SOCKS5}),
        ("192.0.2.1;80;HTTP", "192.0.2.1", None, {HTTP}),
        ("[2001:db8::1] 80", "2001:db8::1", None, set()),
        ('"192.0.2.1:80",', "192.0.2.1", None, set()),
        ("- 192.0.2.1:80", "192.0.2.1", None, set()),
        ("192.0.2.1:80 # socks5 at 192.0.2.2:80", "192.0.2.1", None, set()),
        ("192.0.2.1:80\t#192.0.2.2:80", "192.0.2.1", None, set()),
        ("http://192.0.2.1:80#b #c", "192.0.2.1", None, {HTTP}),
        ("http://user:p#ss@192.0.2.1:80", "192.0.2.1", Credentials("user", "p#ss"), {HTTP}),
        ("192.0.2.1:80;#fff;socks5", "192.0.2.1", None, {SOCKS5}),
        ("\u200b192.0.2.1:80\u200b", "192.0.2.1", None, set()),
        (" \u200e 192.0.2.1\t80 socks5\u200b", "192.0.2.1", None, {SOCKS5}),
        ("\u200buser:pass@192.0.2.1:80\u2060 http", "192.0.2.1", USER, {HTTP}),
        ("192.0.2.1:80 => failure", "192.0.2.1", None, set()),
        ("192.0.2.1:80|198.51.100.7|Germany", "192.0.2.1", None, set()),
    ],
)
def test_endpoint(line: str, host: str, credentials: Credentials | None, protocols: set[Protocol]) -> None:
    candidate = only(line)
    assert candidate.endpoint == Endpoint(host, 80, credentials)
    assert candidate.protocols == protocols


@pytest.mark.parametrize(
    ("line", "country", "anonymity"),
    [
        ("192.0.2.1:80:US", "US", None),
        ("192.0.2.1:80:Germany", "", None),
        ("192.0.2.1:80:US:elite", "US", Anonymity.ELITE),
        ("192.0.2.1:80:Germany:elite", "", Anonymity.ELITE),
        ("user:pass@192.0.2.1:80, DE elite", "DE", Anonymity.ELITE),
        ("192.0.2.1:80 CO-N-S! +", "CO", Anonymity.TRANSPARENT),
        ("192.0.2.1:80 TH-A! -", "TH", Anonymity.ANONYMOUS),
        ("192.0.2.1:80 GH-H +", "GH", Anonymity.ELITE),
        ("\N{REGIONAL INDICATOR SYMBOL LETTER D} 192.0.2.1:80 97ms DE [Example Ltd]", "DE", None),
        ("192.0.2.1,80,DE,Transparent", "DE", Anonymity.TRANSPARENT),
    ],
)
def test_labels(line: str, country: str, anonymity: Anonymity | None) -> None:
    candidate = only(line)
    assert (candidate.country, candidate.anonymity) == (country, anonymity)


def test_scheme_overrules_the_lists_label() -> None:
    assert only("socks4://192.0.2.1:80", protocols=frozenset({HTTP})).protocols == {SOCKS4}


@pytest.mark.parametrize(
    ("line", "credentials"),
    [
        ("192.0.2.1:80:user:pass", USER),
        ("socks5://192.0.2.1:80:user:pass", USER),
        ("192.0.2.1:80:us,er:p@s:s/;", Credentials("us,er", "p@s:s/")),
        ("192.0.2.1:80", None),
        ("user:pass@192.0.2.1:80", USER),
    ],
)
def test_credentials_last(line: str, credentials: Credentials | None) -> None:
    assert only(line, credentials_last=True).endpoint.credentials == credentials


@pytest.mark.parametrize(
    ("line", "refusal"),
    [
        ("01.2.3.4:80", Refusal.NOT_AN_ADDRESS),
        ("256.2.3.4:80", Refusal.NOT_AN_ADDRESS),
        ("1.2.3:80", Refusal.NOT_AN_ADDRESS),
        ("1.2.3.4.5:80", Refusal.NOT_AN_ADDRESS),
        ("proxy.example:80", Refusal.NOT_AN_ADDRESS),
        ("localhost:80", Refusal.NOT_AN_ADDRESS),
        ("http://proxy.example:80", Refusal.NOT_AN_ADDRESS),
        ("[fe80::1%eth0]:80", Refusal.NOT_AN_ADDRESS),
        ("[::g]:80", Refusal.NOT_AN_ADDRESS),
        ("192.0.2.1", Refusal.BAD_PORT),
        ("http://192.0.2.1", Refusal.BAD_PORT),
        ("192.0.2.1:", Refusal.BAD_PORT),
        ("192.0.2.1:http", Refusal.BAD_PORT),
        ("192.0.2.1:0", Refusal.BAD_PORT),
        ("192.0.2.1:080", Refusal.BAD_PORT),
        ("192.0.2.1:65536", Refusal.BAD_PORT),
        ("192.0.2.1:" + "9" * 5000, Refusal.BAD_PORT),
        ("192.0.2.1:80x", Refusal.BAD_PORT),
        ("192.0.2.0/24:99999", Refusal.BAD_PORT),
        ("ftp://192.0.2.1:80", Refusal.UNKNOWN_SCHEME),
        ("vmess://eyJhZGQiOiI", Refusal.UNKNOWN_SCHEME),
        ("user:p@ss@192.0.2.1:80", Refusal.BAD_CREDENTIALS),
        ("user:" + "p" * 256 + "@192.0.2.1:80", Refusal.BAD_CREDENTIALS),
        ("1;user:pass@192.0.2.1:80", Refusal.BAD_CREDENTIALS),
        ("192.0.2.1:80:user:pa,ss", Refusal.BAD_CREDENTIALS),
        ("192.0.2.1:80:user:pass fast", Refusal.BAD_CREDENTIALS),
        ("1,http://user:pass@proxy.example:80", Refusal.NOT_AN_ADDRESS),
        ("192.0.0.0/21:80", Refusal.RANGE_TOO_WIDE),
        ("192.0.2.1/24:80", Refusal.NOT_AN_ADDRESS),
        ("192.0.2.0/33:80", Refusal.NOT_AN_ADDRESS),
        ("x" * (MAX_LINE + 1), Refusal.LINE_TOO_LONG),
    ],
    ids=lambda value: value[:40],
)
def test_refused(line: str, refusal: Refusal) -> None:
    assert items(line) == [refusal]


@pytest.mark.parametrize(
    "line",
    [
        "",
        "   ",
        "# 192.0.2.1:80",
        "  // 192.0.2.1:80",
        "; 192.0.2.1:80",
        "\u200b#192.0.2.1:80",
        "updated today # 192.0.2.1:80",
        "Proxy list (#400) updated at Fri, 24 Mar 23 07:58:01 +0300",
        "Socks proxy=https://spys.me/socks.txt",
        "https://github.com/somebody/list",
        "07:58:01",
        "IP address:Port CountryCode-Anonymity(Noa/Anm/Hia)-SSL_support(S)-Google_passed(+)",
        "see https://example.org:8443/ for more",
    ],
)
def test_not_an_entry(line: str) -> None:
    assert items(line) == []


def test_several_entries_on_a_line() -> None:
    found = items("192.0.2.1:80 US, 192.0.2.2:81 DE elite;socks5://192.0.2.3:82")
    assert [(str(c.endpoint), c.country) for c in found if isinstance(c, Candidate)] == [
        ("192.0.2.1:80", "US"),
        ("192.0.2.2:81", "DE"),
        ("192.0.2.3:82", ""),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "user:pass@192.0.2.1:80,u:p@192.0.2.2:81",
        "http://user:pass@192.0.2.1:80;http://u:p@192.0.2.2:81",
        '"user:pass@192.0.2.1:80","u:p@192.0.2.2:81"',
        "192.0.2.1:80:user:pass, 192.0.2.2:81:u:p",
        "192.0.2.1:80@user:pass 192.0.2.2:81@u:p",
    ],
)
def test_each_of_several_entries_has_its_credentials(line: str) -> None:
    endpoints = [item.endpoint for item in items(line) if isinstance(item, Candidate)]
    assert endpoints == [Endpoint("192.0.2.1", 80, USER), Endpoint("192.0.2.2", 81, Credentials("u", "p"))]


def test_range_is_expanded() -> None:
    found = [c.endpoint for c in items("http://192.0.0.0/22:8080") if isinstance(c, Candidate)]
    assert len(found) == 1024
    assert (str(found[0]), str(found[-1])) == ("192.0.0.0:8080", "192.0.3.255:8080")


@pytest.mark.parametrize("size", [3, 7, 64])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_stream_is_the_same_in_chunks(size: int, encoding: str) -> None:
    body = "192.0.2.1:80 é\r\n\n192.0.2.2:80\r192.0.2.3:80".encode(encoding)
    chunks = (body[at : at + size] for at in range(0, len(body), size))
    assert list(stream_lines(chunks)) == ["192.0.2.1:80 é", "192.0.2.2:80", "192.0.2.3:80"]


def test_endless_line_is_read_in_bounded_memory() -> None:
    longest = 0

    def body() -> Iterator[bytes]:
        yield from (b"x" * MAX_LINE for _ in range(100))
        yield b"\n192.0.2.1:80\n"

    def measured(lines: Iterator[str]) -> Iterator[str]:
        nonlocal longest
        for line in lines:
            longest = max(longest, len(line))
            yield line

    first, second = parse_lines(measured(stream_lines(body())), Labels())
    assert first is Refusal.LINE_TOO_LONG
    assert isinstance(second, Candidate)
    assert longest <= 2 * MAX_LINE + 1


def test_a_stream_that_ends_within_a_character() -> None:
    assert list(stream_lines([b"192.0.2.1:80 \xc3"])) == ["192.0.2.1:80 \ufffd"]
