"""The proving ground as a process: every kind of endpoint behaves as its truth says."""

import asyncio
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest

from eagleray.cluster.proving_ground import Kind, Mix, read_truth, running, started
from eagleray.cluster.proving_ground.dead import DRIP_SECONDS
from eagleray.cluster.proving_ground.live import SCRIPT
from eagleray.cluster.proving_ground.process import command, parse_ready
from eagleray.pipelines.proxies.model import Anonymity, Protocol

TIMEOUT = 30  # seconds: a hang is a failure, except where it is what the kind does
NONCE = "0123456789abcdef.00"


@pytest.fixture(scope="module")
def ground():
    with started(endpoints=300, seed=5) as ready:
        yield ready


@pytest.fixture(scope="module")
def world(ground):
    return read_truth(ground.truth)


@pytest.fixture
def one_of(world):
    """The endpoint of a kind that answers first."""
    return lambda kind: min((t for t in world if t.kind is kind), key=lambda t: t.delay_ms)


@pytest.fixture
def judge(ground):
    return urlsplit(ground.judge)


def dialled(truth, timeout=TIMEOUT):
    return socket.create_connection((truth.ip, truth.port), timeout)


def receive(sock, size=1 << 20):
    """What comes until the other side ends the connection, or `size` bytes have come."""
    data = b""
    try:
        while len(data) < size and (chunk := sock.recv(min(65536, size - len(data)))):
            data += chunk
    except ConnectionResetError:
        pass
    return data


def asked(truth, data, size=1 << 20):
    with dialled(truth) as sock:
        sock.sendall(data)
        return receive(sock, size)


def plain(judge, path=f"/?n={NONCE}"):
    return f"GET {path} HTTP/1.1\r\nHost: {judge.netloc}\r\nProxy-Connection: close\r\n\r\n".encode()


def absolute(judge):
    return plain(judge, f"http://{judge.netloc}/?n={NONCE}")


def packed(judge):
    return struct.pack(">H", judge.port), socket.inet_aton(judge.hostname)


def through_http(sock, judge):
    sock.sendall(absolute(judge))


def through_connect(sock, judge):
    sock.sendall(f"CONNECT {judge.netloc} HTTP/1.1\r\nHost: {judge.netloc}\r\n\r\n".encode())
    assert receive(sock, 39) == b"HTTP/1.1 200 Connection established\r\n\r\n"
    sock.sendall(plain(judge))


def through_socks4(sock, judge):
    port, host = packed(judge)
    sock.sendall(b"\x04\x01" + port + host + b"user\x00")
    assert receive(sock, 8)[:2] == b"\x00\x5a"
    sock.sendall(plain(judge))


def through_socks5(sock, judge):
    port, host = packed(judge)
    sock.sendall(b"\x05\x02\x00\x02")
    assert receive(sock, 2) == b"\x05\x00"
    sock.sendall(b"\x05\x01\x00\x01" + host + port)
    assert receive(sock, 10)[:2] == b"\x05\x00"
    sock.sendall(plain(judge))


WAYS = {
    Protocol.HTTP: through_http,
    Protocol.HTTPS: through_connect,
    Protocol.SOCKS4: through_socks4,
    Protocol.SOCKS5: through_socks5,
}
SPEAKS = [
    (Kind.HTTP, Protocol.HTTP),
    (Kind.HTTP_CONNECT, Protocol.HTTP),
    (Kind.HTTP_CONNECT, Protocol.HTTPS),
    (Kind.CONNECT, Protocol.HTTPS),
    (Kind.SOCKS4, Protocol.SOCKS4),
    (Kind.SOCKS4_SILENT, Protocol.SOCKS4),
    (Kind.SOCKS5, Protocol.SOCKS5),
    (Kind.MIXED, Protocol.HTTP),
    (Kind.MIXED, Protocol.HTTPS),
    (Kind.MIXED, Protocol.SOCKS5),
]


def body_of(answer):
    return json.loads(answer.partition(b"\r\n\r\n")[2])


@pytest.mark.parametrize(("kind", "protocol"), SPEAKS)
def test_a_live_proxy_reaches_the_judge_from_its_exit_again_and_again(one_of, judge, kind, protocol):
    truth = one_of(kind)
    assert protocol in truth.protocols
    for _ in range(2):
        with dialled(truth) as sock:
            WAYS[protocol](sock, judge)
            answer = body_of(receive(sock))
        assert answer["client"] == truth.exit_ip
        assert answer["nonce"] == NONCE


