import gzip

import pytest

from eagleray.pipelines.proxies.model import Credentials, Endpoint, Protocol
from eagleray.pipelines.proxies.outcome import Outcome
from eagleray.pipelines.proxies.protocols.target import Target
from eagleray.pipelines.proxies.targets import (
    MAX_PAGE,
    Fetched,
    fetch,
    parse_target_page,
    parse_tls_target,
)

ENDPOINT = Endpoint("192.0.2.7", 8080, Credentials("user", "secret"))
CONNECTED = b"HTTP/1.1 200 Connection established\r\n\r\n"
SOCKS4_OPEN = b"\x00\x5a" + bytes(6)


def answer(status, body=b""):
    return b"HTTP/1.1 %d Some reason\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)


def headed(fields, body):
    return b"HTTP/1.1 200 OK\r\n%s\r\n\r\n%s" % (fields, body)


def coded(body):
    return headed(b"Content-Encoding: gzip\r\nContent-Length: %d" % len(body), body)


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("www.example.com:443", Target("www.example.com", 443)),
        ("[2001:db8::1]:8443", Target("2001:db8::1", 8443)),
        ("192.0.2.1:1", Target("192.0.2.1", 1)),
    ],
)
def test_tls_target(text, target):
    assert parse_tls_target(text) == target


@pytest.mark.parametrize(
    "text",
    [
        "",
        "example.com",
        ":443",
        "example.com:",
        "example.com:0",
        "example.com:65536",
        "a b:443",
        ".x:443",
        f"{'a' * 64}.example:443",
        "a..b:443",
        "https://example.com:443",
    ],
)
def test_no_tls_target(text):
    with pytest.raises(ValueError, match=r"."):
        parse_tls_target(text)


@pytest.mark.parametrize(
    ("text", "where", "status", "contains"),
    [
        ("http://example.com", (False, "example.com", 80, "/"), set(), ""),
        ("https://example.com/a?b=c", (True, "example.com", 443, "/a?b=c"), set(), ""),
        ("https://[2001:db8::1]:8443/", (True, "2001:db8::1", 8443, "/"), set(), ""),
        ("http://example.com/#status=204&status=404", (False, "example.com", 80, "/"), {204, 404}, ""),
        ("http://example.com/#contains=Log%20in", (False, "example.com", 80, "/"), set(), "Log in"),
    ],
)
def test_target_page(text, where, status, contains):
    page = parse_target_page(text)
    assert (page.tls, page.target.host, page.target.port, page.path) == where
    assert (page.status, page.contains) == (status, contains)
    assert page.url == text.partition("#")[0]


@pytest.mark.parametrize(
    "text",
    [
        "example.com",
        "ftp://example.com/",
        "http:///",
        "http://u:secret@example.com/",
        "http://example.com:0x/",
        "http://example.com/a b",
        "http://example.com/#state=200",
        "http://example.com/#status=2xx",
    ],
)
def test_no_target_page(text):
    with pytest.raises(ValueError, match=r".") as error:
        parse_target_page(text)
    assert "secret" not in str(error.value)


WANTED = {
    "any success": ("", answer(204), Fetched(204, True)),
    "a redirect": ("", answer(302), Fetched(302, True)),
    "an error": ("", answer(403), Fetched(403, False)),
    "a status": ("#status=403", answer(403), Fetched(403, True)),
    "another status": ("#status=403", answer(200), Fetched(200, False)),
    "a marker": ("#contains=hello", answer(200, b"well, hello there"), Fetched(200, True)),
    "no marker": ("#contains=hello", answer(200, b"goodbye"), Fetched(200, False)),
    "a marker far behind": (
        "#contains=hello",
        answer(200, bytes(2 * MAX_PAGE) + b"hello"),
        Fetched(200, False),
    ),
    "a marker across two chunks": (
        "#contains=hello",
        headed(b"Transfer-Encoding: chunked", b"3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"),
        Fetched(200, True),
    ),
    "a marker in a page that goes on": (
        "#contains=hello",
        headed(b"Transfer-Encoding: chunked", b"5\r\nhello\r\n"),
        Fetched(200, True),
    ),
    "a marker in a page that is cut": (
        "#contains=hello",
        headed(b"Content-Length: 99", b"well, hello"),
        Fetched(200, True),
    ),
    "a marker in gzip": ("#contains=hello", coded(gzip.compress(b"well, hello")), Fetched(200, True)),
    "no marker in gzip": ("#contains=hello", coded(gzip.compress(b"goodbye")), Fetched(200, False)),
    "a marker, compressed, far behind": (
        "#contains=hello",
        coded(gzip.compress(bytes(MAX_PAGE) + b"hello")),
        Fetched(200, False),
    ),
    "a marker at the end of what is read": (
        "#contains=hello",
        coded(gzip.compress(bytes(MAX_PAGE - 5) + b"hello")),
        Fetched(200, True),
    ),
    "a marker where there is no body": ("#status=204&contains=a", answer(204), Fetched(204, False)),
}


