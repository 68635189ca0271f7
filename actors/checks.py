"""Checks endpoints: a plan decides for each which probe comes next, the engine carries it out."""

import asyncio
import time
from collections.abc import Callable, Hashable
from functools import partial
from typing import NamedTuple

from eagleray.actors.dnsbl import BlockLists
from eagleray.actors.judges import JudgePool
from eagleray.actors.net.admission import Admission, limited_network
from eagleray.actors.net.connection import clock
from eagleray.actors.net.engine import Engine
from eagleray.actors.trial import Trial, randoms
from eagleray.pipelines.proxies.attempt import Attempt, Step
from eagleray.pipelines.proxies.check_plan import CheckPlan
from eagleray.pipelines.proxies.check_rules import CheckRules
from eagleray.pipelines.proxies.detection import likely
from eagleray.pipelines.proxies.judging import Judge
from eagleray.pipelines.proxies.model import Candidate, CheckReport
from eagleray.pipelines.proxies.outcome import Outcome
from eagleray.pipelines.proxies.patience import Limits, Patience
from eagleray.pipelines.proxies.weighing import doubtful

MAX_HELD = 20_000  # checks that wait for a crowded host beside those that run: about 2.5 kB each
OF_THE_JUDGE = frozenset({Step.JUDGE, Step.KNOWN_PAGE})
LONGEST_LINE = 1024  # connections that wait to be opened: enough for the engine, few enough to begin soon
CONFIRM_SILENCE = 0.5  # seconds: the steps after a second request that takes longer go on beside it
MAX_RUNS = 4  # of one check whose judges go down one after another


class Checks:
    """Runs any number of checks on one engine with the judges of a pool."""

    def __init__(
        self, engine: Engine, judges: JudgePool, rules: CheckRules, lists: BlockLists, node: str = ""
    ) -> None:
        self._engine = engine
        self._lists = lists
        self._looking_up: set[asyncio.Task[None]] = set()
        self.admission = Admission(engine, rules.per_host, rules.per_network)
        self.judges = judges
        self.rules = rules
        self.patience = Patience(Limits(rules.connect_timeout, rules.timeout))
        self.node = node
        self.randoms = randoms()
        self.running = 0  # checks begun and not ended

    @property
    def room(self) -> int:
        """How many more to begin; those that wait for a crowded host count not."""
        room = self._engine.limit + min(self.admission.waiting, MAX_HELD) - self.running
        return min(room, LONGEST_LINE - self._engine.waiting)

    def tell_of_room(self, tell: Callable[[], None]) -> None:
        """Have `tell` called whenever there may be room for more, again and again."""
        self._engine.on_short_line = tell

    def begin(self, candidate: Candidate, done: Callable[[CheckReport], None]) -> None:
        """Check `candidate`; `done` is called once, from the event loop."""
        self.running += 1
        if self.judges.judges and not candidate.promising:
            self.admission.run(self._knock(candidate, done, self.judges.judges[0]))
        else:
            Check(self, candidate, limited_network(candidate.endpoint.host), done).begin()

    def _knock(self, candidate: Candidate, done: Callable[[CheckReport], None], judge: Judge) -> Trial:
        """The first connection to an endpoint: nothing is planned before it is made, and it seldom is."""
        endpoint, patience, silence = candidate.endpoint, self.patience, self.rules.silence
        network = limited_network(endpoint.host)
        trial = Trial(endpoint, network, judge, patience.connect, patience.answer, silence)
        trial.doorstep = Doorstep(self, candidate, done)
        return trial

    def report(self, report: CheckReport, done: Callable[[CheckReport], None]) -> None:
        """End a check; where the endpoint works, once the block lists have been asked."""
        if report.alive and report.exit_ip and self.rules.dnsbl:
            task = asyncio.create_task(self._look_up(report, done))
            self._looking_up.add(task)
            task.add_done_callback(self._looking_up.discard)
        else:
            self.running -= 1
            done(report)

    async def _look_up(self, report: CheckReport, done: Callable[[CheckReport], None]) -> None:
        report.dnsbl = await self._lists.look_up(report.exit_ip)
        self.running -= 1
        done(report)

    def start(self, trial: Trial) -> None:
        """Run an attempt, now or after the time that it is to wait."""
        if trial.attempt.after:
            self._engine.later(trial.attempt.after, partial(self.admission.run, trial))
        else:
            self.admission.run(trial)


