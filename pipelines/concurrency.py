"""How many connections to hold at a time. Pure: what the machine shows is passed in, time too.

As in TCP's congestion avoidance (RFC 5681 section 3.1): a sign of trouble takes a share away at once, quiet
gives a little back each second. What fails for a reason of our own must not look like a proxy's failure, so
it is better to hold fewer connections than to be late for all.
"""

LAG_HIGH = 0.25  # seconds: an eighth of the shortest usual timeout; beyond, live proxies would time out
FEWEST = 64  # however bad it looks: fewer tell nothing about the cause
LESS = 0.7  # of what is open now, after a sign of trouble
MORE = 1 / 16  # of the most, each quiet second
SETTLE = 1.0  # seconds until what was decided shows


class Concurrency:
    """The limit on connections at a time, up to the most that the user, or the machine, allows."""

    def __init__(self, most: int, now: float) -> None:
        self._most = most
        self._decided_at = now
        self.limit = most
        self.reason = ""  # why it was lowered last, or empty

    @property
    def held_back(self) -> str:
        """Why it is below the most now, or empty."""
        return self.reason if self.limit < self._most else ""

    def felt(self, lag: float, open_now: int, now: float) -> None:
        """Something waited for `lag` seconds to be handled by the event loop."""
        if now - self._decided_at < SETTLE:
            return
        if lag > LAG_HIGH:
            self._lower(open_now, "the event loop is late: this machine has too much to do", now)
        else:
            self.limit, self._decided_at = min(self._most, self.limit + max(1, int(self._most * MORE))), now

    def short_of(self, what: str, open_now: int, now: float) -> None:
        """No more than are open now can be: descriptors, ports or memory have run out."""
        self.limit, self.reason, self._decided_at = max(1, open_now), what, now

    def control_failed(self, open_now: int, now: float) -> None:
        """A request without a proxy got no answer: our own crowd may stand in the way."""
        if now - self._decided_at >= SETTLE:
            self._lower(open_now, "a judge did not answer directly", now)

    def _lower(self, open_now: int, reason: str, now: float) -> None:
        lowered = max(FEWEST, int(LESS * min(self.limit, open_now)))
        self.limit, self.reason, self._decided_at = min(self.limit, lowered), reason, now
