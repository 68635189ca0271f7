"""One document per format family, whole: what is found, what is refused, what is claimed of the first."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eagleray.pipelines.document import Document
from eagleray.pipelines.proxies.model import Anonymity, Candidate, Credentials, Endpoint, Protocol
from eagleray.pipelines.proxies.parse import Labels, Parsed, parse
from eagleray.pipelines.proxies.parse.sniff import SNIFFED, Format, sniff

LISTS = Path(__file__).parents[4] / "data" / "lists"
HTTP, HTTPS, SOCKS4, SOCKS5 = Protocol
TRANSPARENT, ANONYMOUS, ELITE = Anonymity


def parsed(name: str, **labels: Any) -> Parsed:
    return parse(Document("list", "", (LISTS / name).read_bytes(), fetched_at=7.0), Labels(**labels))


def claims(candidate: Candidate) -> tuple[str, set[Protocol], str, Anonymity | None]:
    return str(candidate.endpoint), set(candidate.protocols), candidate.country, candidate.anonymity


FORMATS = {
    "clarketm.txt": (6, {}, ("170.239.207.241:999", {HTTPS}, "CO", TRANSPARENT)),
    "clarketm-status.txt": (7, {}, ("209.126.6.159:80", set(), "", None)),
    "ercindedeoglu-socks5.txt": (6, {}, ("66.29.128.244:23597", set(), "", None)),
    "monosans.txt": (9, {}, ("144.31.222.106:7890", {SOCKS4}, "", None)),
    "monosans.json": (3, {}, ("144.31.222.106:7890", {SOCKS4}, "RU", None)),
    "geonode.json": (2, {}, ("192.0.2.1:8123", {SOCKS4}, "CO", ELITE)),
    "proxyscrape.json": (2, {}, ("192.0.2.3:3128", {HTTP, HTTPS}, "DE", ELITE)),
    "proxifly.json": (2, {}, ("192.0.2.5:4145", {SOCKS4}, "ZA", TRANSPARENT)),
    "docip.json": (2, {}, ("192.0.2.7:8888", {HTTP}, "CN", ELITE)),
    "by-protocol.json": (3, {}, ("192.0.2.9:80", {HTTP}, "", None)),
    "fate0.ndjson": (3, {"malformed": 1}, ("192.0.2.11:8080", {HTTP}, "BR", ELITE)),
    "nested.csv": (3, {"bad_port": 1}, ("192.0.2.14:8080", {HTTP, SOCKS4}, "", ELITE)),
    "semicolon.csv": (2, {"not_an_address": 1}, ("192.0.2.17:8080", set(), "US", None)),
    "table.html": (4, {}, ("192.0.2.18:8080", {HTTPS}, "GB", ELITE)),
    "no-header.html": (5, {}, ("192.0.2.22:1080", {SOCKS5}, "NL", ELITE)),
    "obfuscated.html": (5, {}, ("192.0.2.26:8080", set(), "", None)),
}


@pytest.mark.parametrize("name", FORMATS)
def test_format(name: str) -> None:
    entries, refused, first = FORMATS[name]
    result = parsed(name)
    assert (result.entries, dict(result.refused)) == (entries, refused)
    assert len(result.candidates) == entries - sum(refused.values())
    assert claims(result.candidates[0]) == first
    assert {(c.source, c.seen_at) for c in result.candidates} == {("list", 7.0)}


@pytest.mark.parametrize(
    ("name", "endpoints"),
    [
        ("table.html", ["192.0.2.18:8080", "192.0.2.19:80", "192.0.2.20:3128", "192.0.2.21:3128"]),
        (
            "no-header.html",
            ["192.0.2.22:1080", "192.0.2.23:8080", "192.0.2.24:80", "192.0.2.25:80", "[2001:db8::2]:80"],
        ),
        (
            "obfuscated.html",
            ["192.0.2.26:8080", "192.0.2.27:3128", "192.0.2.28:8080", "192.0.2.29:999", "192.0.2.30:8080"],
        ),
        ("by-protocol.json", ["192.0.2.9:80", "192.0.2.10:8080", "[2001:db8::1]:1080"]),
    ],
)
def test_endpoints(name: str, endpoints: list[str]) -> None:
    assert [str(candidate.endpoint) for candidate in parsed(name).candidates] == endpoints


def test_labels_stand_where_the_list_says_nothing() -> None:
    labels = {"protocols": frozenset({HTTP}), "country": "FR", "anonymity": ANONYMOUS}
    assert claims(parsed("ercindedeoglu-socks5.txt", **labels).candidates[0])[1:] == ({HTTP}, "FR", ANONYMOUS)
    assert claims(parsed("geonode.json", **labels).candidates[0])[1:] == ({SOCKS4}, "CO", ELITE)


def test_ssl_column_adds_to_the_label_of_an_http_list() -> None:
    http = frozenset({HTTP})
    assert claims(parsed("table.html", protocols=http).candidates[0])[1] == {HTTP, HTTPS}
    assert claims(parsed("clarketm.txt", protocols=http).candidates[0])[1] == {HTTP, HTTPS}
    assert claims(parsed("proxyscrape.json").candidates[1])[1] == {SOCKS5}  # `ssl` says nothing new of SOCKS


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: text.encode("utf-8-sig"),
        lambda text: text.encode("utf-16"),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: text.replace("\n", "\r").encode(),
        lambda text: b"\xff\xfe\xfa broken\n".replace(b"\xff\xfe", b"\xfe") + text.encode() + b"\x00\n\x00",
    ],
    ids=["UTF-8 mark", "UTF-16", "CRLF", "CR", "not UTF-8, NULs"],
)
def test_encoding(encode: Callable[[str], bytes]) -> None:
    body = encode("192.0.2.1:80\n192.0.2.2:80\n")
    result = parse(Document("list", "", body))
    assert [c.endpoint for c in result.candidates] == [Endpoint("192.0.2.1", 80), Endpoint("192.0.2.2", 80)]


def test_json_after_a_byte_order_mark() -> None:
    assert parse(Document("list", "", '["192.0.2.1:80"]'.encode("utf-8-sig"))).entries == 1


@pytest.mark.parametrize(
    "record",
    [
        '{"ip":"192.0.2.1","port":80,"username":77,"password":12345}',
        '{"proxy":"192.0.2.1:80","username":"77","password":12345}',
        '{"proxy":"192.0.2.1:80:77:12345"}',
        '{"proxy":"77:12345@192.0.2.1:80","username":"other"}',
    ],
)
def test_credentials_of_a_record(record: str) -> None:
    (candidate,) = parse(Document("list", "", f"[{record}]".encode())).candidates
    assert candidate.endpoint == Endpoint("192.0.2.1", 80, Credentials("77", "12345"))


@pytest.mark.parametrize(
    "text",
    [
        "192.0.2.1:80\n\ufeff192.0.2.2:80\n",
        "192.0.2.1:80\ufeff192.0.2.2:80",
        "ip,port\n192.0.2.1,80\n\ufeff192.0.2.2,80\n",
        '{"ip":"192.0.2.1","port":80}\n\ufeff{"ip":"192.0.2.2","port":80}\n',
    ],
)
def test_lists_appended_to_each_other_with_their_marks(text: str) -> None:
    result = parse(Document("list", "", text.encode("utf-8-sig")))
    assert [str(c.endpoint) for c in result.candidates] == ["192.0.2.1:80", "192.0.2.2:80"]
    assert not result.refused


@pytest.mark.parametrize(
    ("record", "claim"),
    [
        ('{"url":"socks5://192.0.2.1:80","country":"US"}', ("192.0.2.1:80", {SOCKS5}, "US", None)),
        ('{"url":"192.0.2.1:80/","data":[]}', ("192.0.2.1:80", set(), "", None)),
        ('{"endpoint":"192.0.2.1:80","alive":false,"urls":[]}', ("192.0.2.1:80", set(), "", None)),
        (
            '{"endpoint":"192.0.2.1:80","alive":true,"urls":["http://u:p@192.0.2.1:80"]}',
            ("192.0.2.1:80", {HTTP}, "", None),
        ),
        ('{"url":"http://192.0.2.9:80","data":["192.0.2.1:80"]}', ("192.0.2.1:80", set(), "", None)),
    ],
)
def test_a_record_that_has_a_url_only(record: str, claim: tuple[str, set[Protocol], str, None]) -> None:
    for text in (record, f"[{record}]"):
        result = parse(Document("list", "", text.encode()))
        assert (list(map(claims, result.candidates)), result.refused.total()) == ([claim], 0)


@pytest.mark.parametrize(
    "text",
    [
        "# a list\n// of proxies\nip,port,user,pass\n# 192.0.2.9,80,u,p\n192.0.2.1,80,77,12345\n",
        "#,ip,port,user,pass\n1,192.0.2.1,80,77,12345\n",
        "#ip;port;user;pass\n192.0.2.1;80;77;12345\n",
    ],
)
def test_comments_in_a_table(text: str) -> None:
    result = parse(Document("list", "", text.encode()))
    assert [c.endpoint.authority for c in result.candidates] == ["77:12345@192.0.2.1:80"]
    assert not result.refused


def test_plain_list_served_as_html() -> None:
    result = parse(Document("list", "", b"192.0.2.1:80\n192.0.2.2:80\n", "text/html; charset=utf-8"))
    assert result.entries == 2


def test_a_tag_far_below_makes_a_page_only_of_what_is_served_as_one() -> None:
    text = "x" * SNIFFED + "<table>"
    assert sniff(text, "text/HTML; charset=utf-8") is Format.HTML
    assert sniff(text, "text/plain") is Format.TEXT


@pytest.mark.parametrize(
    ("value", "claimed"),
    [("1", {HTTP, HTTPS}), ("true", {HTTP, HTTPS}), ('"yes"', {HTTP, HTTPS}), ("2", {HTTP})],
)
def test_a_field_says_yes_in_several_ways(value: str, claimed: set[Protocol]) -> None:
    record = f'{{"ip":"192.0.2.1","port":80,"protocol":"http","https":{value}}}'
    (candidate,) = parse(Document("list", "", f"[{record}]".encode())).candidates
    assert set(candidate.protocols) == claimed
