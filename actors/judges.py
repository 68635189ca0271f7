"""Asks judges directly: which of them can be used, and what they say of us."""

import asyncio
import socket

from eagleray.actors.net.engine import Connection, Engine
from eagleray.pipelines.addresses import Allowed
from eagleray.pipelines.proxies.judging import Judge, JudgeError, JudgeUrl, parse_judge_url
from eagleray.pipelines.proxies.outcome import Outcome
from eagleray.pipelines.proxies.protocols import http1
from eagleray.pipelines.proxies.protocols.exchange import Stream

CONNECT_TIMEOUT = 5.0  # seconds; a judge that needs longer would spoil every check
TIMEOUT = 10.0


async def first_judge(urls: list[str], engine: Engine, allowed: Allowed) -> Judge:
    """The first of `urls` that answers as a judge; all are asked at once.

    Raises:
        JudgeError: none does; the message names each and why.
    """
    asked = [ask_directly(url, engine, allowed) for url in urls]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, Judge):
            return answer
        if not isinstance(answer, JudgeError):
            raise answer
    raise JudgeError("; ".join(str(answer) for answer in answers) or "no judge is configured")


async def ask_directly(url: str, engine: Engine, allowed: Allowed) -> Judge:
    """Ask one judge without a proxy.

    Raises:
        JudgeError: no URL, no address, an address that may not be dialled, no answer, or not a judge's.
    """
    parts = parse_judge_url(url)
    address = await resolve(parts, allowed)
    connection = await run(engine, direct_request(parts, address))
    if connection.outcome is not Outcome.OK:
        raise JudgeError(f"judge {url}: {connection.outcome} {connection.detail}".rstrip())
    try:
        return Judge(parts, address, connection.value)
    except JudgeError as error:
        raise JudgeError(f"judge {url}: {error}") from error


async def resolve(parts: JudgeUrl, allowed: Allowed) -> str:
    """An address of the judge that may be dialled, IPv4 first: SOCKS4 knows nothing else.

    Raises:
        JudgeError: the name has no such address.
    """
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(parts.host, parts.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise JudgeError(f"judge {parts.authority}: no address for this name ({error.strerror})") from error
    addresses = sorted({str(info[4][0]) for info in found}, key=lambda address: ":" in address)
    dialable = [address for address in addresses if allowed(address)]
    if not dialable:
        blocked = addresses[0]
        raise JudgeError(
            f"judge {parts.authority}: {blocked} is not a global address; `--allow {blocked}` allows it"
        )
    return dialable[0]


def direct_request(parts: JudgeUrl, address: str) -> Connection:
    """A connection that asks for the judge's page."""
    stream = Stream()
    return Connection(
        address,
        parts.port,
        stream,
        http1.read_answer(stream, parts.request()),
        lambda _: None,
        connect_timeout=CONNECT_TIMEOUT,
        timeout=TIMEOUT,
    )


async def run(engine: Engine, connection: Connection) -> Connection:
    """Run a connection to its end."""
    ended: asyncio.Future[Connection] = asyncio.get_running_loop().create_future()

    def over(connection: Connection) -> None:
        if not ended.done():  # whoever waited may have been cancelled
            ended.set_result(connection)

    connection.on_end = over
    engine.run(connection)
    return await ended
