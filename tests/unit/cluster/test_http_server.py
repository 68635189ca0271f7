from http import HTTPStatus

import pytest

from eagleray.actors import faults
from eagleray.cluster.http_server import MAX_HEAD, BadRequestError, Request, Server, parse_request, response


def test_a_head_is_taken_apart():
    request = parse_request(b"GET /a?b=c HTTP/1.1\r\nHost: h\r\nX-A:  one \r\nx-a: caf\xe9\r\nEmpty:")
    assert request.method == "GET"
    assert request.headers == [("Host", "h"), ("X-A", "one"), ("x-a", "café"), ("Empty", "")]
    assert request.values("x-a") == ["one", "café"]


@pytest.mark.parametrize(
    ("target", "origin_form"),
    [
        ("/a?b", "/a?b"),
        ("http://h:1/a?b", "/a?b"),
        ("http://h", "/"),
        ("HTTP://h/x/y", "/x/y"),
        ("/a?u=http://h/b", "/a?u=http://h/b"),
    ],
)
def test_origin_form_of_a_target(target, origin_form):
    assert Request("GET", target, []).origin_form == origin_form


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"GET /",
        b"GET  / HTTP/1.1",
        b"GET / HTTP/2.0",
        b"GET /caf\xe9 HTTP/1.1",
        b"G\x00T / HTTP/1.1",
        b"GET / HTTP/1.1\r\nno colon",
        b"GET / HTTP/1.1\r\nName : space before the colon",
        b"GET / HTTP/1.1\r\n: no name",
        b"GET / HTTP/1.1\r\n folded: line",
        b"GET / HTTP/1.1\r\nA: b\nSmuggled: c",
        b"GET / HTTP/1.1\r\nA: \x00",
    ],
)
def test_a_broken_head_is_refused(head):
    with pytest.raises(BadRequestError):
        parse_request(head)


def test_a_response_says_how_long_it_is_and_that_the_connection_ends():
    head, _, body = response(HTTPStatus.OK, b"12345").partition(b"\r\n\r\n")
    assert body == b"12345"
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert {b"Content-Length: 5", b"Connection: close", b"Cache-Control: no-store"} <= set(
        head.split(b"\r\n")
    )


def test_a_server_counts_what_it_answered_and_not_what_it_refused():
    server = Server(lambda request, client: f"{request.target} for {client}".encode())
    assert server.reply(b"GET /x HTTP/1.1\r\n\r\n", "1.2.3.4") == b"/x for 1.2.3.4"
    assert server.reply(b"rubbish\r\n\r\n", "1.2.3.4").startswith(b"HTTP/1.1 400 ")
    assert server.answered == 1


def test_a_server_waits_while_what_has_come_may_become_a_head():
    server = Server(lambda request, client: b"")
    assert server.reply(b"GET /x HTTP/1.1\r\n", "1.2.3.4") is None
    assert server.reply(b"\x05\x01\x00", "1.2.3.4").startswith(b"HTTP/1.1 400 ")
    assert server.reply(b"G" * (MAX_HEAD + 1), "1.2.3.4").startswith(b"HTTP/1.1 400 ")


def test_an_error_of_our_own_is_an_answer_and_ends_no_server():
    def answer(request: Request, client: str) -> bytes:
        raise ZeroDivisionError

    faults.counts.clear()
    reply = Server(answer).reply(b"GET / HTTP/1.1\r\n\r\n", "192.0.2.1")
    assert reply is not None
    assert reply.startswith(b"HTTP/1.1 500 ")
    assert faults.counts.total() == 1
