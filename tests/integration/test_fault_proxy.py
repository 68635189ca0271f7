import asyncio

import pytest

from tests.fault_proxy import fault_proxy

DATA = bytes(range(256)) * 1024


class Echo(asyncio.Protocol):
    """Sends back what it gets, and keeps it."""

    def __init__(self, got: bytearray) -> None:
        self._got = got

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._got.extend(data)
        self._transport.write(data)


@pytest.fixture
async def echo():
    """The port of a server that sends back what it gets, and all that it got."""
    got = bytearray()
    server = await asyncio.get_running_loop().create_server(lambda: Echo(got), "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1], got
    server.close()
    await server.wait_closed()


async def talk(port: int, data: bytes) -> bytes:
    """Send all, and give what came back until the connection broke."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    back = bytearray()

    async def send() -> None:
        writer.write(data)
        await writer.drain()

    sending = asyncio.create_task(send())
    try:
        while len(back) < len(data) and (part := await reader.read(1 << 16)):
            back += part
    except OSError:
        pass
    await asyncio.gather(sending, return_exceptions=True)
    writer.transport.abort()
    return bytes(back)


async def test_it_relays_what_it_is_not_to_cut(echo):
    async with fault_proxy(echo[0]) as proxy:
        assert await talk(proxy.port, DATA) == DATA
        assert (proxy.connections, proxy.cuts) == (1, 0)


@pytest.mark.parametrize("limit", [0, 1, 1000, len(DATA) - 1])
async def test_it_cuts_after_so_many_bytes_until_it_is_healed(echo, limit):
    port, got = echo
    async with fault_proxy(port) as proxy:
        proxy.to_server = limit
        back = await talk(proxy.port, DATA)
        async with asyncio.timeout(10):
            while len(got) < limit:  # noqa: ASYNC110 (what it waits for has no event)
                await asyncio.sleep(0.001)
        assert bytes(got) == DATA[:limit]
        assert DATA[:limit].startswith(back)  # what was on its way back is lost with the connection
        proxy.to_server, proxy.to_client = None, limit
        assert DATA[:limit].startswith(await talk(proxy.port, DATA))
        assert proxy.cuts == 2
        proxy.heal()
        assert await talk(proxy.port, DATA) == DATA


async def test_a_server_that_is_down_resets_the_client(echo):
    async with fault_proxy(1) as proxy:
        assert await talk(proxy.port, b"x") == b""
