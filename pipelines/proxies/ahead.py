"""What is asked again ahead of the first answer: a slow proxy then takes its time once, not twice."""

from msgspec.structs import replace

from eagleray.pipelines.proxies.attempt import Attempt, Step
from eagleray.pipelines.proxies.findings import Found
from eagleray.pipelines.proxies.model import Protocol, ProtocolReport

Ended = tuple[Attempt, ProtocolReport, Found | None]


class Ahead:
    """Attempts that count once the first answer has come by their protocol, and for nothing else."""

    __slots__ = ("_answered", "_ended", "open", "protocol")

    def __init__(self, slow: Attempt, known_page: bool) -> None:
        """Ask again, by the protocol of `slow`, and for the known page where there is one."""
        self.protocol = slow.protocol
        again = replace(slow, beside=False, ahead=True, confirming=True)
        page = replace(again, step=Step.KNOWN_PAGE, confirming=False)
        forwards = known_page and self.protocol is Protocol.HTTP
        self.open = [again, page] if forwards else [again]  # not ended
        self._ended: list[Ended] = []
        self._answered = False

    def holds(self, attempt: Attempt, report: ProtocolReport, found: Found | None) -> bool:
        """Take the end of an attempt; True where it is kept until `release`, or is of earlier ones."""
        if attempt not in self.open:
            return True
        self.open.remove(attempt)
        if not self._answered:
            self._ended.append((attempt, report, found))
        return not self._answered

    def release(self) -> list[Ended]:
        """The first answer has come: what has ended so far; nothing is kept any more."""
        self._answered = True
        return self._ended
