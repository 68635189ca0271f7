"""Which probe comes next for one endpoint, and what all of them say together. Pure: no sockets, no clock.

The likeliest protocol goes first; what a server answers to it decides the next one. A server that stays
silent is tried by the others beside it. What answers once is asked again on a new connection; then a full
check also finds out what else the endpoint speaks.
"""

import msgspec

from eagleray.pipelines.charge import Charge
from eagleray.pipelines.proxies.ahead import Ahead
from eagleray.pipelines.proxies.attempt import Attempt, Step
from eagleray.pipelines.proxies.check_rules import CheckRules, Depth
from eagleray.pipelines.proxies.detection import DEAD, SPOKE_HTTP, likely
from eagleray.pipelines.proxies.final_steps import FinalSteps
from eagleray.pipelines.proxies.findings import Findings, Found
from eagleray.pipelines.proxies.judging import Judged
from eagleray.pipelines.proxies.model import Candidate, CheckReport, Protocol, ProtocolReport
from eagleray.pipelines.proxies.outcome import OK, Outcome
from eagleray.pipelines.proxies.tls_to_proxy import HTTP_LIKE, TlsToProxy

QUICK, JUDGE = Depth.QUICK, Step.JUDGE

CENSUS_PATIENCE = (1.0, 3.0)  # seconds, plus so many times what the working protocol needed in all
SLOW = 1.0  # seconds for the first answer: what else there is to ask is asked beside the second request
PATIENT_AFTER = 5.0  # seconds until a second, longer try: a short outage may be over by then


