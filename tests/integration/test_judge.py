"""`eagleray judge` as a process, asked over sockets."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from eagleray.cluster import http_server

COMMAND = [sys.executable, "-m", "eagleray", "judge"]
GUARD = 30  # seconds: a hang is a failure


@contextmanager
def judging(*options):
    """A judge as a process, with its address."""
    command = [*COMMAND, "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            url = urlsplit(json.loads(process.stdout.readline())["url"])
            yield process, (url.hostname, url.port)
        finally:
            process.kill()


@pytest.fixture(scope="module")
def address():
    with judging() as (_, address):
        yield address


def talk(address, *chunks):
    """What comes back for `chunks`, until the judge closes."""
    with socket.create_connection(address, timeout=GUARD) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for chunk in chunks:
            sock.sendall(chunk)
        return b"".join(iter(lambda: sock.recv(65536), b""))


def document(answer):
    return json.loads(answer.partition(b"\r\n\r\n")[2])


REQUEST = b"GET /?n=0011.22 HTTP/1.1\r\nHost: j\r\nX-Test: 1\r\n\r\n"


@pytest.mark.parametrize(
    "chunks",
    [
        [REQUEST],
        [REQUEST[at : at + 1] for at in range(len(REQUEST))],
        [REQUEST + b"GET / HTTP/1.1\r\n\r\n"],
        [b"\r\n" + REQUEST],
        [b"\r", b"\n", REQUEST],
    ],
    ids=[
        "whole",
        "byte by byte",
        "with a second request behind it",
        "behind an empty line",
        "behind an empty line, byte by byte",
    ],
)
def test_one_request_gets_one_answer_and_the_connection_ends(address, chunks):
    answer = talk(address, *chunks)
    assert answer.count(b"HTTP/1.1 200 OK\r\n") == 1
    assert document(answer)["nonce"] == "0011.22"
    assert document(answer)["client"] == "127.0.0.1"
    assert document(answer)["headers"] == [["Host", "j"], ["X-Test", "1"]]


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"\x05\x01\x00", 400),
        (b"\x16\x03\x01", 400),
        (b"\r\n\r\n", 400),
        (b"\rGET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / FTP\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 16384, 400),
        (b"POST / HTTP/1.1\r\n\r\n", 405),
    ],
    ids=[
        "SOCKS5 hello",
        "TLS hello",
        "empty lines",
        "half an empty line",
        "no HTTP",
        "head too long",
        "POST",
    ],
)
def test_bad_requests_get_an_answer_at_once(address, request_, status):
    assert talk(address, request_).startswith(b"HTTP/1.1 %d " % status)


def test_judges_with_one_secret_are_one_judge(tmp_path):
    (tmp_path / "secret").write_text("a secret of more than 16 bytes\n")
    option = ["--secret-file", str(tmp_path / "secret")]
    with judging(*option) as (_, first), judging(*option) as (_, second), judging() as (_, other):
        proofs = [document(talk(address, REQUEST))["proof"] for address in (first, second, other)]
    assert proofs[0] == proofs[1] != proofs[2]


def test_a_full_judge_says_so_and_takes_clients_again_when_one_has_gone():
    with judging("--max-connections", "1") as (_, address):
        with socket.create_connection(address, timeout=GUARD):
            assert talk(address).startswith(b"HTTP/1.1 503 ")
        while (answer := talk(address, REQUEST)).startswith(b"HTTP/1.1 503 "):
            pass  # until the judge has seen the first client go; the test's time limit bounds it
        assert document(answer)["nonce"] == "0011.22"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_ends_it_even_while_a_client_is_silent(number, code):
    with judging() as (process, address), socket.create_connection(address):
        process.send_signal(number)
        assert process.wait(GUARD) == code
        assert process.stderr.read() == ""


async def test_a_client_that_does_not_finish_its_request_is_dropped(monkeypatch):
    monkeypatch.setattr(http_server, "MAX_SECONDS", 0.05)
    server = http_server.Server(lambda request, client: b"never")
    listening = await asyncio.get_running_loop().create_server(server.connection, "127.0.0.1", 0)
    async with listening:
        reader, writer = await asyncio.open_connection(*listening.sockets[0].getsockname())
        writer.write(b"GET / HTTP/1.1\r\n")
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
    assert server.open == 0


def refused(*options):
    result = subprocess.run([*COMMAND, *options], capture_output=True, text=True, timeout=GUARD)
    assert "Traceback" not in result.stderr
    return result.returncode, result.stderr


def test_a_port_in_use_is_said_in_one_sentence(address):
    code, stderr = refused("--port", str(address[1]))
    assert code == 2
    assert f"cannot listen on 127.0.0.1 port {address[1]}: " in stderr


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "cannot read the secret file"), (b"short", "must hold 16"), (b"a" * 5000, "must hold 16")],
    ids=["missing", "short", "long"],
)
def test_a_useless_secret_file_is_refused(tmp_path, content, message):
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    code, stderr = refused("--secret-file", str(path))
    assert code == 2
    assert message in stderr
