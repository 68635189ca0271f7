"""Checks endpoints: a plan decides for each which probe comes next, the engine carries it out."""

import asyncio
import os
import time
from collections.abc import Callable
from functools import partial
from math import inf

from eagleray.actors.dnsbl import BlockLists
from eagleray.actors.faults import contain
from eagleray.actors.judges import JudgePool
from eagleray.actors.net.admission import Admission, limited_network
from eagleray.actors.net.connection import Priority, clock
from eagleray.actors.net.engine import Engine
from eagleray.actors.trial import Trial
from eagleray.pipelines.proxies.attempt import Attempt, Step
from eagleray.pipelines.proxies.check_plan import CheckPlan
from eagleray.pipelines.proxies.check_rules import CheckRules
from eagleray.pipelines.proxies.detection import first_attempt, settled
from eagleray.pipelines.proxies.judging import Judge, Judged, turned_away
from eagleray.pipelines.proxies.model import Candidate, CheckReport, Protocol, ProtocolReport
from eagleray.pipelines.proxies.outcome import OK, Outcome
from eagleray.pipelines.proxies.patience import Limits, Patience
from eagleray.pipelines.proxies.weighing import doubtful

MAX_HELD = 20_000  # checks that wait for a crowded host beside those that run: about 2.5 kB each
OF_THE_JUDGE = frozenset({Step.JUDGE, Step.KNOWN_PAGE})
LONGEST_LINE = 2048  # new connections that wait to be opened: enough for the engine, few enough to begin soon
CONFIRM_SILENCE = 0.5  # seconds: the steps after a second request that takes longer go on beside it
MAX_RUNS = 4  # of one check whose judges go down one after another
MAX_TRIES = 3  # of one attempt in the middle of which this process stands still
LOOK_EVERY = 0.5  # seconds between looks for checks that don't get on
OVERDUE = 0.5  # seconds after which an end that was due has not come by itself
LONGEST_WAIT = 60.0  # seconds without a connection: for a judge, for its word, or for block lists
NEW, SILENT = Priority.NEW, Priority.SILENT
SUSPENDED = Outcome.SUSPENDED
UNSEEN = Judged(None, "")
NONCE_BYTES = 8  # 64 random bits: never met twice, never guessed within a timeout
NONCES_A_DRAW = 256  # asking the system for each would cost as much as all else that a quick check computes


class NoEnd(Exception):
    """Noted where a check neither ended nor got on by itself."""


class Checks:
    """Runs any number of checks on one engine with the judges of a pool."""

    def __init__(
        self, engine: Engine, judges: JudgePool, rules: CheckRules, lists: BlockLists, node: str = ""
    ) -> None:
        self._engine = engine
        self._lists = lists
        self._looking_up: set[asyncio.Task[None]] = set()
        self._running: set[Check] = set()  # begun and not ended
        self._looking = False  # for those that don't get on
        self._suspects: dict[Check, list[Trial]] = {}  # by the last look, with what each had open
        self.admission = Admission(engine, rules.per_host, rules.per_network)
        self.judges = judges
        self.rules = rules
        self.patience = Patience(Limits(rules.connect_timeout, rules.timeout))
        self.node = node
        self._randoms: list[str] = []  # for nonces

    @property
    def running(self) -> int:
        """Checks begun and not ended."""
        return len(self._running)

    @property
    def room(self) -> int:
        """How many more to begin; those that wait for a crowded host count not."""
        room = self._engine.limit + min(self.admission.waiting, MAX_HELD) - len(self._running)
        return min(room, LONGEST_LINE - self._engine.new)

    def tell_of_room(self, tell: Callable[[], None]) -> None:
        """Have `tell` called whenever there may be room for more, again and again."""
        self._engine.on_short_line = tell

    def begin(self, candidate: Candidate, done: Callable[[CheckReport], None]) -> None:
        """Check `candidate` as soon as there is a judge; `done` is called once, from the event loop."""
        check = Check(self, candidate, done)
        self._running.add(check)
        if not self._looking:
            self._looking = True
            self._engine.later(LOOK_EVERY, self._look)
        self.judges.wait(check.begin)

    def report(self, check: "Check", report: CheckReport) -> None:
        """End a check; where the endpoint works, once the block lists have been asked."""
        if self.rules.dnsbl and report.exit_ip and report.alive:
            check.moved_at = clock()
            task = asyncio.create_task(self._look_up(check, report))
            self._looking_up.add(task)
            task.add_done_callback(self._looking_up.discard)
        else:
            self.end(check, report)

    def end(self, check: "Check", report: CheckReport) -> None:
        """Tell of the end of a check, once."""
        if check in self._running:
            self._running.discard(check)
            check.done(report)

    async def _look_up(self, check: "Check", report: CheckReport) -> None:
        report.dnsbl = await self._lists.look_up(report.exit_ip)
        self.end(check, report)

    def _look(self) -> None:
        """End the checks that neither end nor get on: whatever went wrong, nobody waits for them for ever.

        Those are stuck at two looks: before the second one all that was due at the first has had its turn.
        """
        self._looking = bool(self._running)
        if self._looking:
            self._engine.later(LOOK_EVERY, self._look)
        engine, idle = self._engine, self._engine.idle and not self.admission.waiting
        stuck = [check for check in self._running if check.stuck(engine.drained_at, engine.woke_at, idle)]
        before, self._suspects = self._suspects, {check: check.open[:] for check in stuck}
        for check in stuck:
            if before.get(check) == check.open:
                check.abort(NoEnd())

    def later(self, trial: Trial) -> None:
        """Run an attempt after the time that it is to wait."""
        trial.deadline = clock() + trial.attempt.after
        self._engine.later(trial.attempt.after, partial(self.admission.run, trial))

    def random(self) -> str:
        """Random text for one nonce, drawn from the system with that of many others."""
        if not self._randoms:
            drawn = os.urandom(NONCES_A_DRAW * NONCE_BYTES).hex()
            size = 2 * NONCE_BYTES  # hexadecimal
            self._randoms = [drawn[at : at + size] for at in range(0, len(drawn), size)]
        return self._randoms.pop()


