"""Requests to judges without a proxy."""

import asyncio
import secrets
import socket
from functools import partial

from eagleray.actors.net.direct import Direct
from eagleray.actors.net.engine import Engine
from eagleray.pipelines.addresses import Allowed
from eagleray.pipelines.proxies.judging import Judge, JudgeError, JudgeUrl, parse_judge_url
from eagleray.pipelines.proxies.outcome import Outcome
from eagleray.pipelines.proxies.protocols import http1
from eagleray.pipelines.proxies.protocols.exchange import ProbeFailed

CONNECT_TIMEOUT = 3.0  # seconds; a judge that needs longer would spoil every check
TIMEOUT = 5.0
NONCE_BYTES = 8


async def ask_directly(url: str, engine: Engine, allowed: Allowed) -> Judge:
    """Ask one judge without a proxy.

    Raises:
        JudgeError: no URL, no address, an address that may not be dialled, no answer, or not a judge's.
    """
    parts = parse_judge_url(url)
    address = await resolve(parts, allowed)
    answer = await fetch(parts, address, engine)
    try:
        judge = Judge(parts, address, answer)
    except JudgeError as error:
        raise JudgeError(f"judge {parts}: {error}") from error
    if judge.known_url and not await serves_known_page(judge, engine):
        judge.known_url = None  # every proxy would look as if it had changed the page
    return judge


async def serves_known_page(judge: Judge, engine: Engine) -> bool:
    """Whether the known page comes as it is without a proxy."""
    assert judge.known_url is not None
    nonce = judge.nonce(secrets.token_hex(NONCE_BYTES))
    try:
        judge.refuse_tampered(await fetch(judge.known_url, judge.target.host, engine, nonce), nonce)
    except (JudgeError, ProbeFailed):
        return False
    return True


async def resolve(parts: JudgeUrl, allowed: Allowed) -> str:
    """An address of the judge that may be dialled, IPv4 first: SOCKS4 knows nothing else.

    Raises:
        JudgeError: the name has no such address.
    """
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(parts.host, parts.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:  # a label beyond 63 characters is the codec's error
        reason = getattr(error, "strerror", "not a name")
        raise JudgeError(f"judge {parts}: no address for this name ({reason})") from error
    addresses = sorted({str(info[4][0]) for info in found}, key=lambda address: ":" in address)
    dialable = [address for address in addresses if allowed(address)]
    if not dialable:
        blocked = addresses[0]
        raise JudgeError(f"judge {parts}: {blocked} is not a global address; `--allow {blocked}` allows it")
    return dialable[0]


async def fetch(url: JudgeUrl, address: str, engine: Engine, nonce: str = "") -> http1.Answer:
    """The answer of a judge at `address` to a direct request.

    Raises:
        JudgeError: none came.
    """
    request = partial(http1.read_answer, send=url.request(nonce))
    connection = await Direct(address, url.port, CONNECT_TIMEOUT, TIMEOUT, request).run(engine)
    if connection.outcome is not Outcome.OK:
        raise JudgeError(f"judge {url}: {connection.outcome} {connection.detail}".rstrip())
    answer: http1.Answer = connection.value
    return answer