@pytest.mark.parametrize("anonymity", list(Anonymity))
def test_headers_tell_what_the_truth_says(world, judge, anonymity):
    truth = next(t for t in world if t.kind is Kind.HTTP_CONNECT and t.anonymity is anonymity)
    headers = dict(body_of(asked(truth, absolute(judge)))["headers"])
    added = {
        Anonymity.TRANSPARENT: {"Via": "1.1 proxy", "X-Forwarded-For": "127.0.0.1"},
        Anonymity.ANONYMOUS: {"Via": "1.1 proxy"},
        Anonymity.ELITE: {},
    }
    assert headers == {"Host": judge.netloc, "Connection": "close"} | added[anonymity]


def test_an_answer_takes_as_long_as_the_truth_says(world, judge):
    truth = min((t for t in world if t.kind is Kind.HTTP), key=lambda t: abs(t.delay_ms - 100))
    start = time.monotonic()
    asked(truth, absolute(judge))
    assert time.monotonic() - start >= truth.delay_ms / 1000


CONNECT = b"CONNECT 127.0.0.1:9 HTTP/1.1\r\n\r\n"
SOCKS4_NAME = b"\x04\x01\x00\x50\x00\x00\x00\x01\x00localhost\x00"
SOCKS5_HELLO = b"\x05\x01\x00"


