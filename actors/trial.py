"""The connection of one attempt of a check."""

import os
from collections.abc import Hashable, Iterator
from typing import TYPE_CHECKING, Any

from eagleray.actors.exchanges import exchange_for
from eagleray.actors.net.connection import Connection
from eagleray.pipelines.proxies.attempt import Attempt
from eagleray.pipelines.proxies.detection import DEAD
from eagleray.pipelines.proxies.judging import Judge
from eagleray.pipelines.proxies.model import Endpoint, Protocol, ProtocolReport
from eagleray.pipelines.proxies.outcome import Outcome
from eagleray.pipelines.proxies.patience import GREETING
from eagleray.pipelines.proxies.protocols.exchange import Exchange

if TYPE_CHECKING:
    from eagleray.actors.checks import Check, Doorstep

NONCE_BYTES = 8  # 64 random bits: never met twice, never guessed within a timeout
NONCES_A_DRAW = 256  # asking the system for each would cost as much as all else that a quick check computes


class Trial(Connection):
    """Carries out an attempt, and tells its check of the end.

    The first connection to an endpoint has no check before it is made, but a `doorstep`.
    """

    __slots__ = ("attempt", "check", "doorstep", "endpoint", "judge")

    attempt: Attempt
    doorstep: "Doorstep"

    def __init__(
        self,
        endpoint: Endpoint,
        network: Hashable,
        judge: Judge,
        connect_timeout: float,
        timeout: float,
        silence: float,
    ) -> None:
        super().__init__(endpoint.host, endpoint.port, connect_timeout, timeout, silence)
        self.endpoint = endpoint
        self.network = network
        self.judge = judge
        self.check: Check | None = None

    def converse(self) -> Exchange[Any]:
        """The probe."""
        check = self.check or self.doorstep.enter(self)
        self.check, check.connected = check, True
        nonce = self.judge.nonce(next(check.checks.randoms))
        return exchange_for(self, self.endpoint, self.attempt, check.checks.rules, self.judge, nonce)

    def ended(self) -> None:
        """Tell the check, and what was learned of times."""
        if (check := self.check) is None:
            if self.outcome in DEAD:
                self.doorstep.leave(self)
                return
            check = self.check = self.doorstep.enter(self)
        if self.network is not None:
            check.checks.admission.left(self)
        if self.outcome is Outcome.OK and not check.served and self.connected_at is not None:
            check.served = True
            check.checks.patience.served(self.opened_at, self.connected_at, self.ended_at)
        check.ended(self)

    def silent(self) -> float | None:
        """Tell the check; a SOCKS5 greeting is not waited for as long as what needs another server."""
        assert self.check is not None
        self.check.silent(self.attempt)
        greets = self.attempt.protocol is Protocol.SOCKS5 and not self.attempt.confirming
        if not greets or self.connected_at is None:
            return None
        return max(0.0, self.connected_at + GREETING - self.deadline)

    def report(self) -> ProtocolReport:
        """How it ended, in milliseconds since it was opened."""
        opened, connected = self.opened_at, self.connected_at
        tunnel, first = self.tunnel_at, self.first_byte_at
        return ProtocolReport(
            self.outcome,
            None if connected is None else round((connected - opened) * 1000, 3),
            None if tunnel is None else round((tunnel - opened) * 1000, 3),
            None if first is None else round((first - opened) * 1000, 3),
            round((self.ended_at - opened) * 1000, 3),
            self.detail,
        )


def randoms() -> Iterator[str]:
    """Random text for one nonce after the other, drawn from the system a block at a time."""
    size = 2 * NONCE_BYTES  # hexadecimal
    while True:
        block = os.urandom(NONCES_A_DRAW * NONCE_BYTES).hex()
        for at in range(0, len(block), size):
            yield block[at : at + size]