@pytest.mark.parametrize(("rules", "page", "fetched"), WANTED.values(), ids=WANTED)
def test_rules(play, rules, page, fetched):
    target = parse_target_page("http://example.com/x" + rules)
    if len(page) > MAX_PAGE:  # byte by byte it tells nothing more
        page = page[: MAX_PAGE + 100]
    played = play(lambda stream: fetch(stream, ENDPOINT, Protocol.HTTP, target, lambda core: core), [page])
    assert played.value == fetched


def test_an_answer_that_says_where_it_ends_is_not_waited_for(play_chunks):
    page = parse_target_page("http://example.com/x#contains=hello")
    kept_alive = [answer(200, b"goodbye"), b"the next answer"]
    played = play_chunks(lambda stream: fetch(stream, ENDPOINT, Protocol.HTTP, page, None), kept_alive)
    assert (played.value, played.rest) == (Fetched(200, False), kept_alive[1])


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        (headed(b"Content-Length: 99", b"goodbye"), Outcome.CLOSED),
        (headed(b"Transfer-Encoding: chunked", b"hello\r\n"), Outcome.MALFORMED),
        (coded(b"hello"), Outcome.MALFORMED),
    ],
    ids=["cut", "no chunks", "no gzip"],
)
def test_a_page_that_breaks_its_own_form_tells_nothing_of_the_marker(play, body, outcome):
    page = parse_target_page("http://example.com/x#contains=hello")
    played = play(lambda stream: fetch(stream, ENDPOINT, Protocol.HTTP, page, None), [body])
    assert played.outcome is outcome


@pytest.mark.parametrize(
    ("text", "status", "contains", "name"),
    [
        ("http://example.com/", (), "", "http://example.com/"),
        ("http://example.com/#contains=Log%20in", (), "", "http://example.com/#contains=Log%20in"),
        (
            "http://example.com/",
            (204, 200),
            "Log in",
            "http://example.com/#status=200&status=204&contains=Log+in",
        ),
        ("http://example.com/#status=200", (), "in", "http://example.com/#status=200&contains=in"),
    ],
)
def test_the_name_with_rules(text, status, contains, name):
    page = parse_target_page(text, frozenset(status), contains)
    assert page.with_rules == name
    assert parse_target_page(name) == page


@pytest.mark.parametrize(
    ("protocol", "replies", "sent"),
    [
        (
            Protocol.HTTP,
            [answer(200)],
            [b"GET http://example.com:8000/x HTTP/1.1\r\nHost: example.com:8000\r\n"],
        ),
        (
            Protocol.HTTPS,
            [CONNECTED, answer(200)],
            [b"CONNECT example.com:8000 ", b"GET /x HTTP/1.1\r\nHost: example.com:8000\r\n"],
        ),
        (
            Protocol.SOCKS4,
            [SOCKS4_OPEN, answer(200)],
            [b"\x04\x01\x1f\x40\x00\x00\x00\x01user\x00example.com\x00", b"GET /x "],
        ),
    ],
)
def test_the_name_travels(play, protocol, replies, sent):
    page = parse_target_page("http://example.com:8000/x")
    played = play(lambda stream: fetch(stream, ENDPOINT, protocol, page, lambda core: core), replies)
    assert played.outcome is Outcome.OK
    assert all(got.startswith(want) for got, want in zip(played.sent, sent, strict=True))
    assert (b"Proxy-Authorization" in played.sent[-1]) == (protocol is Protocol.HTTP)
    assert (played.stream.tunnel_at is None) == (protocol is Protocol.HTTP)
