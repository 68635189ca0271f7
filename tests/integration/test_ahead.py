"""A slow proxy is asked again before it has answered."""

import asyncio
import contextlib

import eagleray
from eagleray.cluster.proving_ground import running

RULES = eagleray.CheckRules(connect_timeout=2.0, timeout=5.0, silence=0.1)
GRANTED = b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"


class WaitsForASecond:
    """A SOCKS5 proxy that answers the greeting at once, and a request only once there are two of them."""

    def __init__(self):
        self.requests = 0
        self._two = asyncio.Event()

    async def serve(self, reader, writer):
        with contextlib.closing(writer), contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            if await reader.readexactly(3) != b"\x05\x01\x00":
                return
            writer.write(b"\x05\x00")
            request = await reader.readexactly(10)
            self.requests += 1
            if self.requests == 2:
                self._two.set()
            await self._two.wait()
            await relay(request, reader, writer)


async def relay(request, reader, writer):
    """Connect to the IPv4 address of a SOCKS5 request; one message there, all that comes back here."""
    host, port = ".".join(map(str, request[4:8])), int.from_bytes(request[8:], "big")
    judge, to_judge = await asyncio.open_connection(host, port)
    with contextlib.closing(to_judge):
        writer.write(GRANTED)
        to_judge.write(await reader.readuntil(b"\r\n\r\n"))
        writer.write(await judge.read())
        await writer.drain()


async def test_it_works_and_is_confirmed():
    proxy = WaitsForASecond()
    async with (
        running(endpoints=20, seed=3) as ground,
        await asyncio.start_server(proxy.serve, "127.0.0.1") as server,
    ):
        endpoint = f"socks5://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        checking = eagleray.check([endpoint], judge=ground.judge, allow=ground.allow, rules=RULES)
        (report,) = [report async for report in checking]
    assert (report.alive, report.confirmed, proxy.requests) == (True, True, 2)
