"""Requests to judges without a proxy."""

import secrets
from functools import partial

from eagleray.actors.net.direct import ask
from eagleray.actors.net.engine import Engine
from eagleray.actors.net.names import NoAddress, resolve
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
    try:
        address = await resolve(parts.host, parts.port, allowed)
    except NoAddress as error:
        raise JudgeError(f"judge {parts}: {error}") from error
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


async def fetch(url: JudgeUrl, address: str, engine: Engine, nonce: str = "") -> http1.Answer:
    """The answer of a judge at `address` to a direct request.

    Raises:
        JudgeError: none came.
    """
    request = partial(http1.read_answer, send=url.request(nonce))
    connection = await ask(engine, address, url.port, CONNECT_TIMEOUT, TIMEOUT, request)
    if connection.outcome is not Outcome.OK:
        raise JudgeError(f"judge {url}: {connection.outcome} {connection.detail}".rstrip())
    answer: http1.Answer = connection.value
    return answer