class Check:
    """One endpoint's check: hands the plan's attempts to the engine, and their ends back.

    One judge is asked all along, but for the second request, which goes to another one where there is one.
    What failed counts only once the judge is known to have been up; else all is done again with another.
    """

    __slots__ = (
        "_began_at",
        "_doubted_at",
        "_judge",
        "_plan",
        "_runs",
        "_served",
        "candidate",
        "checks",
        "connected",
        "done",
        "moved_at",
        "network",
        "open",
    )

    _judge: Judge
    _began_at: float  # Unix seconds: it and the plan stand once something has come of the first connection

    def __init__(self, checks: Checks, candidate: Candidate, done: Callable[[CheckReport], None]) -> None:
        self.checks = checks
        self.candidate = candidate
        self.network = limited_network(candidate.endpoint.host)
        self.connected = False  # somebody is there
        self.done = done
        self.open: list[Trial] = []
        self._plan: CheckPlan | None = None
        self._doubted_at = -inf  # when the judge was last asked in vain, perhaps by its own fault (`clock`)
        self.moved_at = clock()  # when it last began to wait for something other than a connection
        self._served = False  # it has answered
        self._runs = 0

    def begin(self, judge: Judge | None) -> None:
        """Begin, perhaps anew, with a judge; nothing is planned before a connection is made: it seldom is."""
        try:
            if judge is None or self._runs == MAX_RUNS:
                self._report(Outcome.JUDGE_UNAVAILABLE, {}, time.time())
                return
            self._judge = judge
            self._runs += 1
            self._connect(first_attempt(self.candidate, self.checks.rules.types), judge)
        except Exception as error:
            self.abort(error)

    def ended(self, trial: Trial) -> None:
        """One attempt is over."""
        outcome, checks = trial.outcome, self.checks
        self.open.remove(trial)
        if self.network is not None:
            checks.admission.left(trial)
        if outcome is OK:
            self._learn(trial)
        elif outcome is SUSPENDED and trial.tries < MAX_TRIES:
            self._connect(trial.attempt, trial.judge, trial.tries + 1)
            return
        if self._plan is None and settled(outcome, self.candidate, checks.rules):
            protocols = {trial.attempt.protocol: trial.report()}
            self._report(outcome, protocols, wall_time(trial.opened_at), trial.value or UNSEEN)
        elif judge := self._to_be_asked_instead(trial):
            self._connect(trial.attempt, judge)
        else:
            self._go_on(trial)

    def _to_be_asked_instead(self, trial: Trial) -> Judge | None:
        """The judge to ask once more by a failed attempt: the word of one alone may be its own doing."""
        if trial.outcome is OK:
            return None
        if trial.attempt.confirming:
            other = self._judge
        elif trial.judge is self._judge and turned_away(trial.outcome, trial.detail):
            other = self.checks.judges.other(self._judge)
        else:
            return None
        return other if other is not trial.judge else None

    def _go_on(self, trial: Trial) -> None:
        """Do what the plan makes of the end of an attempt."""
        attempt = trial.attempt
        if doubtful(trial.outcome) and attempt.step in OF_THE_JUDGE:
            self._doubted_at = trial.ended_at
        plan = self._plan or self._new_plan(trial)
        if attempts := plan.ended(attempt, trial.report(), trial.value):
            self._start(attempts)
        elif plan.over:
            self._end(plan)

    def slow(self, trial: Trial) -> None:
        """One connection takes long."""
        plan = self._plan or self._new_plan(trial)
        self._start(plan.slow(trial.attempt, trial.heard))

    def _new_plan(self, first: Trial) -> CheckPlan:
        """The course that has begun with `first`."""
        self._began_at = wall_time(first.opened_at)
        self._plan = CheckPlan(self.candidate, self.checks.rules, self._judge.known_url is not None)
        return self._plan

    def _learn(self, trial: Trial) -> None:
        """Note how long the first answer took."""
        if not self._served and trial.connected_at is not None:
            self._served = True
            self.checks.patience.served(trial.opened_at, trial.connected_at, trial.ended_at)

    def _start(self, attempts: list[Attempt]) -> None:
        for attempt in attempts:
            judge = self.checks.judges.other(self._judge) if attempt.confirming else self._judge
            self._connect(attempt, judge)

    def _connect(self, attempt: Attempt, judge: Judge, tries: int = 1) -> None:
        checks = self.checks
        patience, slow_after = checks.patience, checks.rules.silence
        connect, answer = patience.connect, patience.answer
        if attempt.patient:
            connect = patience.second_connect
        if attempt.beside:
            answer = max(slow_after, answer - slow_after)
        if attempt.timeout is not None:
            answer = min(answer, attempt.timeout)
        if attempt.confirming:
            slow_after = CONFIRM_SILENCE
        trial = Trial(self, attempt, judge, connect, answer, slow_after, tries)
        if not self.connected:
            trial.priority = NEW
        elif attempt.beside and not self._served:
            trial.priority = SILENT
        self.open.append(trial)
        if attempt.after:
            checks.later(trial)
        else:
            checks.admission.run(trial)

    def _end(self, plan: CheckPlan) -> None:
        """Report, once it is known whether the judge was up when something failed."""
        self._drop_open()
        self.moved_at = clock()
        if self._doubted_at > -inf:
            self.checks.judges.vouch(self._judge, self._doubted_at, partial(self._vouched, plan))
        else:
            self._vouched(plan, True)

    def _vouched(self, plan: CheckPlan, judge_was_up: bool) -> None:
        self.moved_at = clock()
        try:
            if judge_was_up:
                self.checks.report(self, plan.report(self._began_at, self.checks.node))
            else:
                self._plan, self._doubted_at = None, -inf
                self.checks.judges.wait(self.begin)
        except Exception as error:
            self.abort(error)

    def _drop_open(self) -> None:
        for trial in self.open:
            self.checks.admission.drop(trial)
        self.open.clear()

    # What must not happen

    def stuck(self, drained_at: float, woke_at: float, idle: bool) -> bool:
        """True where nothing will move this check any more.

        All that came until `drained_at` has been handled, this process last woke from a standstill at
        `woke_at` (both `clock`); `idle`: no connection waits to be opened.
        """
        if not self.open:
            return drained_at > max(self.moved_at, woke_at) + LONGEST_WAIT
        return all(
            trial.has_ended or ((idle or trial.sock is not None) and drained_at > trial.deadline + OVERDUE)
            for trial in self.open
        )

    def abort(self, error: Exception) -> None:
        """End at once as an internal error."""
        contain(error)
        try:
            self._drop_open()
        except Exception as another:
            contain(another)
        endpoint, node = self.candidate.endpoint, self.checks.node
        report = CheckReport(endpoint, Outcome.INTERNAL_ERROR, {}, checked_at=time.time(), node=node)
        self.checks.end(self, report)

    def _report(
        self,
        outcome: Outcome,
        protocols: dict[Protocol, ProtocolReport],
        checked_at: float,
        seen: Judged = UNSEEN,
    ) -> None:
        """End what needed no plan."""
        report = CheckReport(
            self.candidate.endpoint,
            outcome,
            protocols,
            seen.anonymity,
            seen.exit_ip,
            checked_at=checked_at,
            node=self.checks.node,
        )
        self.checks.report(self, report)


def wall_time(moment: float) -> float:
    """A moment of `clock` in Unix seconds."""
    return time.time() - (clock() - moment)
