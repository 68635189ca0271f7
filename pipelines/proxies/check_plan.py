"""Which probe comes next for one endpoint, and what all of them say together. Pure: no sockets, no clock.

The likeliest protocol goes first; what a server answers to it decides the next one. A server that stays
silent is tried by the others beside it. What answers once is asked again on a new connection; then a full
check also finds out what else the endpoint speaks.
"""

import msgspec

from eagleray.pipelines.charge import Charge
from eagleray.pipelines.proxies.attempt import Attempt, Step
from eagleray.pipelines.proxies.check_rules import CheckRules, Depth
from eagleray.pipelines.proxies.detection import DEAD, HUNG_UP, SPOKE_HTTP, likely, wants_tls
from eagleray.pipelines.proxies.final_steps import FinalSteps
from eagleray.pipelines.proxies.judging import Judged
from eagleray.pipelines.proxies.model import (
    Candidate,
    Certificate,
    CheckReport,
    Protocol,
    ProtocolReport,
)
from eagleray.pipelines.proxies.outcome import OK, Outcome
from eagleray.pipelines.proxies.targets import Fetched
from eagleray.pipelines.proxies.weighing import most_revealing, most_telling

QUICK, JUDGE = Depth.QUICK, Step.JUDGE
INTERCEPTED = Outcome.TLS_INTERCEPTED
HTTP_LIKE = (Protocol.HTTP, Protocol.HTTPS)  # what may be spoken to the proxy over TLS

CENSUS_PATIENCE = (1.0, 3.0)  # seconds, plus so many times what the working protocol needed in all
SLOW = 1.0  # seconds for the first answer: what else there is to ask is asked beside the second request
PATIENT_AFTER = 5.0  # seconds until a second, longer try: a short outage may be over by then

Found = Judged | Fetched | Certificate  # what an attempt can find


