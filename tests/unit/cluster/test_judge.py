import json

import pytest

from eagleray.cluster.http_server import Request
from eagleray.cluster.judge import Judge, url_of
from eagleray.pipelines.proxies.proof import VERSION, known_page, prove

CLIENT = "192.0.2.7"
END = b"\r\n\r\n"
HEADERS = [("Host", "judge.test"), ("Via", "1.1 a"), ("X-Forwarded-For", "192.0.2.1"), ("via", "1.1 b")]


def ask(target, secret=b"s" * 32, method="GET", headers=HEADERS):
    head, _, body = Judge(secret).answer(Request(method, target, headers), CLIENT).partition(END)
    return int(head.split()[1]), json.loads(body)


def test_a_session_comes_with_its_key_and_the_key_proves_its_nonces():
    status, session = ask("/")
    assert status == 200
    nonce = session["session"] + ".0011223344556677"
    status, answer = ask(f"/some/page?x=1&n={nonce}")
    assert status == 200
    assert answer == {
        "judge": "eagleray",
        "version": VERSION,
        "client": CLIENT,
        "nonce": nonce,
        "proof": prove(bytes.fromhex(session["key"]), nonce, CLIENT, HEADERS),
        "headers": [list(pair) for pair in HEADERS],
    }


def test_sessions_differ_and_so_do_secrets():
    first, second = ask("/")[1], ask("/")[1]
    assert first["session"] != second["session"]
    assert first["key"] != second["key"]
    assert ask("/?n=a.b")[1]["proof"] == ask("/?n=a.b")[1]["proof"] != ask("/?n=a.b", b"t" * 32)[1]["proof"]


def test_the_known_page_is_what_key_and_nonce_give():
    session = ask("/")[1]
    nonce = session["session"] + ".0011"
    head, _, body = Judge(b"s" * 32).answer(Request("GET", f"/known?n={nonce}", []), CLIENT).partition(END)
    assert head.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n")
    assert body == known_page(bytes.fromhex(session["key"]), nonce)


def test_an_absolute_target_is_answered_too():
    assert ask("http://judge.test/?n=a.b") == ask("/?n=a.b")


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("POST", "/", 405),
        ("CONNECT", "judge.test:80", 405),
        ("GET", "/?n=", 400),
        ("GET", "/?n=" + "a" * 129, 400),
        ("GET", "/known?n=a%00b", 400),
        ("GET", "/?n=a%00b", 400),
        ("GET", "/get?" + "a=1&" * 101, 400),
    ],
    ids=[
        "post",
        "connect",
        "empty nonce",
        "long nonce",
        "escaped nonce of the known page",
        "escaped nonce",
        "too many fields",
    ],
)
def test_what_is_turned_down(method, target, status):
    assert ask(target, method=method)[0] == status


def test_get_answers_as_httpbin_does():
    assert ask("/get?n=7&a=1&a=2&e=") == (
        200,
        {
            "args": {"n": "7", "a": ["1", "2"], "e": ""},
            "headers": {"Host": "judge.test", "Via": "1.1 a,1.1 b", "X-Forwarded-For": "192.0.2.1"},
            "origin": f"192.0.2.1, {CLIENT}",
            "url": "http://judge.test/get?n=7&a=1&a=2&e=",
        },
    )


@pytest.mark.parametrize(
    ("host", "url"), [("127.0.0.1", "http://127.0.0.1:80/"), ("::1", "http://[::1]:80/")]
)
def test_url_of_an_address(host, url):
    assert url_of(host, 80) == url