class Check:
    """One endpoint's check: hands the plan's attempts to the engine, and their ends back.

    One judge is asked all along, but for the second request, which goes to another one where there is one.
    What failed counts only once the judge is known to have been up; else all is done again with another.
    """

    __slots__ = (
        "_began_at",
        "_done",
        "_doubted_at",
        "_judge",
        "_open",
        "_plan",
        "_runs",
        "candidate",
        "checks",
        "connected",
        "network",
        "served",
    )

    def __init__(
        self, checks: Checks, candidate: Candidate, network: Hashable, done: Callable[[CheckReport], None]
    ) -> None:
        self.checks = checks
        self.candidate = candidate
        self.network = network
        self.connected = False  # what has been connected to is likelier to live than what has not
        self.served = False  # it has answered
        self._done = done
        self._open: list[Trial] = []
        self._runs = 0

    def begin(self) -> None:
        """Start the first attempt as soon as there is a judge."""
        self.checks.judges.wait(self._begin)

    def adopt(self, trial: Trial, began_at: float) -> Attempt:
        """Begin with a connection that has been made already; what to do with it."""
        self._open.append(trial)
        return self._new_plan(trial.judge, began_at)

    def _begin(self, judge: Judge | None) -> None:
        if judge is None or self._runs == MAX_RUNS:
            self._report_unjudged()
            return
        self._connect(self._new_plan(judge, time.time()), judge)

    def _new_plan(self, judge: Judge, began_at: float) -> Attempt:
        """Plan anew, with a judge; the first attempt."""
        self._runs += 1
        self._judge = judge
        self._doubted_at = 0.0  # when it last failed by what may be the judge's fault (`clock`)
        self._plan = CheckPlan(self.candidate, self.checks.rules, known_page=judge.known_url is not None)
        self._began_at = began_at
        return self._plan.begin()

    def ended(self, trial: Trial) -> None:
        """One attempt is over."""
        self._open.remove(trial)
        attempt, outcome = trial.attempt, trial.outcome
        if trial.judge is not self._judge and outcome is not Outcome.OK:
            self._connect(attempt, self._judge)  # the word of another judge alone condemns nobody
            return
        if doubtful(outcome) and attempt.step in OF_THE_JUDGE:
            self._doubted_at = trial.ended_at
        if attempts := self._plan.ended(attempt, trial.report(), trial.value):
            self._start(attempts)
        elif self._plan.over:
            self._end()

    def silent(self, attempt: Attempt) -> None:
        """One connection has brought nothing for a while."""
        self._start(self._plan.silent(attempt))

    def _start(self, attempts: list[Attempt]) -> None:
        for attempt in attempts:
            judge = self.checks.judges.other(self._judge) if attempt.confirming else self._judge
            self._connect(attempt, judge)

    def _connect(self, attempt: Attempt, judge: Judge) -> None:
        patience, silence = self.checks.patience, self.checks.rules.silence
        answer = max(silence, patience.answer - silence) if attempt.beside else patience.answer
        trial = Trial(
            self.candidate.endpoint,
            self.network,
            judge,
            patience.second_connect if attempt.patient else patience.connect,
            min(attempt.timeout or answer, answer),
            CONFIRM_SILENCE if attempt.confirming else silence,
        )
        trial.check, trial.attempt, trial.urgent = self, attempt, self.connected
        self._open.append(trial)
        self.checks.start(trial)

    def _end(self) -> None:
        """Report, once it is known whether the judge was up when something failed."""
        for beside in self._open:
            self.checks.admission.drop(beside)
        self._open.clear()
        if self._doubted_at:
            self.checks.judges.vouch(self._judge, self._doubted_at, self._report)
        else:
            self._report(True)

    def _report(self, judge_was_up: bool) -> None:
        if not judge_was_up:
            self.begin()
            return
        self.checks.report(self._plan.report(self._began_at, self.checks.node), self._done)

    def _report_unjudged(self) -> None:
        """There is no judge."""
        endpoint, node = self.candidate.endpoint, self.checks.node
        report = CheckReport(endpoint, Outcome.JUDGE_UNAVAILABLE, {}, checked_at=time.time(), node=node)
        self.checks.report(report, self._done)


class Doorstep(NamedTuple):
    """What a first connection needs where there is no check yet."""

    checks: Checks
    candidate: Candidate
    done: Callable[[CheckReport], None]

    def enter(self, trial: Trial) -> Check:
        """The check that begins with this connection."""
        check = Check(self.checks, self.candidate, trial.network, self.done)
        trial.attempt = check.adopt(trial, wall_time(trial.opened_at))
        return check

    def leave(self, trial: Trial) -> None:
        """Report an endpoint that is dead whatever is spoken to it."""
        if trial.network is not None:
            self.checks.admission.left(trial)
        protocol = likely(self.candidate, self.checks.rules.types)[0]
        opened_at, node = wall_time(trial.opened_at), self.checks.node
        attempts = {protocol: trial.report()}
        report = CheckReport(trial.endpoint, trial.outcome, attempts, checked_at=opened_at, node=node)
        self.checks.report(report, self.done)


def wall_time(moment: float) -> float:
    """A moment of `clock` in Unix seconds."""
    return time.time() - (clock() - moment)