class CheckPlan:
    """The course of one check: `ended` (and perhaps `silent`) for its first attempt and each handed out.

    The first one is `first_attempt`'s. The check is over when `over` says so; attempts still open then no
    longer matter.
    """

    __slots__ = (
        "_candidate",
        "_confirmed",
        "_final",
        "_first",
        "_judged",
        "_known_page",
        "_open",
        "_patience",
        "_protocols",
        "_rules",
        "_socks5_hangs",
        "_tampered",
        "_tls",
        "_tls_to_proxy",
        "_untried",
    )

    def __init__(self, candidate: Candidate, rules: CheckRules, known_page: bool = False) -> None:
        """Plan the check of `candidate`; `known_page`: the judge has one."""
        self._candidate = candidate
        self._rules = rules
        self._known_page = known_page  # still to be fetched
        self._patience: float | None = None  # for what is asked beside or after the second request
        self._tampered = ""
        _, *self._untried = likely(candidate, rules.types)
        self._tls: list[Protocol] | None = None  # to be tried over TLS to the proxy; None: no reason yet
        self._socks5_hangs = False
        self._tls_to_proxy = False  # the proxy has answered over TLS
        self._final: FinalSteps | None = None
        self._protocols: dict[Protocol, ProtocolReport] = {}
        self._first: Protocol | None = None
        self._judged: Judged | None = None
        self._confirmed = False
        self._open = 1  # attempts handed out and not ended

    def silent(self, attempt: Attempt) -> list[Attempt]:
        """Nothing came for a while: go on beside it."""
        if attempt.confirming:
            return self._hand_out(self._explore())
        if self._first is not None or attempt.tls_to_proxy or self._tls_to_proxy:
            return []
        self._socks5_hangs |= attempt.protocol is Protocol.SOCKS5
        beside, self._untried = self._untried, []
        return self._hand_out([*(Attempt(p, beside=True) for p in beside), *self._tls_beside()])

    def ended(self, attempt: Attempt, report: ProtocolReport, value: Found | None) -> list[Attempt]:
        """Take the end of an attempt; `value` is what it found, if it succeeded."""
        self._open -= 1
        if attempt.tls_to_proxy:
            report = msgspec.structs.replace(report, tls_to_proxy=True)
        attempts = self._after(attempt, report, value)
        if self._confirmed and not (attempts or self._open or self._final) and self._outcome() is OK:
            self._final = FinalSteps(self._rules.tls_target, self._rules.pages, self._protocols)
            attempts = self._final.begin(self._rules.types)
        self._open += len(attempts)
        return attempts

    def _after(self, attempt: Attempt, report: ProtocolReport, value: Found | None) -> list[Attempt]:
        if attempt.step is not JUDGE:
            return self._after_step(attempt, report, value)
        judged = value if isinstance(value, Judged) else None
        if attempt.confirming:
            return self._confirm(attempt.protocol, report, judged)
        over_tls = attempt.tls_to_proxy
        if report.outcome in DEAD and not over_tls:
            return self._bury(attempt, report)
        plain = judged is not None and not over_tls and not self._tls_to_proxy
        if plain or not self._learn_tls(attempt, report):
            self._protocols[attempt.protocol] = report
        if judged is not None:
            return self._succeed(attempt.protocol, judged)
        if not over_tls:
            self._narrow(attempt.protocol, report.outcome)
        if self._first is not None:
            return []
        return self._tls_beside() if self._open else self._next()

    def _after_step(self, attempt: Attempt, report: ProtocolReport, value: Found | None) -> list[Attempt]:
        if attempt.step is Step.KNOWN_PAGE:
            return self._compared(report)
        assert self._final is not None
        return self._final.ended(attempt, report, value)

    def _bury(self, attempt: Attempt, report: ProtocolReport) -> list[Attempt]:
        """No other protocol will fare better; but who has worked before gets a second, longer try."""
        lost = report.outcome is Outcome.CONNECT_TIMEOUT and self._first is None
        if lost and self._candidate.promising and not attempt.patient:
            return [Attempt(attempt.protocol, after=PATIENT_AFTER, patient=True)]
        self._protocols[attempt.protocol] = report
        self._untried = []
        return []

    def _tls_beside(self) -> list[Attempt]:
        """Try TLS where a request was hung up on and a SOCKS5 greeting is not: too short for a TLS record."""
        http = self._protocols.get(Protocol.HTTP)
        if not self._socks5_hangs or http is None or http.outcome not in HUNG_UP or self._tls is not None:
            return []
        self._tls = [Protocol.HTTP]
        return self._next()

    def _learn_tls(self, attempt: Attempt, report: ProtocolReport) -> bool:
        """See whether the proxy wants TLS; True for a failure that says nothing: without TLS, or of a try."""
        if self._tls is None and wants_tls(self._candidate.endpoint.port, attempt, report):
            self._tls = [attempt.protocol]
        if report.outcome.charge is Charge.SELF or attempt.protocol not in HTTP_LIKE:
            return False
        if attempt.tls_to_proxy is self._tls_to_proxy:
            return False
        if report.outcome is not OK and (self._tls_to_proxy or report.outcome not in SPOKE_HTTP):
            return True
        if not attempt.tls_to_proxy:  # it does without, too
            return False
        self._tls_to_proxy = True
        others = [p for p in HTTP_LIKE if p is not attempt.protocol]
        self._untried = [p for p in others if not self._rules.types or p in self._rules.types]
        return False

    @property
    def over(self) -> bool:
        """True once nothing open can change the report any more."""
        if self._open == 0 or self._first is None:
            return self._open == 0
        return self._rules.depth is QUICK or self._protocols[self._first].outcome is Outcome.UNCONFIRMED

    def report(self, checked_at: float, node: str) -> CheckReport:
        """What the attempts say together; `checked_at` in Unix seconds."""
        return CheckReport(
            endpoint=self._candidate.endpoint,
            outcome=self._outcome(),
            protocols=self._protocols,
            anonymity=self._judged.anonymity if self._judged else None,
            exit_ip=self._judged.exit_ip if self._judged else "",
            confirmed=self._confirmed,
            tampered=self._tampered,
            tls=self._final.tls if self._final else None,
            targets=self._final.targets if self._final else {},
            checked_at=checked_at,
            node=node,
        )

    def _hand_out(self, attempts: list[Attempt]) -> list[Attempt]:
        self._open += len(attempts)
        return attempts

    def _claims(self, protocol: Protocol) -> bool:
        return protocol in self._candidate.protocols or protocol in self._rules.types

    def _attempt(self, protocol: Protocol, timeout: float | None = None) -> Attempt:
        return Attempt(protocol, timeout=timeout, tls_to_proxy=self._tls_to_proxy and protocol in HTTP_LIKE)

    def _next(self) -> list[Attempt]:
        if self._tls:
            return [Attempt(self._tls.pop(), tls_to_proxy=True)]
        return [self._attempt(self._untried.pop(0))] if self._untried else []

    def _succeed(self, protocol: Protocol, judged: Judged) -> list[Attempt]:
        if self._first is not None and self._judged is not None:
            level = most_revealing(self._judged.anonymity, judged.anonymity)
            self._judged = Judged(level, self._judged.exit_ip)
            return self._fetch_known_page()
        self._first, self._judged = protocol, judged
        if self._rules.depth is QUICK:
            return []
        base, factor = CENSUS_PATIENCE
        took = (self._protocols[protocol].total_ms or 0.0) / 1000
        self._patience = base + factor * took
        again = msgspec.structs.replace(
            self._attempt(protocol), after=self._rules.confirm_after, confirming=True
        )
        return [again, *(self._explore() if took > SLOW else [])]

    def _confirm(self, protocol: Protocol, report: ProtocolReport, judged: Judged | None) -> list[Attempt]:
        if report.outcome.charge is Charge.SELF:  # says nothing: the first success stands
            return []
        self._confirmed = judged is not None
        if judged is None:
            detail = f"second request: {report.outcome} {report.detail}".rstrip()
            first = self._protocols[protocol]
            self._protocols[protocol] = msgspec.structs.replace(
                first, outcome=Outcome.UNCONFIRMED, detail=detail
            )
            return []
        self._compare(protocol, judged)
        return self._explore()

    def _compare(self, protocol: Protocol, again: Judged) -> None:
        """Hold what was seen of the second request, perhaps by another judge, against the first one's."""
        assert self._judged is not None
        first = self._judged
        exit_ip = first.exit_ip or again.exit_ip  # empty: that judge can't tell
        self._judged = Judged(most_revealing(first.anonymity, again.anonymity), exit_ip)
        if again.exit_ip not in ("", exit_ip):
            report = self._protocols[protocol]
            detail = f"second request: from {again.exit_ip}"
            self._protocols[protocol] = msgspec.structs.replace(report, detail=detail)

    def _explore(self) -> list[Attempt]:
        """Everything not yet tried, at once: the endpoint has shown how fast it answers."""
        rest, self._untried = self._untried, []
        return [*(self._attempt(p, self._patience) for p in rest), *self._fetch_known_page()]

    def _fetch_known_page(self) -> list[Attempt]:
        """Once, where the endpoint works and forwards requests: only those can be changed."""
        http = self._protocols.get(Protocol.HTTP)
        if not (self._known_page and http and http.outcome is OK):
            return []
        self._known_page = False
        page = self._attempt(Protocol.HTTP, self._patience)
        return [msgspec.structs.replace(page, step=Step.KNOWN_PAGE)]

    def _compared(self, report: ProtocolReport) -> list[Attempt]:
        """The known page has come, or not: only another page says anything of what has answered twice."""
        if report.outcome is Outcome.TAMPERED:
            self._tampered = report.detail
            http, detail = self._protocols[Protocol.HTTP], "known page: changed on its way"
            self._protocols[Protocol.HTTP] = msgspec.structs.replace(
                http, outcome=Outcome.TAMPERED, detail=detail
            )
        return []

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
        if self._tampered:
            return Outcome.TAMPERED
        first = self._protocols[self._first].outcome if self._first else INTERCEPTED
        if first is not INTERCEPTED:  # else what was asked twice decides
            return first
        order = likely(self._candidate, self._rules.types)
        return most_telling(self._protocols[p].outcome for p in order if p in self._protocols)
