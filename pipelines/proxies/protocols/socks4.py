"""SOCKS4 and its extension SOCKS4a for names (openssh.com/txt/socks4.protocol, socks4a.protocol)."""

from enum import IntEnum

from eagleray.pipelines.proxies.model import Credentials
from eagleray.pipelines.proxies.outcome import Outcome
from eagleray.pipelines.proxies.protocols.exchange import Exchange, ProbeFailed, Stream
from eagleray.pipelines.proxies.protocols.target import Target

VERSION = 4
CONNECT = 1
INVALID_ADDRESS = b"\x00\x00\x00\x01"  # SOCKS4a: 0.0.0.x announces a name behind the user


class Reply(IntEnum):
    """Result codes."""

    GRANTED = 90
    REJECTED = 91
    NO_IDENTD = 92
    IDENTD_MISMATCH = 93


def connect(stream: Stream, target: Target, credentials: Credentials | None = None) -> Exchange[None]:
    """Ask a SOCKS4 proxy for a connection to `target`; only the user of `credentials` is sent.

    Raises:
        ProbeFailed: CLOSED, MALFORMED, AUTH_FAILED or REFUSED_BY_PROXY.
    """
    version, code = yield from stream.exactly(2, request(target, credentials), "SOCKS4 reply")
    if version != 0 or not Reply.GRANTED <= code <= Reply.IDENTD_MISMATCH:
        raise ProbeFailed(Outcome.MALFORMED, f"SOCKS4 reply: version {version}, code {code}")
    if code != Reply.GRANTED:
        outcome = Outcome.REFUSED_BY_PROXY if code == Reply.REJECTED else Outcome.AUTH_FAILED
        raise ProbeFailed(outcome, f"SOCKS4 reply: code {code}")
    yield from stream.exactly(6, step="SOCKS4 reply")  # port and address mean nothing for CONNECT


def request(target: Target, credentials: Credentials | None) -> bytes:
    """CONNECT to an IPv4 address, or to a name or IPv6 address by SOCKS4a.

    Raises:
        ProbeFailed: AUTH_FAILED for a user that the format can't carry.
    """
    user = (credentials.username if credentials else "").encode()
    if b"\x00" in user:
        raise ProbeFailed(Outcome.AUTH_FAILED, "SOCKS4 user: holds a NUL, which ends it")
    head = bytes([VERSION, CONNECT]) + target.port.to_bytes(2, "big")
    if (packed := target.packed) is not None and len(packed) == 4:
        return head + packed + user + b"\x00"
    return head + INVALID_ADDRESS + user + b"\x00" + target.host.encode() + b"\x00"
