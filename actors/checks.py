"""Checks endpoints: a plan decides for each which probe comes next, the engine carries it out."""

import os
import time
from collections.abc import Callable, Iterator
from functools import partial

from eagleray.actors.exchanges import exchange_for
from eagleray.actors.judges import JudgePool
from eagleray.actors.net.admission import Admission
from eagleray.actors.net.engine import Connection, Engine
from eagleray.pipelines.proxies.attempt import Attempt, Step
from eagleray.pipelines.proxies.check_plan import CheckPlan, CheckRules
from eagleray.pipelines.proxies.judging import Judge
from eagleray.pipelines.proxies.model import Candidate, CheckReport, ProtocolReport
from eagleray.pipelines.proxies.outcome import Outcome
from eagleray.pipelines.proxies.protocols.exchange import Stream
from eagleray.pipelines.proxies.weighing import doubtful

MAX_HELD = 20_000  # checks that wait for a crowded host beside those that run: about 2.5 kB each
OF_THE_JUDGE = frozenset({Step.JUDGE, Step.KNOWN_PAGE})
MAX_RUNS = 4  # of one check whose judges go down one after another
NONCE_BYTES = 8  # 64 random bits: never met twice, never guessed within a timeout
NONCES_A_DRAW = 256  # asking the system for each would cost as much as all else that a quick check computes


class Checks:
    """Runs any number of checks on one engine with the judges of a pool."""

    def __init__(self, engine: Engine, judges: JudgePool, rules: CheckRules, node: str = "") -> None:
        self._engine = engine
        self._admission = Admission(engine, rules.per_host, rules.per_network)
        self.judges = judges
        self._rules = rules
        self._node = node
        self._randoms = randoms()
        self.running = 0  # checks begun and not ended

    def room(self, limit: int) -> int:
        """How many more to begin for `limit` connections; those that wait for a crowded host count not."""
        return limit + min(self._admission.waiting, MAX_HELD) - self.running

    def begin(self, candidate: Candidate, done: Callable[[CheckReport], None]) -> None:
        """Check `candidate`; `done` is called once, from the event loop."""
        self.running += 1
        Check(self, candidate, done).begin()

    # What one check needs of them all

    def connection(self, check: "Check", attempt: Attempt, judge: Judge) -> Connection:
        """The connection for one attempt at a judge, its exchange prepared."""
        endpoint, rules = check.candidate.endpoint, self._rules
        stream = Stream()
        nonce = judge.nonce(next(self._randoms))
        return Connection(
            endpoint.host,
            endpoint.port,
            stream,
            exchange_for(stream, endpoint, attempt, rules, judge, nonce),
            partial(check.ended, attempt, judge),
            connect_timeout=rules.connect_timeout,
            timeout=attempt.timeout or rules.timeout,
            silence=None if attempt.confirming else rules.silence,
            on_silence=partial(check.silent, attempt),
        )

    def start(self, connection: Connection, after: float) -> None:
        """Run a connection, now or after so many seconds."""
        if after:
            self._engine.later(after, partial(self._admission.run, connection))
        else:
            self._admission.run(connection)

    def drop(self, connection: Connection) -> None:
        """End a connection that no longer matters."""
        self._admission.drop(connection)

    def plan(self, candidate: Candidate, judge: Judge) -> CheckPlan:
        """A new plan by the rules."""
        return CheckPlan(candidate, self._rules, known_page=judge.known_url is not None)

    def finish(self, check: "Check") -> CheckReport:
        """The report of a check that is over."""
        self.running -= 1
        return check.plan.report(check.began_at, self._node)

    def unjudged(self, candidate: Candidate) -> CheckReport:
        """The report of a check that found no judge."""
        self.running -= 1
        unavailable = Outcome.JUDGE_UNAVAILABLE
        return CheckReport(candidate.endpoint, unavailable, {}, checked_at=time.time(), node=self._node)