class CheckPlan:
    """The course of one check: `ended`, and perhaps `slow`, for its first attempt and each handed out.

    The first one is `first_attempt`'s. The check is over when `over` says so; attempts still open then no
    longer matter.
    """

    __slots__ = (
        "_ahead",
        "_candidate",
        "_final",
        "_found",
        "_known_page",
        "_open",
        "_rules",
        "_slow",
        "_tls",
        "_untried",
    )

    def __init__(self, candidate: Candidate, rules: CheckRules, known_page: bool = False) -> None:
        """Plan the check of `candidate`; `known_page`: the judge has one."""
        self._candidate = candidate
        self._rules = rules
        self._known_page = known_page  # still to be fetched
        self._found = Findings()
        _, *self._untried = likely(candidate, rules.types)
        self._tls = TlsToProxy(candidate.endpoint.port)
        self._final: FinalSteps | None = None
        self._open = 1  # attempts handed out and not ended, but for those ahead of the first answer
        self._slow: Attempt | None = None  # that is open, and takes long
        self._ahead: Ahead | None = None

    def slow(self, attempt: Attempt, heard: bool) -> list[Attempt]:
        """It has taken long, although something has come (`heard`), or nothing has: go on beside it."""
        if attempt.ahead:
            return []
        if attempt.confirming:
            return self._hand_out(self._explore())
        if self._found.first is not None:
            return []
        self._slow = self._slow or attempt
        if heard or attempt.tls_to_proxy or self._tls.works:
            return self._ask_ahead(heard)
        self._tls.silent(attempt.protocol)
        beside, self._untried = self._untried, []
        attempts = self._hand_out([*(Attempt(p, beside=True) for p in beside), *self._tls.beside()])
        return [*attempts, *self._ask_ahead()]

    def ended(self, attempt: Attempt, report: ProtocolReport, value: Found | None) -> list[Attempt]:
        """Take the end of an attempt; `value` is what it found, if it succeeded."""
        if attempt.ahead and (self._ahead is None or self._ahead.holds(attempt, report, value)):
            return []
        self._open -= 1
        if attempt.tls_to_proxy:
            report = msgspec.structs.replace(report, tls_to_proxy=True)
        attempts = self._after(attempt, report, value)
        if self._found.confirmed and not (attempts or self._open or self._final) and self._outcome() is OK:
            self._final = FinalSteps(self._rules.tls_target, self._rules.pages, self._found.protocols)
            attempts = self._final.begin(self._rules.types)
        return self._hand_out(attempts)

    def _after(self, attempt: Attempt, report: ProtocolReport, value: Found | None) -> list[Attempt]:
        if attempt.step is not JUDGE:
            return self._after_step(attempt, report, value)
        judged = value if isinstance(value, Judged) else None
        if attempt.confirming:
            return self._confirm(attempt, report, judged)
        over_tls = attempt.tls_to_proxy
        if report.outcome in DEAD and not over_tls:
            return self._bury(attempt, report)
        worked_over_tls = self._tls.works
        if self._tls.learn(attempt, report):
            self._found.protocols[attempt.protocol] = report
        if self._tls.works is not worked_over_tls:
            others = [p for p in HTTP_LIKE if p is not attempt.protocol]
            self._untried = [p for p in others if not self._rules.types or p in self._rules.types]
        if judged is not None:
            return self._succeed(attempt.protocol, judged)
        if not over_tls:
            self._narrow(attempt.protocol, report.outcome)
        if self._found.first is not None:
            return []
        if self._slow == attempt:
            self._slow = self._ahead = None
        return [*self._tls.beside(), *self._ask_ahead()] if self._open else self._next()

    def _after_step(self, attempt: Attempt, report: ProtocolReport, value: Found | None) -> list[Attempt]:
        if attempt.step is Step.KNOWN_PAGE:
            self._found.known_page_ended(report)
            return []
        assert self._final is not None
        return self._final.ended(attempt, report, value)

    def _bury(self, attempt: Attempt, report: ProtocolReport) -> list[Attempt]:
        """No other protocol will fare better; but who has worked before gets a second, longer try."""
        lost = report.outcome is Outcome.CONNECT_TIMEOUT and self._found.first is None
        if lost and self._candidate.promising and not attempt.patient:
            return [Attempt(attempt.protocol, after=PATIENT_AFTER, patient=True)]
        self._found.protocols[attempt.protocol] = report
        self._untried = []
        return []

    @property
    def over(self) -> bool:
        """True once nothing open can change the report any more."""
        if self._open == 0 or self._found.first is None:
            return self._open == 0
        return (
            self._rules.depth is QUICK
            or self._found.protocols[self._found.first].outcome is Outcome.UNCONFIRMED
        )

    def report(self, checked_at: float, node: str) -> CheckReport:
        """What the attempts say together; `checked_at` in Unix seconds."""
        judged = self._found.judged
        return CheckReport(
            endpoint=self._candidate.endpoint,
            outcome=self._outcome(),
            protocols=self._found.protocols,
            anonymity=judged.anonymity if judged else None,
            exit_ip=judged.exit_ip if judged else "",
            confirmed=self._found.confirmed,
            tampered=self._found.tampered,
            tls=self._final.tls if self._final else None,
            targets=self._final.targets if self._final else {},
            checked_at=checked_at,
            node=node,
        )

    def _hand_out(self, attempts: list[Attempt]) -> list[Attempt]:
        if attempts:
            self._open += sum(not attempt.ahead for attempt in attempts)
        return attempts

    def _claims(self, protocol: Protocol) -> bool:
        return protocol in self._candidate.protocols or protocol in self._rules.types

    def _attempt(self, protocol: Protocol, timeout: float | None = None) -> Attempt:
        return Attempt(protocol, timeout=timeout, tls_to_proxy=self._tls.works and protocol in HTTP_LIKE)

    @property
    def _patience(self) -> float:
        """Seconds for what is asked beside or after the second request."""
        base, factor = CENSUS_PATIENCE
        return base + factor * self._found.took

    def _next(self) -> list[Attempt]:
        if attempts := self._tls.attempts():
            return attempts
        return [self._attempt(self._untried.pop(0))] if self._untried else []

    def _succeed(self, protocol: Protocol, judged: Judged) -> list[Attempt]:
        if not self._found.answered(protocol, judged):
            return self._fetch_known_page()
        if self._rules.depth is QUICK:
            return []
        again = self._catch_up(protocol)
        return [*again, *(self._explore() if self._found.took > SLOW else [])]

    def _again(self, protocol: Protocol) -> Attempt:
        """The second request, after a short while; a slow first answer was one."""
        after = self._rules.confirm_after if self._found.took < SLOW else 0.0
        return msgspec.structs.replace(self._attempt(protocol), after=after, confirming=True)

    def _ask_ahead(self, heard: bool = False) -> list[Attempt]:
        """Ask again what is slow, of a server that knows what it does not speak: it is at work on this."""
        if self._slow is None or self._ahead is not None or self._rules.depth is QUICK:
            return []
        if not heard and not self._found.refused:
            return []
        self._ahead = Ahead(self._slow, self._known_page)
        return self._ahead.open[:]

    def _catch_up(self, protocol: Protocol) -> list[Attempt]:
        """The first answer has come: what was asked ahead of it counts now, or a second request is due."""
        if self._ahead is None or self._ahead.protocol is not protocol:
            self._ahead = None
            return [self._again(protocol)]
        self._known_page &= self._ahead.protocol is not Protocol.HTTP
        self._open += len(self._ahead.open)
        return [following for ended in self._ahead.release() for following in self._after(*ended)]

    def _confirm(self, attempt: Attempt, report: ProtocolReport, judged: Judged | None) -> list[Attempt]:
        protocol = attempt.protocol
        if judged is None and attempt.ahead:  # one at a time it may fare better
            return [self._again(protocol)]
        if report.outcome.charge is Charge.SELF:  # says nothing: the first success stands
            return []
        self._found.asked_again(protocol, report, judged)
        return self._explore() if judged else []

    def _explore(self) -> list[Attempt]:
        """Everything not yet tried, at once: the endpoint has shown how fast it answers."""
        rest, self._untried = self._untried, []
        return [*(self._attempt(p, self._patience) for p in rest), *self._fetch_known_page()]

    def _fetch_known_page(self) -> list[Attempt]:
        """Once, where the endpoint works and forwards requests: only those can be changed."""
        if not (self._known_page and self._found.works(Protocol.HTTP)):
            return []
        self._known_page = False
        page = self._attempt(Protocol.HTTP, self._patience)
        return [msgspec.structs.replace(page, step=Step.KNOWN_PAGE)]

    def _narrow(self, protocol: Protocol, outcome: Outcome) -> None:
        """Drop what a failure makes hopeless."""
        if outcome in DEAD or outcome.charge is Charge.SELF:
            self._untried = []  # what this machine lacks now it lacks for the other protocols, too
        elif protocol is Protocol.HTTP and outcome in SPOKE_HTTP:
            # Forbidden: Tor's port says so to HTTP, and speaks SOCKS.
            last = [p for p in self._untried if p is Protocol.SOCKS5 and outcome is Outcome.FORBIDDEN]
            kept = [p for p in self._untried if p is Protocol.HTTPS or self._claims(p)]
            self._untried = list(dict.fromkeys([*kept, *last]))
        elif protocol is Protocol.HTTP and outcome is Outcome.TIMEOUT:  # CONNECT will not fare better
            self._untried = [p for p in self._untried if p is not Protocol.HTTPS or self._claims(p)]

    def _outcome(self) -> Outcome:
        return self._found.outcome(likely(self._candidate, self._rules.types))