@pytest.mark.parametrize(
    ("kind", "request_", "answer"),
    [
        (Kind.HTTP, CONNECT, b"HTTP/1.1 405 "),
        (Kind.CONNECT, b"GET http://127.0.0.1:9/ HTTP/1.1\r\n\r\n", b"HTTP/1.1 405 "),
        (Kind.HTTP, b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 400 "),
        (Kind.HTTP, SOCKS5_HELLO, b"HTTP/1.1 400 "),
        (Kind.HTTP_CONNECT, CONNECT, b"HTTP/1.1 502 "),
        (Kind.HTTP_CONNECT, b"CONNECT 192.0.2.1:80 HTTP/1.1\r\n\r\n", b"HTTP/1.1 403 "),
        (Kind.HTTP_CONNECT, b"CONNECT 127.0.0.1 HTTP/1.1\r\n\r\n", b"HTTP/1.1 400 "),
        (Kind.HTTP, b"GET http://example.invalid/ HTTP/1.1\r\n\r\n", b"HTTP/1.1 403 "),
        (Kind.SOCKS4, b"\x04\x01\x00\x50\xc0\x00\x02\x01\x00", b"\x00\x5b"),
        (Kind.SOCKS4, SOCKS4_NAME, b"\x00\x5b"),
        (Kind.SOCKS4, SOCKS5_HELLO, b""),
        (Kind.SOCKS4, CONNECT, b""),
        (Kind.SOCKS5, CONNECT, b""),
        (Kind.SOCKS5, b"\x05\x01\x02", b"\x05\xff"),
        (Kind.SOCKS5, SOCKS5_HELLO + b"\x05\x01\x00\x01\xc0\x00\x02\x01\x00\x50", b"\x05\x00\x05\x02"),
        (Kind.SOCKS5, SOCKS5_HELLO + b"\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x09", b"\x05\x00\x05\x04"),
        (Kind.SOCKS5, SOCKS5_HELLO + b"\x05\x02\x00\x01", b"\x05\x00\x05\x07"),
        (Kind.SOCKS5, SOCKS5_HELLO + b"\x05\x01\x00\x03", b"\x05\x00\x05\x08"),
        (Kind.SOCKS5_AUTH, SOCKS5_HELLO, b"\x05\xff"),
        (Kind.SOCKS5_AUTH, CONNECT, b""),
        (Kind.CLOSE, b"", b""),
        (Kind.CLOSE_AFTER_REQUEST, b"GET", b""),
        (Kind.GARBAGE, b"GET", bytes(range(0x80, 0x100))),
        (Kind.WEB_SERVER, CONNECT, b"HTTP/1.1 404 "),
        (Kind.CAPTIVE, CONNECT, b"HTTP/1.1 200 OK\r\nContent-Type: text/html"),
        (Kind.CAPTIVE, SOCKS5_HELLO, b"HTTP/1.1 400 "),
    ],
)
def test_what_cannot_work_is_answered_as_its_kind_does(one_of, kind, request_, answer):
    received = asked(one_of(kind), request_)
    assert received.startswith(answer)
    assert received or not answer


def test_a_password_is_asked_for_and_turned_down(one_of):
    with dialled(one_of(Kind.SOCKS5_AUTH)) as sock:
        sock.sendall(b"\x05\x02\x00\x02")
        assert receive(sock, 2) == b"\x05\x02"
        sock.sendall(b"\x01\x01u\x01p")
        assert receive(sock) == b"\x01\x01"


def test_a_captive_page_repeats_the_nonce(one_of, judge):
    answer = asked(one_of(Kind.CAPTIVE_ECHO), absolute(judge))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert NONCE.encode() in answer


def test_a_forged_answer_has_the_judges_shape_and_another_proof(one_of, judge):
    forged = body_of(asked(one_of(Kind.FORGED), absolute(judge)))
    real = body_of(asked(one_of(Kind.HTTP), absolute(judge)))
    assert forged.keys() == real.keys()
    assert forged["nonce"] == real["nonce"]
    assert forged["proof"] != real["proof"]


def test_once_works_once(one_of, judge):
    truth = one_of(Kind.ONCE)
    assert asked(truth, SOCKS5_HELLO).startswith(b"HTTP/1.1 400 ")  # spends nothing
    assert body_of(asked(truth, absolute(judge)))["client"] == truth.ip
    assert asked(truth, absolute(judge)) == b""
    assert asked(truth, absolute(judge)) == b""


def test_an_injector_changes_pages_but_no_answer_of_the_judge(one_of, judge):
    truth = one_of(Kind.INJECTOR)
    assert body_of(asked(truth, absolute(judge)))["nonce"] == NONCE
    known = f"/known?n={NONCE}"
    page = asked(truth, plain(judge, f"http://{judge.netloc}{known}")).partition(b"\r\n\r\n")
    with socket.create_connection((judge.hostname, judge.port), TIMEOUT) as sock:
        sock.sendall(plain(judge, known))
        original = receive(sock).partition(b"\r\n\r\n")[2]
    assert page[2] == original.replace(b"</body>", SCRIPT + b"</body>") != original
    assert b"Content-Length: %d\r\n" % len(page[2]) in page[0]


@pytest.mark.parametrize("kind", [Kind.ENDLESS_HEADERS, Kind.ENDLESS_BODY])
def test_endless_answers_go_beyond_any_bound(one_of, kind):
    answer = asked(one_of(kind), b"GET http://x/ HTTP/1.1\r\n\r\n", 100_000)
    assert len(answer) == 100_000
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert (b"\r\n\r\n" in answer) == (kind is Kind.ENDLESS_BODY)


def test_a_drip_is_a_byte_a_second(one_of):
    with dialled(one_of(Kind.DRIP)) as sock:
        start = time.monotonic()
        sock.sendall(b"GET http://x/ HTTP/1.1\r\n\r\n")
        assert receive(sock, 3) == b"HTT"
        assert time.monotonic() - start > 1.5 * DRIP_SECONDS


@pytest.mark.parametrize("kind", [Kind.HANG, Kind.SOCKS4_SILENT])
def test_a_hang_says_nothing(one_of, judge, kind):
    with dialled(one_of(kind)) as sock:
        sock.sendall(b"GET http://x/ HTTP/1.1\r\n\r\n")
        assert asked(one_of(Kind.HTTP), absolute(judge))  # who answers has done so meanwhile
        sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            sock.recv(1)


def test_nothing_listens_where_the_truth_says_refused(one_of):
    with pytest.raises(ConnectionRefusedError):
        dialled(one_of(Kind.REFUSED))


def test_syns_are_lost_again_and_again(world):
    lost = [truth for truth in world if truth.kind is Kind.LOST_SYN]
    assert len(lost) >= 5
    for truth in lost[:5]:
        with pytest.raises(TimeoutError):
            dialled(truth, 0.2)


def test_an_address_that_is_no_endpoint_gets_nothing(world):
    port = next(truth.port for truth in world if truth.alive)
    with socket.create_connection(("127.0.0.1", port), TIMEOUT) as sock:
        assert receive(sock) == b""


async def test_a_proxy_relays_much_data_in_both_directions(one_of):
    async def echo(reader, writer):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()
        ended.set()

    ended = asyncio.Event()
    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        truth = one_of(Kind.HTTP_CONNECT)
        reader, writer = await asyncio.open_connection(truth.ip, truth.port)
        writer.write(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        sent = bytes(range(256)) * 4096 * 4
        sending = asyncio.create_task(send(writer, sent))
        assert await reader.readexactly(len(sent)) == sent
        await sending
        writer.close()
        await writer.wait_closed()
        await ended.wait()  # the proxy closes the target's side too


async def send(writer, data):
    writer.write(data)
    await writer.drain()


def test_sources_name_every_endpoint_and_one_fails(ground, world):
    named = set()
    for source in ground.sources[:-1]:
        with urlopen(source.url, timeout=TIMEOUT) as answer:
            text = answer.read().decode()
        named |= set(re.findall(r"127\.\d+\.\d+\.\d+", text))
    assert {truth.ip for truth in world} <= named
    with pytest.raises(HTTPError, match="500"):
        urlopen(ground.sources[-1].url, timeout=TIMEOUT)


def test_the_list_holds_every_endpoint_once_in_another_order(ground, world):
    listed = Path(ground.everything).read_text().split()
    assert sorted(listed) == sorted(truth.address for truth in world)
    assert listed != [truth.address for truth in world]
    assert (len(world), sum(truth.alive for truth in world)) == (ground.endpoints, ground.alive)


def test_the_ground_has_a_judge_of_kind_httpbin(ground):
    with urlopen(ground.httpbin + "?n=7", timeout=TIMEOUT) as answer:
        assert json.load(answer)["url"] == ground.httpbin + "?n=7"


def test_stats_count_what_happened(ground, one_of, judge):
    def stats():
        with urlopen(ground.stats, timeout=TIMEOUT) as answer:
            return json.load(answer)

    asked(one_of(Kind.HTTP), absolute(judge))
    before = stats()
    asked(one_of(Kind.HTTP), absolute(judge))
    after = stats()
    for name in ("accepted", "relayed"):
        assert after[name]["http"] - before[name]["http"] == 1
    assert after["judged"] - before["judged"] == 1


async def test_it_starts_and_ends_without_blocking_the_event_loop():
    async with running(endpoints=20, seed=1, mix=Mix.FIELD) as ready:
        folder = Path(ready.truth).parent
        assert len(read_truth(ready.truth)) == 20
    assert not folder.exists()


def test_it_ends_with_its_stdin():
    process = subprocess.Popen(command(10, 1, Mix.DEMO), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with process:
        assert process.stdout.readline()
        process.stdin.close()
        assert process.wait(TIMEOUT) == 0


LARGE = 20_001  # endpoints: so many that several processes serve them


@contextmanager
def large_world():
    """A large ground as a process, its ready line, and the ids of the processes that it has forked."""
    with subprocess.Popen(
        command(LARGE, 1, Mix.FIELD), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            ready = parse_ready(process.stdout.readline())
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            yield process, ready, [int(child) for child in children]
        finally:
            process.kill()


def ended(processes):
    """Wait until none of some processes is left; the test's time limit bounds it."""
    while any(Path(f"/proc/{process}").exists() for process in processes):
        time.sleep(0.01)


def test_a_large_world_is_served_by_several_processes_which_count_together():
    with large_world() as (process, ready, children):
        once = [t for t in read_truth(ready.truth) if t.kind is Kind.ONCE]
        dead = [next(t for t in once if t.port == port) for port in {t.port for t in once}]
        assert len(dead) == len(children) == 4
        judge = urlsplit(ready.judge)
        answers = [[bool(asked(truth, absolute(judge))) for _ in range(2)] for truth in dead]
        assert answers == [[True, False]] * 4
        with urlopen(ready.stats, timeout=TIMEOUT) as stats:
            assert json.load(stats) == {"accepted": {"once": 8}, "relayed": {"once": 4}, "judged": 4}
        process.terminate()
        assert process.wait(TIMEOUT) == 0
        ended(children)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 130)])
def test_no_process_outlives_the_first(number, code):
    with large_world() as (process, _, children):
        process.send_signal(number)
        assert process.wait(TIMEOUT) == code
        ended(children)


def test_a_ground_that_loses_a_process_says_so_and_ends():
    with large_world() as (process, _, children):
        os.kill(children[1], signal.SIGKILL)
        assert process.wait(TIMEOUT) == 2
        assert b"a process of the proving ground has died" in process.stderr.read()
        ended(children)


def test_wrong_usage_is_said_without_a_traceback():
    options = [sys.executable, "-m", "eagleray", "proving-ground", "--endpoints", "0"]
    result = subprocess.run(options, capture_output=True, text=True, timeout=20)
    assert result.returncode == 2
    assert "--endpoints" in result.stderr
    assert "Traceback" not in result.stderr
