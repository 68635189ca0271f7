"""Our judge: tells a client through which address and with which headers its request arrived, and proves it.

The proof is described in `eagleray.pipelines.proxies.proof`, and so is the page at `/known`. `/get` answers
as httpbin does, for clients that know only that kind; every other path answers in our own shape.
"""

import asyncio
import re
import secrets
from collections.abc import Callable
from http import HTTPStatus
from signal import Signals
from urllib.parse import parse_qs

import msgspec

from eagleray.cluster.http_server import BACKLOG, Request, Server, error, response, stop_signals
from eagleray.pipelines.proxies.proof import VERSION, known_page, prove, session_key, session_of

SECRET_BYTES = 32  # as long as the HMAC's output, RFC 2104 section 3
NONCE = re.compile(r"[A-Za-z0-9._~-]{1,128}")  # unreserved characters, so that no proxy re-encodes them
MAX_FIELDS = 100  # of a query that `/get` takes apart

encode = msgspec.json.Encoder().encode


class Judge:
    """Answers requests. Keeps no state but its secret, so several judges with one secret are one judge."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def answer(self, request: Request, client: str) -> bytes:
        """The whole answer to a request that arrived from the address `client`."""
        if request.method != "GET":
            return error(HTTPStatus.METHOD_NOT_ALLOWED, "only GET is answered")
        path, _, query = request.origin_form.partition("?")
        if path == "/get":
            return httpbin(request, query, client)
        nonce = nonce_of(query)
        if nonce is None:
            return response(HTTPStatus.OK, encode(self._session(request, client)))
        if not NONCE.fullmatch(nonce):
            return error(HTTPStatus.BAD_REQUEST, "not a nonce")
        if path == "/known":
            page = known_page(session_key(self._secret, session_of(nonce)), nonce)
            return response(HTTPStatus.OK, page, "text/html")
        return response(HTTPStatus.OK, encode(self._proof(request, client, nonce)))

    def _session(self, request: Request, client: str) -> dict[str, object]:
        session = secrets.token_hex(8)
        key = session_key(self._secret, session).hex()
        return {**common(client), "session": session, "key": key, "headers": request.headers}

    def _proof(self, request: Request, client: str, nonce: str) -> dict[str, object]:
        proof = prove(session_key(self._secret, session_of(nonce)), nonce, client, request.headers)
        return {**common(client), "nonce": nonce, "proof": proof, "headers": request.headers}


def common(client: str) -> dict[str, object]:
    """The members that every answer of our own shape begins with."""
    return {"judge": "eagleray", "version": VERSION, "client": client}


def nonce_of(query: str) -> str | None:
    """The value of the first field `n` of a query, as it was sent; None where there is none."""
    return next((field[2:] for field in query.split("&") if field.startswith("n=")), None)


def httpbin(request: Request, query: str, client: str) -> bytes:
    """What httpbin.org answers to `/get`: `origin` is X-Forwarded-For and then the peer's address."""
    try:
        fields = parse_qs(query, keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:
        return error(HTTPStatus.BAD_REQUEST, "too many fields")
    headers: dict[str, str] = {}
    for name, value in request.headers:
        name = name.title()
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    document = {
        "args": {name: values if len(values) > 1 else values[0] for name, values in fields.items()},
        "headers": headers,
        "origin": ", ".join([*request.values("x-forwarded-for"), client]),
        "url": f"http://{headers.get('Host', '')}{request.origin_form}",
    }
    return response(HTTPStatus.OK, encode(document))


async def serve(
    secret: bytes, host: str, port: int, max_connections: int, ready: Callable[[str], None]
) -> Signals:
    """Serve a judge until SIGINT or SIGTERM; call `ready` with its URL once it listens.

    Raises:
        OSError: the address cannot be listened on.
    """
    signals = stop_signals()
    server = Server(Judge(secret).answer, max_connections)
    listening = await asyncio.get_running_loop().create_server(server.connection, host, port, backlog=BACKLOG)
    ready(url_of(*listening.sockets[0].getsockname()[:2]))
    return await signals.get()  # the listener ends with the event loop: nobody waits for idle connections


def url_of(host: str, port: int) -> str:
    """The URL of a server on a literal address."""
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
