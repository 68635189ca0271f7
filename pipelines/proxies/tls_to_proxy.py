"""Whether a proxy is to be spoken to over TLS: what its failures suggest, and what came of trying. Pure."""

from eagleray.pipelines.charge import Charge
from eagleray.pipelines.proxies.attempt import Attempt
from eagleray.pipelines.proxies.detection import HUNG_UP, SPOKE_HTTP, wants_tls
from eagleray.pipelines.proxies.model import Protocol, ProtocolReport
from eagleray.pipelines.proxies.outcome import OK

HTTP_LIKE = (Protocol.HTTP, Protocol.HTTPS)  # what may be spoken to the proxy over TLS


class TlsToProxy:
    """One endpoint's; `works` once it has answered over TLS."""

    __slots__ = ("_hangs", "_hung_up", "_port", "_wanted", "works")

    def __init__(self, port: int) -> None:
        self.works = False
        self._port = port
        self._hung_up = False  # on a request
        self._hangs = False  # at a SOCKS5 greeting, which is too short for a TLS record
        self._wanted: list[Protocol] | None = None  # to be tried; empty: it was; None: no reason yet

    def silent(self, protocol: Protocol) -> None:
        """Nothing came for a while."""
        self._hangs |= protocol is Protocol.SOCKS5

    def attempts(self) -> list[Attempt]:
        """The one that there is reason for, once."""
        return [Attempt(self._wanted.pop(), tls_to_proxy=True)] if self._wanted else []

    def beside(self) -> list[Attempt]:
        """The one to make where a request was hung up on and a SOCKS5 greeting is not."""
        if not (self._hung_up and self._hangs) or self._wanted is not None:
            return []
        self._wanted = [Protocol.HTTP]
        return self.attempts()

    def learn(self, attempt: Attempt, report: ProtocolReport) -> bool:
        """Take an end; False for a failure that says nothing: without TLS where it is wanted, or of a try."""
        if report.outcome is OK and not attempt.tls_to_proxy and not self.works:
            return True
        self._hung_up |= attempt.protocol is Protocol.HTTP and report.outcome in HUNG_UP
        if self._wanted is None and wants_tls(self._port, attempt, report):
            self._wanted = [attempt.protocol]
        if report.outcome.charge is Charge.SELF or attempt.protocol not in HTTP_LIKE:
            return True
        if attempt.tls_to_proxy is self.works:
            return True
        if report.outcome is not OK and (self.works or report.outcome not in SPOKE_HTTP):
            return False
        self.works |= attempt.tls_to_proxy  # else it does without, too
        return True
