"""HttpSource against real servers on loopback."""

import asyncio
import base64
import gzip
import socket
import ssl
import zlib
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from eagleray.actors.sources.base import (
    BadStatus,
    BlockedAddress,
    SourceError,
    SourceSettings,
    TimedOut,
    TooLarge,
    TooManyRedirects,
    Unreachable,
)
from eagleray.actors.sources.http import MAX_REDIRECTS, HttpSource
from eagleray.pipelines.addresses import Allowed

GLOBAL = Allowed()
LOOPBACK = Allowed(["127.0.0.0/8"])


async def fetch(url: str, allowed: Allowed = GLOBAL, **settings):
    source = HttpSource(SourceSettings(name="s", kind="http", url=url, **settings), allowed)
    return [document async for document in source.documents()]


def answer(body: bytes = b"1.2.3.4:80\n", **options):
    async def handler(_request: web.Request) -> web.Response:
        return web.Response(body=body, **options)

    return handler


async def test_a_document(serve):
    url = await serve(answer(content_type="text/plain"))
    (document,) = await fetch(f"{url}/list.txt?key=geheim")
    assert document.body == b"1.2.3.4:80\n"
    assert document.source == "s"
    assert document.url == f"{url}/list.txt?key=***"
    assert document.content_type == "text/plain"
    assert document.fetched_at > 1.7e9


async def test_what_is_sent(serve):
    seen = {}

    async def handler(request: web.Request) -> web.Response:
        seen.update(request.headers)
        return web.Response()

    url = await serve(handler)
    await fetch(url.replace("//", "//user:secret@"), headers={"X-Key": "k"})
    assert seen["Authorization"] == "Basic " + base64.b64encode(b"user:secret").decode()
    assert seen["X-Key"] == "k"
    assert seen["User-Agent"] == "eagleray"


@pytest.mark.parametrize("status", [204, 304, 403, 404, 500, 503])
async def test_another_status_is_an_error(serve, status):
    with pytest.raises(BadStatus, match=f"HTTP status {status}"):
        await fetch(await serve(answer(b"", status=status)))


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        (None, b"x" * 100_001),
        ("gzip", gzip.compress(bytes(50_000_000))),
        ("deflate", zlib.compress(bytes(50_000_000))),
    ],
    ids=["plain", "gzip bomb", "deflate bomb"],
)
async def test_a_body_beyond_the_bound(serve, encoding, body):
    url = await serve(answer(body, headers={"Content-Encoding": encoding} if encoding else {}))
    with pytest.raises(TooLarge, match="more than 100000 bytes"):
        await fetch(url, max_bytes=100_000)


async def test_a_body_at_the_bound(serve):
    (document,) = await fetch(await serve(answer(b"x" * 100_000)), max_bytes=100_000)
    assert len(document.body) == 100_000


async def test_an_endless_body(serve):
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(bytes(10_000))

    with pytest.raises(TooLarge):
        await fetch(await serve(handler), max_bytes=1_000_000)


async def test_a_silent_server(serve):
    async def handler(_request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    with pytest.raises(TimedOut, match=r"no whole answer within 0\.2 s"):
        await fetch(await serve(handler), timeout=0.2)


async def test_a_dripping_server(serve):
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"1")
            await asyncio.sleep(0.02)

    with pytest.raises(TimedOut):
        await fetch(await serve(handler), timeout=0.3)


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"220 smtp ready\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 7\r\n\r\nno gzip",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://[\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n",
    ],
    ids=[
        "nothing",
        "another protocol",
        "cut off",
        "bad gzip",
        "huge header",
        "bad redirect",
        "redirect to a file",
    ],
)
async def test_a_broken_answer(reply):
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply)
        writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Unreachable) as caught:
            await fetch(f"http://u:geheim@127.0.0.1:{port}/")
    assert "geheim" not in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_a_certificate_that_nobody_vouches_for(tmp_path):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    certificate = (
        builder.not_valid_before(now).not_valid_after(now + timedelta(days=1)).sign(key, hashes.SHA256())
    )
    pem = tmp_path / "server.pem"
    pem.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        + certificate.public_bytes(Encoding.PEM)
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem)
    async with await asyncio.start_server(lambda *_: None, "127.0.0.1", 0, ssl=context) as server:
        with pytest.raises(Unreachable, match="certificate is not to be trusted"):
            await fetch(f"https://localhost:{server.sockets[0].getsockname()[1]}/")


async def test_nobody_listens():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with pytest.raises(Unreachable):
            await fetch(f"http://127.0.0.1:{free.getsockname()[1]}/")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_the_address_that_the_user_names_is_his(serve, host):
    url = await serve(answer())
    assert len(await fetch(url.replace("127.0.0.1", host))) == 1


async def test_a_redirect_to_another_private_address_is_refused_before_a_dial(serve):
    dialled = 0

    async def canary(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal dialled
        dialled += 1
        writer.close()

    async with await asyncio.start_server(canary, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]"):
            url = await serve(answer(status=302, headers={"Location": f"http://{host}:{port}/"}))
            with pytest.raises(BlockedAddress):
                await fetch(url)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.read() == b""  # it takes connections in their order
        writer.close()
    assert dialled == 1  # ours


async def test_a_name_that_resolves_to_a_private_address_is_refused(serve, monkeypatch):
    url = await serve(answer())
    port = int(url.rpartition(":")[2])
    resolved = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_options: resolved)
    with pytest.raises(BlockedAddress, match=r"127\.0\.0\.1 is not a global address"):
        await fetch(f"http://lists.example:{port}/")
    assert len(await fetch(f"http://lists.example:{port}/", LOOPBACK)) == 1


async def test_a_silent_name_server_is_bounded_by_the_timeout(monkeypatch):
    answered = asyncio.get_running_loop().create_future()

    def hang(*_args, **_options):
        asyncio.run_coroutine_threadsafe(asyncio.wait_for(answered, 5), loop).result()
        return []

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(socket, "getaddrinfo", hang)
    with pytest.raises(TimedOut):
        await fetch("http://lists.example/", timeout=0.1)
    answered.set_result(None)


@pytest.mark.parametrize(("hops", "fails"), [(MAX_REDIRECTS, False), (MAX_REDIRECTS + 1, True)])
async def test_redirects_are_bounded(serve, hops, fails):
    async def handler(request: web.Request) -> web.Response:
        hop = int(request.path[1:])
        return web.Response(status=307, headers={"Location": f"/{hop - 1}"}) if hop else web.Response()

    url = await serve(handler)
    if fails:
        with pytest.raises(TooManyRedirects):
            await fetch(f"{url}/{hops}")
    else:
        assert len(await fetch(f"{url}/{hops}")) == 1


async def test_headers_do_not_follow_a_redirect_to_another_origin(serve):
    seen = []

    async def other(request: web.Request) -> web.Response:
        seen.append(request.headers)
        return web.Response()

    target = await serve(other)
    url = await serve(answer(status=302, headers={"Location": target}))
    await fetch(url.replace("//", "//user:secret@"), LOOPBACK, headers={"X-Key": "k"})
    assert "X-Key" not in seen[0]
    assert "Authorization" not in seen[0]


@pytest.mark.parametrize("url", ["http://2130706433/", "http://0x7f.1/", "http://" + "a" * 70 + ".example/"])
async def test_odd_hosts_are_an_error(url):
    with pytest.raises(SourceError):
        await fetch(url)
