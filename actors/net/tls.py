"""TLS around a sans-IO exchange, by memory: what travels is ciphertext, the exchange sees plain text."""

import ssl
from functools import lru_cache
from typing import TypeVar

from eagleray.pipelines.proxies.outcome import Outcome
from eagleray.pipelines.proxies.protocols.exchange import Exchange, ProbeFailed, Stream

T = TypeVar("T")

# Bytes received on one connection: OpenSSL takes 100 KiB of certificates at most, an answer is bounded at
# 64 KiB and its head at 16 KiB; the rest is for what small records cost.
MAX_RECEIVED = 256 * 1024
CHUNK = 16 * 1024  # the largest record (RFC 8446 section 5.1)
ERRORS = (OSError, ValueError)  # what OpenSSL, and Python around it, make of a stranger's bytes


@lru_cache(maxsize=4)
def verifying(ca_file: str = "") -> ssl.SSLContext:
    """The context that trusts the system's certificates and those of a PEM file; made once, it costs 30 ms.

    Raises:
        OSError: the file can't be read, or holds no certificate (`ssl.SSLError`).
    """
    context = ssl.create_default_context()
    if ca_file:
        context.load_verify_locations(ca_file)
    context.options |= ssl.OP_NO_RENEGOTIATION
    return context


@lru_cache(maxsize=1)
def unverified() -> ssl.SSLContext:
    """The context for proxies themselves, whose certificates nobody vouches for, and for evidence."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.options |= ssl.OP_NO_RENEGOTIATION
    return context


def over_tls(
    exchange: Exchange[T], stream: Stream, context: ssl.SSLContext, server_name: str | None = None
) -> Exchange[T]:
    """Carry `exchange` through TLS; `server_name` is sent, and verified if `context` verifies.

    The end of the stream is the same to `exchange` with and without a close_notify: its own framing says
    whether something is missing.

    Raises:
        ProbeFailed: TLS_INTERCEPTED for a certificate that does not verify, TLS_FAILED, CLOSED in the
            handshake, OVERSIZED, and what `exchange` raises.
    """
    try:
        channel = Channel(stream, context, server_name)
        yield from channel.handshake()
        send = next(exchange)
        while True:
            channel.write(send)
            send = exchange.send((yield from channel.read()))
    except StopIteration as result:
        value: T = result.value
        return value
    finally:
        exchange.close()


def peer_certificate(stream: Stream, context: ssl.SSLContext, server_name: str) -> Exchange[bytes]:
    """Make a handshake only; the server's certificate, in DER.

    Raises:
        ProbeFailed: as `over_tls` does.
    """
    channel = Channel(stream, context, server_name)
    yield from channel.handshake()
    return channel.certificate


class Channel:
    """One TLS connection in memory.

    Nothing may have come before it: a server waits for the client's hello.
    """

    def __init__(self, stream: Stream, context: ssl.SSLContext, server_name: str | None) -> None:
        if stream.buffer:
            raise ProbeFailed(Outcome.MALFORMED, "answered before it was asked")
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        try:
            self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)
        except ERRORS as error:
            raise failure("TLS", error) from error
        self._received = 0

    @property
    def certificate(self) -> bytes:
        """The server's certificate in DER, after the handshake."""
        return self._tls.getpeercert(binary_form=True) or b""

    def handshake(self) -> Exchange[None]:
        """Make the handshake; its last flight goes out with the first plain text."""
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                if not (yield from self._receive()):
                    raise ProbeFailed(Outcome.CLOSED, "closed in TLS handshake") from None
            except ERRORS as error:
                raise failure("TLS handshake", error) from error
            else:
                return

    def write(self, plain: bytes) -> None:
        """Encrypt; what comes of it is sent with the next read."""
        if not plain:
            return
        try:
            self._tls.write(plain)
        except ERRORS as error:
            raise failure("TLS", error) from error

    def read(self) -> Exchange[bytes | None]:
        """Plain text as it comes, None at the end of the stream."""
        while True:
            try:
                return self._tls.read(CHUNK) or None
            except ssl.SSLWantReadError:
                yield from self._receive()
            except ssl.SSLEOFError:
                return None
            except ERRORS as error:
                raise failure("TLS", error) from error

    def _receive(self) -> Exchange[bool]:
        """Send what is encrypted, and wait for more; False at the end of the stream."""
        chunk = yield self._outgoing.read()
        if chunk is None:
            self._incoming.write_eof()
            return False
        self._received += len(chunk)
        if self._received > MAX_RECEIVED:
            raise ProbeFailed(Outcome.OVERSIZED, f"TLS: more than {MAX_RECEIVED} bytes")
        self._incoming.write(chunk)
        return True


def failure(step: str, error: Exception) -> ProbeFailed:
    """What an error means: TLS_INTERCEPTED for a certificate that does not verify, else TLS_FAILED."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return ProbeFailed(Outcome.TLS_INTERCEPTED, f"TLS: {error.verify_message}")
    return ProbeFailed(
        Outcome.TLS_FAILED, f"{step}: {getattr(error, 'reason', None) or type(error).__name__}"
    )
