"""Asks DNS block lists about exit addresses: all lists at once, each address once in a while."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from eagleray.actors.faults import contain
from eagleray.pipelines.addresses import Allowed
from eagleray.pipelines.proxies.check_rules import CheckRules, Depth
from eagleray.pipelines.proxies.dnsbl import (
    TEST_ENTRIES,
    ip_version,
    is_unknown,
    parse_nameserver,
    parse_zone,
    query_name,
    self_test_problem,
    unknown,
    verdict,
)
from eagleray.pipelines.proxies.protocols.target import Target

if TYPE_CHECKING:
    from eagleray.actors.dns_client import DnsClient

IN_FLIGHT = 64  # questions at a time; each has a socket of its own
LINE_SECONDS = 3.0  # that a question waits for its turn, before it gets its own time
KEEP = 20_000  # addresses whose answers are kept
KEEP_SECONDS = 900.0  # lists change slowly; public ones ask for restraint
KEEP_UNKNOWN_SECONDS = 30.0  # what may be over soon: a nameserver that is down, a limit on questions

Answers = dict[str, str]  # verdict by zone
Problems = dict[int, str]  # why a list is no use for addresses of a version of IP; empty where it is


async def open_block_lists(
    rules: CheckRules, allowed: Allowed, warn: Callable[[str], None] | None
) -> "BlockLists":
    """The lists that the rules name, tested; without those that are no use, and `warn` is told why.

    A quick check asks none.

    Raises:
        ValueError: a zone's name or the nameserver's address is none.
    """
    nameserver = parse_nameserver(rules.nameserver) if rules.nameserver else None
    lists = BlockLists(() if rules.depth is Depth.QUICK else rules.dnsbl, nameserver, allowed)
    await lists.start(warn)
    return lists


class BlockLists:
    """`start` once, then `look_up` as often as there is an exit address, `close` at the end."""

    def __init__(self, zones: Iterable[str], nameserver: Target | None, allowed: Allowed) -> None:
        """`zones` of the DNS; `nameserver` None is the system's; `allowed` says what may leave the machine.

        Raises:
            ValueError: a zone's name is none.
        """
        self._zones = list(dict.fromkeys(map(parse_zone, zones)))
        self._nameserver = nameserver
        self._allowed = allowed
        self._client: DnsClient | None = None
        self._usable: dict[str, Problems] = {}  # by zone
        self._room = asyncio.Semaphore(IN_FLIGHT)
        self._asking: dict[str, asyncio.Task[Answers]] = {}
        self._kept = Kept(KEEP)

    async def start(self, warn: Callable[[str], None] | None = None) -> None:
        """Test every list (RFC 5782 section 5), and leave out those that fail; `warn` is told of each.

        Ends within 6 s. What is left out here stays so: a list without its test entries is gone or misspelt.
        """
        if not self._zones:
            return
        from eagleray.actors.dns_client import DnsClient  # slow to import, and seldom asked for

        say = warn or (lambda _: None)
        try:
            self._client = DnsClient(self._nameserver)
        except OSError as error:
            say(f"DNS block lists are left out: {error}")
            return
        tested = await asyncio.gather(*map(self._test, self._zones))
        for zone, problems in zip(self._zones, tested, strict=True):
            if all(problems.values()):
                say(f"DNS block list {zone} is left out: {problems[4]}")
            else:
                self._usable[zone] = problems

    async def look_up(self, address: str) -> Answers:
        """The verdict of each list on a literal address (see pipelines.proxies.dnsbl), within 6 s.

        Nobody is asked about an address that `allowed` refuses. Nothing where no list is in use.
        """
        if not self._usable:
            return {}
        if not self._allowed(address):
            return dict.fromkeys(self._usable, unknown("not a global address"))
        kept = self._kept.get(address, asyncio.get_running_loop().time())
        if kept is not None:
            return dict(kept)
        task = self._asking.get(address)
        if task is None:
            task = self._asking[address] = asyncio.create_task(self._ask_all(address))
            task.add_done_callback(lambda _: self._asking.pop(address, None))
        return dict(await asyncio.shield(task))  # others may wait for the same answers

    async def close(self) -> None:
        """Cancel what is still being asked, and whoever waits for it."""
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _test(self, zone: str) -> Problems:
        problems = await asyncio.gather(*(self._test_version(zone, version) for version in TEST_ENTRIES))
        return dict(zip(TEST_ENTRIES, problems, strict=True))

    async def _test_version(self, zone: str, version: int) -> str:
        listed, unlisted = await asyncio.gather(*(self._ask(zone, entry) for entry in TEST_ENTRIES[version]))
        return self_test_problem(version, listed, unlisted)

    async def _ask_all(self, address: str) -> Answers:
        verdicts = await asyncio.gather(*(self._ask_about(address, zone) for zone in self._usable))
        answers = dict(zip(self._usable, verdicts, strict=True))
        seconds = KEEP_UNKNOWN_SECONDS if any(map(is_unknown, verdicts)) else KEEP_SECONDS
        self._kept.put(address, answers, asyncio.get_running_loop().time() + seconds)
        return answers

    async def _ask_about(self, address: str, zone: str) -> str:
        problem = self._usable[zone][ip_version(address)]
        return unknown(problem) if problem else await self._ask(zone, address)

    async def _ask(self, zone: str, address: str) -> str:
        """The verdict of one list, once it is this question's turn."""
        assert self._client is not None
        try:
            async with asyncio.timeout(LINE_SECONDS):
                await self._room.acquire()
        except TimeoutError:
            return unknown("too many questions at a time")
        try:
            return verdict(await self._client.addresses(query_name(address, zone)))
        except OSError as error:
            return unknown(str(error))
        except Exception as error:  # a nameserver's bytes end no check
            contain(error)
            return unknown(f"internal error, {type(error).__name__}")
        finally:
            self._room.release()


class Kept:
    """Answers by address, each until a time of its own; the oldest go where there is no room."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._answers: OrderedDict[str, tuple[float, Answers]] = OrderedDict()

    def get(self, address: str, now: float) -> Answers | None:
        """What is kept, unless its time is over; `now` in seconds of the clock that `put` was told of."""
        until, answers = self._answers.get(address, (now, None))
        return answers if now < until else None

    def put(self, address: str, answers: Answers, until: float) -> None:
        """Keep answers until then, in seconds."""
        self._answers.pop(address, None)
        self._answers[address] = (until, answers)
        if len(self._answers) > self._size:
            self._answers.popitem(last=False)
