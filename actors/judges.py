"""The judges at hand: asked directly again and again, so that no proxy pays for a judge that is down."""

import asyncio
import logging
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import chain
from math import inf

import msgspec

from eagleray.actors.faults import contain
from eagleray.actors.judge_requests import NONCE_BYTES, ask_directly, fetch
from eagleray.actors.net.connection import clock
from eagleray.actors.net.engine import Engine
from eagleray.pipelines.addresses import Allowed
from eagleray.pipelines.alternatives import Alternatives, AskRules, quorum
from eagleray.pipelines.proxies.judging import Judge, JudgeError
from eagleray.pipelines.secrets import hide_in_url

logger = logging.getLogger(__name__)

ASK = AskRules(every=10.0, first_retry=0.5, last_retry=60.0)
SPACING = 0.5  # seconds between two direct requests to a judge, however many failures wait for its word
GRACE = 1.0  # seconds that a start waits for the other judges once one has answered
PATIENCE = 30.0  # seconds that checks wait for a judge where all are down: a restart takes less


class Member:
    """A configured judge; `judge` is its present life, None while it is set aside."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.judge: Judge | None = None
        self.error = ""  # why it is set aside
        self.proven_at = -inf  # start of the latest direct request that it answered (`clock`)
        self.doubted = asyncio.Event()  # a check failed that used it


class Doubt(msgspec.Struct, frozen=True):
    """A check that failed, and waits to hear whether its judge was up."""

    judge: Judge
    since: float  # time of the failure (`clock`)
    then: Callable[[bool], None]


class JudgePool:
    """Asks judges directly, at a steady pace and after failures, and says which one to use.

    A `Judge` is one life of a judge: who stops answering is set aside and comes back as another `Judge`, and
    who answers without the proof of its session is another one at once.
    """

    def __init__(self, urls: Sequence[str], engine: Engine, allowed: Allowed) -> None:
        self._engine = engine
        self._allowed = allowed
        self._members = [Member(url) for url in urls]
        self._alternatives = Alternatives(self._members, ASK)
        self._doubts: list[Doubt] = []
        self._waiting: list[Callable[[Judge | None], None]] = []
        self._watches: list[asyncio.Task[None]] = []
        self._patience: asyncio.TimerHandle | None = None
        self.judges: list[Judge] = []  # those that may be used, in the order of the configuration
        self.given_up = False  # no judge has answered for so long that checks no longer wait for one

    async def start(self) -> None:
        """Ask all judges; return once all have answered or failed, or one has and the others take long."""
        first = [asyncio.create_task(self._ask(member)) for member in self._members]
        self._watches = [
            asyncio.create_task(self._watch(member, asked))
            for member, asked in zip(self._members, first, strict=True)
        ]
        pending = set(first)
        while pending and not self.judges:
            _, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        if pending:
            await asyncio.wait(pending, timeout=GRACE)
        for asked in first:
            if asked.done():
                asked.result()  # a judge's failure is none of this task's: what is raised here is a bug
        self.given_up = not self.judges

    async def close(self) -> None:
        """Ask no more; who waits is forgotten."""
        self._stop_patience()
        for watch in self._watches:
            watch.cancel()
        await asyncio.gather(*self._watches, return_exceptions=True)

    # What checks need

    @property
    def problem(self) -> str:
        """Why there is no judge, or empty."""
        if self.judges:
            return ""
        return "; ".join(member.error for member in self._members) or "no judge is configured"

    def other(self, judge: Judge) -> Judge:
        """Another judge where there is one, else the same."""
        return next((other for other in self.judges if other is not judge), judge)

    def wait(self, then: Callable[[Judge | None], None]) -> None:
        """Call `then` with a judge, at once or as soon as there is one; with None once that is given up."""
        if self.judges or self.given_up:
            then(self.judges[0] if self.judges else None)
        else:
            self._waiting.append(then)

    def vouch(self, judge: Judge, since: float, then: Callable[[bool], None]) -> None:
        """Call `then(True)` once `judge` was asked directly after `since` (`clock`) and answered.

        `then(False)` is called as soon as it is no longer in use.
        """
        if not self._resolve(doubt := Doubt(judge, since, then)):
            self._doubts.append(doubt)

    def _resolve(self, doubt: Doubt) -> bool:
        """Answer a doubt if that is possible, else have the judge asked."""
        member = next((member for member in self._members if member.judge is doubt.judge), None)
        if member and member.proven_at <= doubt.since:
            member.doubted.set()
            return False
        doubt.then(member is not None)
        return True

    # Asking

    async def _watch(self, member: Member, asked: asyncio.Task[None]) -> None:
        await asked
        while True:
            pause = self._alternatives.pause(member)
            await asyncio.sleep(min(SPACING, pause))
            with suppress(TimeoutError):
                async with asyncio.timeout(pause - SPACING):
                    await member.doubted.wait()
            await self._ask(member)

    async def _ask(self, member: Member) -> None:
        """Ask a judge directly and take the consequences; an error of ours is one of them, and no end."""
        try:
            await self._examine(member)
            self._compare()
        except Exception as error:
            contain(error)
            self._set_aside(
                member, f"judge {hide_in_url(member.url)}: internal error, {type(error).__name__}"
            )
        self._tell()

    async def _examine(self, member: Member) -> None:
        """Ask a judge directly, and use it or set it aside."""
        member.doubted.clear()
        began, judge = clock(), member.judge
        try:
            if judge is None or not await self._confirms(judge):
                judge = await ask_directly(member.url, self._engine, self._allowed)
        except JudgeError as failure:
            if judge is not None:  # it answered before
                self._engine.control_failed()
            self._set_aside(member, str(failure))
        else:
            if error := self._outvoted(member, judge):
                self._set_aside(member, error)
            else:
                self._use(member, judge, began)

    async def _confirms(self, judge: Judge) -> bool:
        """True where the judge proves to be the one that it was.

        Raises:
            JudgeError: it does not answer.
        """
        nonce = judge.nonce(secrets.token_hex(NONCE_BYTES))
        return judge.confirms(await fetch(judge.url, judge.target.host, self._engine, nonce), nonce)

    def _use(self, member: Member, judge: Judge, proven_at: float) -> None:
        if member.error:
            logger.warning("judge %s is used again", hide_in_url(member.url))
        member.judge, member.error, member.proven_at = judge, "", proven_at
        self._alternatives.answered(member)
        self._list_judges()

    def _set_aside(self, member: Member, error: str) -> None:
        if error != member.error:
            logger.warning("%s; it is set aside until it answers", error)
        member.judge, member.error = None, error
        self._alternatives.failed(member)
        self._list_judges()

    def _list_judges(self) -> None:
        self.judges = [member.judge for member in self._alternatives.healthy if member.judge]

    def _compare(self) -> None:
        """Set aside who is outvoted by now; what any other judge sees is an address of ours."""
        for member in self._members:
            if member.judge and (error := self._outvoted(member, member.judge)):
                self._set_aside(member, error)
        own = frozenset(chain.from_iterable(judge.own for judge in self.judges))
        for judge in self.judges:
            judge.share_own(own)

    def _outvoted(self, member: Member, judge: Judge) -> str:
        """Where `judge` sees us and most judges of its address family do not, or empty."""
        ipv6 = ":" in judge.target.host
        others = [other.judge for other in self._members if other is not member and other.judge]
        seen = [judge.own, *(other.own for other in others if (":" in other.target.host) is ipv6)]
        address = quorum(chain.from_iterable(seen), len(seen) // 2 + 1)
        if address is None or address in judge.own:
            return ""
        where = f"it sees us at {', '.join(sorted(judge.own))}, most others at {address}"
        return f"judge {hide_in_url(member.url)}: {where}"

    def _tell(self) -> None:
        """Let those go on who wait for a judge or for its word."""
        doubts, self._doubts = self._doubts, []
        self._doubts += [doubt for doubt in doubts if not self._resolve(doubt)]
        if self.judges:
            self._stop_patience()
            self.given_up = False
            self._let_go()
        elif self._patience is None:
            self._patience = asyncio.get_running_loop().call_later(PATIENCE, self._give_up)

    def _stop_patience(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        self.given_up = True
        self._let_go()

    def _let_go(self) -> None:
        waiting, self._waiting = self._waiting, []
        for then in waiting:
            self.wait(then)
