"""What the attempts of one check have found so far, and what it says together. Pure."""

from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

from eagleray.pipelines.proxies.judging import Judged
from eagleray.pipelines.proxies.model import Certificate, Protocol, ProtocolReport
from eagleray.pipelines.proxies.outcome import OK, Outcome
from eagleray.pipelines.proxies.targets import Fetched
from eagleray.pipelines.proxies.weighing import most_revealing, most_telling

INTERCEPTED = Outcome.TLS_INTERCEPTED

Found = Judged | Fetched | Certificate  # what an attempt can find


class Findings:
    """Filled as attempts end; `first` is the protocol by which a judge's answer came first."""

    __slots__ = ("confirmed", "first", "judged", "protocols", "tampered")

    def __init__(self) -> None:
        self.protocols: dict[Protocol, ProtocolReport] = {}
        self.first: Protocol | None = None
        self.judged: Judged | None = None  # what judges saw, taken together
        self.confirmed = False
        self.tampered = ""

    @property
    def took(self) -> float:
        """Seconds for the first answer."""
        return (self.protocols[self.first].total_ms or 0.0) / 1000 if self.first else 0.0

    @property
    def refused(self) -> bool:
        """A protocol has failed by more than silence: most likely the server does not speak it."""
        return any(report.outcome is not Outcome.TIMEOUT for report in self.protocols.values())

    def works(self, protocol: Protocol) -> bool:
        """A judge's answer came by it."""
        return protocol in self.protocols and self.protocols[protocol].outcome is OK

    def answered(self, protocol: Protocol, judged: Judged) -> bool:
        """A judge's answer has come by `protocol`, for the first time; True for the first of all."""
        if self.judged is None:
            self.first, self.judged = protocol, judged
            return True
        self.judged = together(self.judged, judged, self.judged.exit_ip)
        return False

    def asked_again(self, protocol: Protocol, report: ProtocolReport, judged: Judged | None) -> None:
        """The second request has ended; hold what was seen, perhaps by another judge, against the first."""
        assert self.judged is not None
        self.confirmed = judged is not None
        if judged is None:
            detail = f"second request: {report.outcome} {report.detail}".rstrip()
            self._change(protocol, outcome=Outcome.UNCONFIRMED, detail=detail)
            return
        exit_ip = self.judged.exit_ip or judged.exit_ip  # empty: that judge can't tell
        self.judged = together(self.judged, judged, exit_ip)
        if judged.exit_ip not in ("", exit_ip):
            self._change(protocol, detail=f"second request: from {judged.exit_ip}")

    def known_page_ended(self, report: ProtocolReport) -> None:
        """It has come, or not: only another page says anything of what has answered twice."""
        if report.outcome is Outcome.TAMPERED:
            self.tampered = report.detail
            detail = "known page: changed on its way"
            self._change(Protocol.HTTP, outcome=Outcome.TAMPERED, detail=detail)

    def outcome(self, order: Iterable[Protocol]) -> Outcome:
        """The check's; `order`: of the protocols, likeliest first."""
        if self.tampered:
            return Outcome.TAMPERED
        first = self.protocols[self.first].outcome if self.first else INTERCEPTED
        if first is not INTERCEPTED:  # else what was asked twice decides
            return first
        return most_telling(self.protocols[p].outcome for p in order if p in self.protocols)

    def _change(self, protocol: Protocol, **changes: Any) -> None:
        self.protocols[protocol] = replace(self.protocols[protocol], **changes)


def together(first: Judged, other: Judged, exit_ip: str) -> Judged:
    """What two judges' answers tell of one proxy."""
    return Judged(most_revealing(first.anonymity, other.anonymity), exit_ip)
