"""A connection without a proxy, to be awaited: to a judge, or to the TLS target."""

import asyncio
from collections.abc import Callable
from typing import Any

from eagleray.actors.net.connection import Connection
from eagleray.actors.net.engine import Engine
from eagleray.pipelines.proxies.outcome import Outcome
from eagleray.pipelines.proxies.protocols.exchange import Exchange, Stream

TRIES = 3  # where this process stands still in the middle


class Direct(Connection):
    """Runs the exchange that `begin` makes for its stream; `run` waits for the end."""

    __slots__ = ("_begin", "_over")

    def __init__(
        self,
        host: str,
        port: int,
        connect_timeout: float,
        timeout: float,
        begin: Callable[[Stream], Exchange[Any]],
    ) -> None:
        super().__init__(host, port, connect_timeout, timeout)
        self._begin = begin
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self, engine: Engine) -> "Direct":
        """Itself, once it is over."""
        engine.run(self)
        await self._over
        return self

    def converse(self) -> Exchange[Any]:
        """The exchange."""
        return self._begin(self)

    def ended(self) -> None:
        """Wake whoever waits; he may have been cancelled."""
        if not self._over.done():
            self._over.set_result(None)


async def ask(
    engine: Engine,
    host: str,
    port: int,
    connect_timeout: float,
    timeout: float,
    begin: Callable[[Stream], Exchange[Any]],
) -> Direct:
    """The connection, once it is over; made again where this process stood still meanwhile."""
    for _ in range(TRIES):
        connection = await Direct(host, port, connect_timeout, timeout, begin).run(engine)
        if connection.outcome is not Outcome.SUSPENDED:
            break
    return connection
