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
    version, code, *_ = yield from stream.exactly(8, request(target, credentials), "SOCKS4 reply")
    if version != 0 or code not in tuple(Reply):
        raise ProbeFailed(Outcome.MALFORMED, f"SOCKS4 reply: version {version}, code {code}")
    if code != Reply.GRANTED:
        outcome = Outcome.REFUSED_BY_PROXY if code == Reply.REJECTED else Outcome.AUTH_FAILED
        raise ProbeFailed(outcome, f"SOCKS4 reply: code {code}")


def request(target: Target, credentials: Credentials | None) -> bytes:
    """CONNECT to an IPv4 address, or to a name or IPv6 address by SOCKS4a."""
    user = (credentials.username if credentials else "").encode() + b"\x00"
    head = bytes([VERSION, CONNECT]) + target.port.to_bytes(2, "big")
    if target.is_ipv4 and (packed := target.packed):
        return head + packed + user
    return head + INVALID_ADDRESS + user + target.host.encode("idna") + b"\x00"
