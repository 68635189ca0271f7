"""Which connections the engine opens first, and how it ends them."""

import asyncio

import pytest

from eagleray.actors.net import engine as engine_module
from eagleray.actors.net.connection import Connection, Priority
from eagleray.actors.net.engine import Engine
from eagleray.pipelines.addresses import Allowed


class Call(Connection):
    """A connection that is over as soon as it is made; notes its name in `over`."""

    def __init__(self, port, priority, over):
        super().__init__("127.0.0.1", port, connect_timeout=5.0, timeout=5.0)
        self.priority = priority
        self.over = over

    def converse(self):
        return
        yield b""

    def ended(self):
        self.over.put_nowait(self.priority.name)


@pytest.fixture
async def port():
    """Where somebody listens."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1")
    async with server:
        yield server.sockets[0].getsockname()[1]


async def order_of(port, priorities):
    """The order in which an engine that holds one connection at a time opens them."""
    engine, over = Engine(Allowed(["127.0.0.0/8"]), 1), asyncio.Queue()
    try:
        for priority in priorities:
            engine.run(Call(port, priority, over))
        return [await over.get() for _ in priorities]
    finally:
        engine.close()


async def test_silent_servers_let_new_ones_go_first(port):
    waiting = [Priority.SILENT, Priority.NEW, Priority.URGENT, Priority.SILENT, Priority.NEW]
    assert await order_of(port, waiting) == ["URGENT", "NEW", "NEW", "SILENT", "SILENT"]


async def test_not_for_ever(port, monkeypatch):
    monkeypatch.setattr(engine_module, "MOST_SILENT", 2)
    waiting = [Priority.NEW, Priority.SILENT, Priority.SILENT, Priority.SILENT]
    assert await order_of(port, waiting) == ["SILENT", "SILENT", "NEW", "SILENT"]


async def test_a_connection_ends_by_a_reset():
    ends = asyncio.Queue()

    async def serve(reader, writer):
        try:
            ends.put_nowait(await reader.read())
        except ConnectionResetError:
            ends.put_nowait("reset")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1") as server:
        await order_of(server.sockets[0].getsockname()[1], [Priority.NEW])
        assert await ends.get() == "reset"
