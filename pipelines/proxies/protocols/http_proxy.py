"""What a client says to an HTTP proxy: CONNECT (RFC 9110 section 9.3.6), credentials; what statuses mean."""

from base64 import b64encode

from eagleray.pipelines.proxies.model import Credentials
from eagleray.pipelines.proxies.outcome import Outcome
from eagleray.pipelines.proxies.protocols import http1
from eagleray.pipelines.proxies.protocols.exchange import Exchange, ProbeFailed, Stream
from eagleray.pipelines.proxies.protocols.target import Target

BAD_REQUEST = "HTTP status 400"  # also what web servers say to plain HTTP on a port for TLS


def connect(stream: Stream, target: Target, credentials: Credentials | None = None) -> Exchange[None]:
    """Ask an HTTP proxy for a tunnel to `target`.

    Raises:
        ProbeFailed: what `http1.read_head` raises, and what `refuse_status` makes of the status.
    """
    lines = f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n".encode() + authorization(credentials) + b"\r\n"
    head = yield from http1.read_head(stream, lines)
    if not 200 <= head.status < 300:
        refuse_status(credentials, head.status)
    stream.first_byte_at = None  # what came so far was the proxy's, not the judge's


def authorization(credentials: Credentials | None) -> bytes:
    """The header line for Basic credentials (RFC 7617), empty without."""
    if credentials is None:
        return b""
    pair = f"{credentials.username}:{credentials.password}".encode()
    return b"Proxy-Authorization: Basic " + b64encode(pair) + b"\r\n"


def refuse_status(credentials: Credentials | None, status: int) -> None:
    """Name what a proxy's refusal means.

    Raises:
        ProbeFailed: AUTH_REQUIRED, AUTH_FAILED, FORBIDDEN, REFUSED_BY_PROXY or NOT_A_PROXY.
    """
    if status == 407 or (status == 401 and credentials):
        outcome = Outcome.AUTH_FAILED if credentials else Outcome.AUTH_REQUIRED
    elif status in (403, 405, 501):
        outcome = Outcome.FORBIDDEN
    elif status in (500, 502, 503, 504):
        outcome = Outcome.REFUSED_BY_PROXY
    else:
        outcome = Outcome.NOT_A_PROXY
    raise ProbeFailed(outcome, f"HTTP status {status}")
