"""SOCKS5 (RFC 1928) with user and password (RFC 1929)."""

from enum import IntEnum

from eagleray.pipelines.proxies.model import Credentials
from eagleray.pipelines.proxies.outcome import Outcome
from eagleray.pipelines.proxies.protocols.exchange import Exchange, ProbeFailed, Stream
from eagleray.pipelines.proxies.protocols.target import Target

VERSION = 5
AUTH_VERSION = 1  # RFC 1929: the version of the sub-negotiation, not of SOCKS
CONNECT = 1
MAX_FIELD = 255  # user and password are preceded by a length of one byte


class Method(IntEnum):
    """Authentication methods (RFC 1928 section 3)."""

    NONE = 0x00
    PASSWORD = 0x02
    NO_ACCEPTABLE = 0xFF


class AddressType(IntEnum):
    """Types of an address (RFC 1928 section 5)."""

    IPV4 = 1
    DOMAIN = 3
    IPV6 = 4


class Reply(IntEnum):
    """The replies that are told apart (RFC 1928 section 6)."""

    SUCCEEDED = 0
    NOT_ALLOWED = 2
    LAST = 8


def connect(stream: Stream, target: Target, credentials: Credentials | None = None) -> Exchange[None]:
    """Ask a SOCKS5 proxy for a connection to `target`.

    Raises:
        ProbeFailed: CLOSED, MALFORMED, AUTH_REQUIRED, AUTH_FAILED, FORBIDDEN or REFUSED_BY_PROXY.
    """
    version, method = yield from stream.exactly(2, greeting(credentials), "SOCKS5 greeting")
    if version != VERSION:
        raise ProbeFailed(Outcome.MALFORMED, f"SOCKS5 greeting: version {version}")
    if method == Method.PASSWORD and credentials:
        yield from authenticate(stream, credentials)
    elif method == Method.NO_ACCEPTABLE:
        raise ProbeFailed(Outcome.AUTH_FAILED if credentials else Outcome.AUTH_REQUIRED, "SOCKS5 greeting")
    elif method != Method.NONE:
        raise ProbeFailed(Outcome.MALFORMED, f"SOCKS5 greeting: method {method}, which was not offered")
    yield from read_reply(stream, request(target))


def greeting(credentials: Credentials | None) -> bytes:
    """The methods that we offer."""
    methods = [Method.NONE, Method.PASSWORD] if credentials else [Method.NONE]
    return bytes([VERSION, len(methods), *methods])


def authenticate(stream: Stream, credentials: Credentials) -> Exchange[None]:
    """User and password (RFC 1929)."""
    user, password = credentials.username.encode(), credentials.password.encode()
    if len(user) > MAX_FIELD or len(password) > MAX_FIELD:
        raise ProbeFailed(Outcome.AUTH_FAILED, "SOCKS5 password: longer than 255 bytes")
    message = bytes([AUTH_VERSION, len(user)]) + user + bytes([len(password)]) + password
    _, status = yield from stream.exactly(2, message, "SOCKS5 password")
    if status != 0:
        raise ProbeFailed(Outcome.AUTH_FAILED, "SOCKS5 password")


def request(target: Target) -> bytes:
    """CONNECT to an address or a name."""
    head, port = bytes([VERSION, CONNECT, 0]), target.port.to_bytes(2, "big")
    if (packed := target.packed) is not None:
        kind = AddressType.IPV4 if len(packed) == 4 else AddressType.IPV6
        return head + bytes([kind]) + packed + port
    name = target.host.encode()
    return head + bytes([AddressType.DOMAIN, len(name)]) + name + port


def read_reply(stream: Stream, send: bytes) -> Exchange[None]:
    """Read the reply whole, its bound address included, so that what follows is the target's."""
    version, reply, _, kind = yield from stream.exactly(4, send, "SOCKS5 reply")
    if version != VERSION or reply > Reply.LAST:
        raise ProbeFailed(Outcome.MALFORMED, f"SOCKS5 reply: version {version}, code {reply}")
    if reply != Reply.SUCCEEDED:
        outcome = Outcome.FORBIDDEN if reply == Reply.NOT_ALLOWED else Outcome.REFUSED_BY_PROXY
        raise ProbeFailed(outcome, f"SOCKS5 reply: code {reply}")
    if kind == AddressType.DOMAIN:
        (length,) = yield from stream.exactly(1, step="SOCKS5 reply")
    elif kind in (AddressType.IPV4, AddressType.IPV6):
        length = 4 if kind == AddressType.IPV4 else 16
    else:
        raise ProbeFailed(Outcome.MALFORMED, f"SOCKS5 reply: address type {kind}")
    yield from stream.exactly(length + 2, step="SOCKS5 reply")
