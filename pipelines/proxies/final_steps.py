"""The last steps of a full check, for what has answered twice: TLS through it, then the user's targets."""

from collections import Counter
from collections.abc import Sequence

import msgspec

from eagleray.pipelines.charge import Charge
from eagleray.pipelines.proxies.attempt import Attempt, Step
from eagleray.pipelines.proxies.judging import Judged
from eagleray.pipelines.proxies.model import Certificate, Protocol, ProtocolReport, TargetReport, TlsReport
from eagleray.pipelines.proxies.outcome import Outcome
from eagleray.pipelines.proxies.protocols.target import Target
from eagleray.pipelines.proxies.targets import Fetched, TargetPage

TUNNELS = (Protocol.HTTPS, Protocol.SOCKS5, Protocol.SOCKS4)
# The tunnel was opened: another protocol's would lead to the same site.
REACHED = frozenset({Outcome.OK, Outcome.TLS_INTERCEPTED, Outcome.TLS_FAILED})


class FinalSteps:
    """One check's last steps: `begin` once, then `ended` for each attempt handed out.

    `protocols` is the plan's own: a protocol whose tunnel is intercepted does not work, and `https` works
    whose tunnel is verified, also where the proxy forbids CONNECT to the judge's port.
    """

    __slots__ = ("_fetched", "_pages", "_protocols", "_target", "_ways", "tls")

    def __init__(
        self,
        target: Target | None,
        pages: Sequence[TargetPage],
        protocols: dict[Protocol, ProtocolReport],
    ) -> None:
        self._target = target
        self._pages = tuple(dict.fromkeys(pages))  # each once
        self._protocols = protocols
        self._ways: list[Protocol] = []
        self.tls: TlsReport | None = None
        self._fetched: dict[TargetPage, TargetReport] = {}

    def begin(self, types: frozenset[Protocol]) -> list[Attempt]:
        """The first of them; `types` are the protocols to be tried, all where it is empty."""
        if self._target is None:
            return self._fetch_pages()
        connect = self._works(Protocol.HTTP) and (not types or Protocol.HTTPS in types)
        self._ways = [p for p in TUNNELS if self._works(p) or (connect and p is Protocol.HTTPS)]
        return self._try_tls()

    def ended(
        self, attempt: Attempt, report: ProtocolReport, value: Judged | Fetched | Certificate | None
    ) -> list[Attempt]:
        """Take the end of an attempt; `value` is what it found, if it succeeded."""
        if attempt.step is Step.TLS:
            return self._secured(attempt, report)
        if attempt.step is Step.CERTIFICATE:
            if self.tls and isinstance(value, Certificate):
                self.tls.certificate = value
            return self._fetch_pages()
        assert attempt.page is not None
        status, outcome = None, report.outcome
        if isinstance(value, Fetched):
            status, outcome = value.status, Outcome.OK if value.as_wanted else Outcome.TARGET_MISMATCH
        self._fetched[attempt.page] = TargetReport(outcome is Outcome.OK, status, outcome, report.total_ms)
        return []

    @property
    def targets(self) -> dict[str, TargetReport]:
        """What came of the user's targets, in his order: they are fetched at once, and end as they do."""
        urls = Counter(page.url for page in self._pages)
        names = {page: page.url if urls[page.url] == 1 else page.with_rules for page in self._pages}
        return {name: self._fetched[page] for page, name in names.items() if page in self._fetched}

    def _works(self, protocol: Protocol) -> bool:
        report = self._protocols.get(protocol)
        return report is not None and report.outcome is Outcome.OK

    def _attempt(self, protocol: Protocol, step: Step, page: TargetPage | None = None) -> Attempt:
        http = protocol in (Protocol.HTTP, Protocol.HTTPS)
        over_tls = http and any(report.tls_to_proxy for report in self._protocols.values())
        return Attempt(protocol, step=step, page=page, tls_to_proxy=over_tls)

    def _try_tls(self) -> list[Attempt]:
        return [self._attempt(self._ways.pop(0), Step.TLS)] if self._ways else self._fetch_pages()

    def _secured(self, attempt: Attempt, report: ProtocolReport) -> list[Attempt]:
        """The handshake is over; a tunnel that was not opened leaves it to the next protocol."""
        if report.outcome.charge is not Charge.SELF:
            total, tunnel = report.total_ms, report.handshake_ms
            milliseconds = None if total is None or tunnel is None else round(total - tunnel, 3)
            self.tls = TlsReport(report.outcome, attempt.protocol, milliseconds)
        if report.outcome not in REACHED:
            return self._try_tls()
        self._settle(attempt.protocol, report)
        if report.outcome is Outcome.TLS_INTERCEPTED:
            return [self._attempt(attempt.protocol, Step.CERTIFICATE)]
        return self._fetch_pages()

    def _settle(self, protocol: Protocol, report: ProtocolReport) -> None:
        before = self._protocols.get(protocol, report)
        if report.outcome is Outcome.TLS_INTERCEPTED:
            self._protocols[protocol] = msgspec.structs.replace(
                before, outcome=report.outcome, detail=report.detail
            )
        elif report.outcome is Outcome.OK and before.outcome is not Outcome.OK:
            self._protocols[protocol] = report

    def _fetch_pages(self) -> list[Attempt]:
        """Every page at once, each by the first protocol that works for it, else by the last tunnel tried."""
        attempts, last = [], self.tls.protocol if self.tls else Protocol.HTTPS
        for page in self._pages:
            usable = TUNNELS if page.tls else (Protocol.HTTP, *TUNNELS)
            protocol = next((p for p in usable if self._works(p)), last)
            attempts.append(self._attempt(protocol, Step.PAGE, page))
        return attempts
