"""A TCP relay on loopback that cuts connections after so many bytes: for tests of stores."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

CHUNK = 1 << 16
CONNECT_SECONDS = 5.0


class FaultProxy:
    """Relays connections to a server. Limits may be changed at any time and hold for each connection.

    A connection whose limit is reached gets exactly that many bytes through and is then reset on both sides.
    """

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self.host, self.port = "127.0.0.1", 0
        self.to_server: int | None = None  # bytes that a connection may send; None: as many as it likes
        self.to_client: int | None = None  # bytes that it may receive
        self.connections = 0
        self.cuts = 0
        self._ways: set[asyncio.Task[None]] = set()

    def heal(self) -> None:
        """Cut nothing from now on."""
        self.to_server = self.to_client = None

    async def relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Relay one connection until either side ends it, or a limit does."""
        self.connections += 1
        writers = [writer]
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                server_reader, server_writer = await asyncio.open_connection(*self._server)
            writers.append(server_writer)
            ways = [
                asyncio.create_task(self._copy(reader, server_writer, "to_server")),
                asyncio.create_task(self._copy(server_reader, writer, "to_client")),
            ]
            self._ways.update(ways)
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
            await asyncio.wait(ways)
            self._ways.difference_update(ways)
        except (OSError, TimeoutError):
            pass  # the client sees its connection reset, as if it had met the server's closed port
        finally:
            for each in writers:
                each.transport.abort()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: str) -> None:
        passed = 0
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                limit = getattr(self, way)
                whole = limit is None or passed + len(data) <= limit
                part = data if whole else data[: max(0, limit - passed)]
                writer.write(part)
                passed += len(part)
                await flushed(writer)
                if not whole:
                    self.cuts += 1
                    return

    async def stop(self) -> None:
        """Reset every connection; new ones are relayed."""
        while self._ways:
            for way in self._ways:
                way.cancel()
            await asyncio.sleep(0)


async def flushed(writer: asyncio.StreamWriter) -> None:
    """Wait until the kernel has all that was written: an abort would throw the rest away."""
    writer.transport.set_write_buffer_limits(0)
    await writer.drain()


@asynccontextmanager
async def fault_proxy(port: int, host: str = "127.0.0.1") -> AsyncIterator[FaultProxy]:
    """A running proxy before the server at this port; connect to its `host` and `port`."""
    proxy = FaultProxy(host, port)
    server = await asyncio.start_server(proxy.relay, proxy.host, 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.stop()
        await server.wait_closed()
