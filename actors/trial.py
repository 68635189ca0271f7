"""The connection of one attempt of a check."""

from typing import TYPE_CHECKING, Any

from eagleray.actors.exchanges import final_exchange
from eagleray.actors.net.connection import Connection
from eagleray.actors.net.tls import over_tls, unverified
from eagleray.pipelines.proxies.attempt import Attempt, Step
from eagleray.pipelines.proxies.judging import Judge
from eagleray.pipelines.proxies.model import Protocol, ProtocolReport
from eagleray.pipelines.proxies.patience import GREETING
from eagleray.pipelines.proxies.probe import known_page, probe
from eagleray.pipelines.proxies.protocols.exchange import Exchange

if TYPE_CHECKING:
    from eagleray.actors.checks import Check

JUDGE, KNOWN_PAGE = Step.JUDGE, Step.KNOWN_PAGE


class Trial(Connection):
    """Carries out an attempt, and tells its check of the end."""

    __slots__ = ("attempt", "check", "judge", "tries")

    def __init__(
        self,
        check: "Check",
        attempt: Attempt,
        judge: Judge,
        connect_timeout: float,
        timeout: float,
        slow_after: float,
        tries: int = 1,
    ) -> None:
        endpoint = check.candidate.endpoint
        Connection.__init__(self, endpoint.host, endpoint.port, connect_timeout, timeout, slow_after)
        self.network = check.network
        self.check = check
        self.attempt = attempt
        self.judge = judge
        self.tries = tries  # this one included, where this process stood still in the middle of the others

    def converse(self) -> Exchange[Any]:
        """What to say; it returns what `CheckPlan.ended` takes."""
        check, attempt, judge = self.check, self.attempt, self.judge
        checks, endpoint, step = check.checks, check.candidate.endpoint, attempt.step
        check.connected = True
        if step is JUDGE:
            exchange: Exchange[Any] = probe(
                self, endpoint, attempt.protocol, judge, judge.nonce(checks.random())
            )
        elif step is KNOWN_PAGE:
            exchange = known_page(self, endpoint, judge, judge.nonce(checks.random()))
        else:
            exchange = final_exchange(self, endpoint, attempt, checks.rules)
        return over_tls(exchange, self, unverified()) if attempt.tls_to_proxy else exchange

    def ended(self) -> None:
        """Tell the check; what goes wrong there ends it, and nobody else."""
        try:
            self.check.ended(self)
        except Exception as error:
            self.check.abort(error)

    def slow(self) -> float | None:
        """Tell the check; a SOCKS5 greeting is not waited for as long as what needs another server."""
        try:
            self.check.slow(self)
        except Exception as error:
            self.check.abort(error)
        greets = self.attempt.protocol is Protocol.SOCKS5 and not self.attempt.confirming
        if not greets or self.heard or self.connected_at is None:
            return None
        return max(0.0, self.connected_at + self.late + GREETING - self.deadline)

    def report(self) -> ProtocolReport:
        """How it ended, in milliseconds since it was opened, to the microsecond."""
        opened, connected = self.opened_at, self.connected_at
        tunnel, first = self.tunnel_at, self.first_byte_at
        return ProtocolReport(
            self.outcome,
            None if connected is None else round((connected - opened) * 1e6) / 1e3,
            None if tunnel is None else round((tunnel - opened) * 1e6) / 1e3,
            None if first is None else round((first - opened) * 1e6) / 1e3,
            round((self.ended_at - opened) * 1e6) / 1e3,
            self.detail,
        )
