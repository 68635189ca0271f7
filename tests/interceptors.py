"""Proxies that forward to the judge, and show a certificate of their own where TLS should pass through."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

from tests.certificates import Odd

LIFE = 20.0  # seconds of a connection at most
HOST = "127.0.0.1"

Show = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def forward(head: bytes, writer: asyncio.StreamWriter) -> None:
    """Forward a GET in absolute form from the address that was dialled, and bring its answer."""
    method, uri, rest = head.split(b" ", 2)
    authority, _, path = uri.removeprefix(b"http://").partition(b"/")
    host, port = authority.decode().split(":")
    address = writer.get_extra_info("sockname")[0]
    reader, upstream = await asyncio.open_connection(host, int(port), local_addr=(address, 0))
    upstream.write(b"%b /%b %b" % (method, path, rest))
    writer.write(await reader.read())
    upstream.close()


async def serve(show: Show, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection; however it ends is the client's business."""
    with suppress(OSError, EOFError, ValueError, asyncio.LimitOverrunError, TimeoutError):
        async with asyncio.timeout(LIFE):
            head = await reader.readuntil(b"\r\n\r\n")
            if head.startswith(b"CONNECT"):
                writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
                await show(reader, writer)
            else:
                await forward(head, writer)
    writer.close()


async def by_openssl(
    context: ssl.SSLContext, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Make the handshake, and wait for the client to go."""
    await writer.start_tls(context)
    await reader.read()


async def by_hand(flight: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer the hello by these bytes, and wait for the client to go."""
    await reader.read(1)
    writer.write(flight)
    await writer.drain()
    await reader.read()


def shown(odd: Odd, folder: Path) -> Show:
    """By OpenSSL where that reads it, else by hand."""
    try:
        return partial(by_openssl, odd.context(folder))
    except ssl.SSLError:
        return partial(by_hand, odd.flight())


@asynccontextmanager
async def intercepting(odds: Iterable[Odd], folder: Path) -> AsyncIterator[dict[int, Odd]]:
    """Serve a proxy for each, and say at which ports of 127.0.0.1."""
    servers, ports = [], {}
    for odd in odds:
        servers.append(server := await asyncio.start_server(partial(serve, shown(odd, folder)), HOST, 0))
        ports[server.sockets[0].getsockname()[1]] = odd
    try:
        yield ports
    finally:
        for server in servers:
            server.close()