class Check:
    """One endpoint's check: hands the plan's attempts to the engine, and their ends back.

    One judge is asked all along, but for the second request, which goes to another one where there is one.
    What failed counts only once the judge is known to have been up; else all is done again with another.
    """

    __slots__ = (
        "_checks",
        "_done",
        "_doubted_at",
        "_judge",
        "_open",
        "_runs",
        "began_at",
        "candidate",
        "plan",
    )

    def __init__(self, checks: Checks, candidate: Candidate, done: Callable[[CheckReport], None]) -> None:
        self._checks = checks
        self._done = done
        self._open: set[Connection] = set()
        self._runs = 0
        self.candidate = candidate

    def begin(self) -> None:
        """Start the first attempt as soon as there is a judge."""
        self._checks.judges.wait(self._begin)

    def _begin(self, judge: Judge | None) -> None:
        if judge is None or self._runs == MAX_RUNS:
            self._done(self._checks.unjudged(self.candidate))
            return
        self._runs += 1
        self._judge = judge
        self._doubted_at = 0.0  # when it last failed by what may be the judge's fault (`clock`)
        self.plan = self._checks.plan(self.candidate, judge)
        self.began_at = time.time()
        self._start(self.plan.begin())

    def ended(self, attempt: Attempt, judge: Judge, connection: Connection) -> None:
        """One connection is over."""
        self._open.discard(connection)
        outcome = connection.outcome or Outcome.CLOSED
        if judge is not self._judge and outcome is not Outcome.OK:
            self._connect(attempt, self._judge)  # the word of another judge alone condemns nobody
            return
        if attempt.step in OF_THE_JUDGE and doubtful(outcome):
            self._doubted_at = connection.ended_at
        value = connection.value if outcome is Outcome.OK else None
        self._start(self.plan.ended(attempt, protocol_report(connection), value))
        if self.plan.over:
            self._end()

    def silent(self, attempt: Attempt) -> None:
        """One connection has brought nothing for a while."""
        self._start(self.plan.silent(attempt))

    def _start(self, attempts: list[Attempt]) -> None:
        for attempt in attempts:
            judges, judge = self._checks.judges, self._judge
            self._connect(attempt, judges.other(judge) if attempt.confirming else judge)

    def _connect(self, attempt: Attempt, judge: Judge) -> None:
        connection = self._checks.connection(self, attempt, judge)
        self._open.add(connection)
        self._checks.start(connection, attempt.after)

    def _end(self) -> None:
        """Report, once it is known whether the judge was up when something failed."""
        for beside in self._open:
            self._checks.drop(beside)
        self._open.clear()
        if self._doubted_at:
            self._checks.judges.vouch(self._judge, self._doubted_at, self._report)
        else:
            self._report(True)

    def _report(self, judge_was_up: bool) -> None:
        if judge_was_up:
            self._done(self._checks.finish(self))
        else:
            self.begin()


def randoms() -> Iterator[str]:
    """Random text for one nonce after the other, drawn from the system a block at a time."""
    size = 2 * NONCE_BYTES  # hexadecimal
    while True:
        block = os.urandom(NONCES_A_DRAW * NONCE_BYTES).hex()
        for at in range(0, len(block), size):
            yield block[at : at + size]


def protocol_report(connection: Connection) -> ProtocolReport:
    """A connection's end in milliseconds since it was opened."""
    opened, stream = connection.opened_at, connection.stream
    return ProtocolReport(
        outcome=connection.outcome or Outcome.CLOSED,
        connect_ms=milliseconds(opened, connection.connected_at),
        handshake_ms=milliseconds(opened, stream.tunnel_at),
        first_byte_ms=milliseconds(opened, stream.first_byte_at),
        total_ms=milliseconds(opened, connection.ended_at),
        detail=connection.detail,
    )


def milliseconds(start: float, end: float | None) -> float | None:
    """From one moment to another (seconds), to the microsecond."""
    return None if end is None else round((end - start) * 1000, 3)
