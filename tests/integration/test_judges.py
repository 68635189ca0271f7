"""Judges that die, hang, come back and lie in the middle of a run: no proxy's verdict changes."""

import asyncio
import json
import logging
import signal
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import pytest

import eagleray
from eagleray.actors import judges
from eagleray.actors.judges import JudgePool
from eagleray.actors.net.connection import clock
from eagleray.actors.net.engine import Engine
from eagleray.cluster.http_server import Server
from eagleray.cluster.judge import Judge
from eagleray.cluster.proving_ground import Kind, read_truth
from eagleray.cluster.proving_ground.live import SCRIPT
from eagleray.pipelines.addresses import Allowed
from eagleray.pipelines.proxies.protocols.target import Target

LOOPBACK = ["127.0.0.0/8"]
AT_ONCE = 24  # connections: a run of the whole world takes several rounds, so that it has a middle
MIDDLE = 15  # reports


class JudgeProcess:
    """`eagleray judge` on a port that stays the same over its lives."""

    def __init__(self) -> None:
        self.port = 0
        self.process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    async def start(self) -> None:
        command = [sys.executable, "-m", "eagleray", "judge", "--port", str(self.port)]
        self.process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        self.port = int(json.loads(await self.process.stdout.readline())["url"].split(":")[2].strip("/"))

    async def send(self, number: signal.Signals) -> None:
        if self.process.returncode is None:
            self.process.send_signal(number)
        if number is signal.SIGKILL:
            await self.process.wait()


@pytest.fixture
async def judge_processes():
    """`await judge_processes(n)`: so many judges."""
    async with AsyncExitStack() as stack:

        async def make(count):
            made = [JudgeProcess() for _ in range(count)]
            await asyncio.gather(*(judge.start() for judge in made))
            for judge in made:
                stack.push_async_callback(judge.send, signal.SIGKILL)
            return made

        yield make


@asynccontextmanager
async def served(answer):
    """A judge in this process; its URL."""
    loop = asyncio.get_running_loop()
    async with await loop.create_server(Server(answer).connection, "127.0.0.1", 0) as listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/"


@pytest.fixture
def world(ground):
    """What there is to find out; one-time proxies may be spent by now, and are dead either way."""
    return {truth.address: truth for truth in read_truth(ground.truth)}


@pytest.fixture
def rules(ground):
    host, port = ground.tls_target.rsplit(":", 1)
    return eagleray.CheckRules(
        connect_timeout=1.2,
        timeout=3.0,
        silence=0.5,
        confirm_after=0.1,
        tls_target=Target(host, int(port)),  # else nothing tells a tunnel that is intercepted
        ca_file=ground.ca_file,
    )


@pytest.fixture
def reports_of(rules):
    """`await reports_of(addresses, judges)`: reports by address; `in_the_middle` is awaited there."""

    async def check(addresses, judge, in_the_middle=None):
        reports = {}
        every = eagleray.check(list(addresses), judge=judge, allow=LOOPBACK, rules=rules, concurrency=AT_ONCE)
        async for report in every:
            assert str(report.endpoint) not in reports
            reports[str(report.endpoint)] = report
            if len(reports) == MIDDLE and in_the_middle:
                await in_the_middle()
        return reports

    return check


def verdict(report):
    return report.alive, set(report.working) if report.alive else set(), report.anonymity, report.exit_ip


def assert_true(world, reports):
    """Every verdict is the truth."""
    assert reports.keys() == world.keys()
    for address, truth in world.items():
        report = reports[address]
        if truth.alive:
            expected = True, set(truth.protocols), truth.anonymity, truth.exit_ip
            assert (truth.kind, *verdict(report)) == (truth.kind, *expected)
        else:
            assert (truth.kind, report.alive) == (truth.kind, False)
            assert report.outcome is not eagleray.Outcome.JUDGE_UNAVAILABLE


class Heard(logging.Handler):
    """An event that is set by the first warning."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.event = asyncio.Event()

    def emit(self, record):
        self.event.set()


@pytest.fixture
async def warning():
    """An event: the pool has warned."""
    heard = Heard()
    judges.logger.addHandler(heard)
    yield heard.event
    judges.logger.removeHandler(heard)


async def test_the_only_judge_is_killed_and_comes_back(reports_of, world, judge_processes, warning):
    (judge,) = await judge_processes(1)

    async def in_the_middle():
        await judge.send(signal.SIGKILL)
        await warning.wait()
        await judge.start()

    assert_true(world, await reports_of(world, judge.url, in_the_middle))


async def test_one_of_two_judges_is_killed(reports_of, world, judge_processes):
    first, second = await judge_processes(2)
    kill = partial(first.send, signal.SIGKILL)
    assert_true(world, await reports_of(world, [first.url, second.url], kill))


async def test_a_judge_hangs(reports_of, world, judge_processes, caplog):
    first, second = await judge_processes(2)
    hang = partial(first.send, signal.SIGSTOP)
    assert_true(world, await reports_of(world, [first.url, second.url], hang))
    assert "set aside" in caplog.text


async def test_a_judge_that_only_proxies_fail_to_reach_condemns_nobody(reports_of, world, judge_processes):
    """It answers us, and a second request through a proxy gets rubbish."""
    (honest,) = await judge_processes(1)
    real = Judge(b"secret" * 6)

    def answer(request, client):
        return real.answer(request, client) if client == "127.0.0.1" else b"HTTP/1.1 200 OK\r\n\r\nhello"

    async with served(answer) as url:
        assert_true(world, await reports_of(world, [honest.url, url]))


@pytest.mark.parametrize("status", [403, 429, 503])
async def test_a_first_judge_that_turns_proxies_away_condemns_nobody(
    reports_of, world, judge_processes, status
):
    (honest,) = await judge_processes(1)
    real = Judge(b"secret" * 6)

    def answer(request, client):
        away = f"HTTP/1.1 {status} Go away\r\nContent-Length: 0\r\n\r\n".encode()
        return real.answer(request, client) if client == "127.0.0.1" else away

    some = {address: truth for address, truth in world.items() if truth.kind in (Kind.HTTP, Kind.SOCKS5)}
    async with served(answer) as url:
        assert_true(some, await reports_of(some, [url, honest.url]))


@pytest.mark.parametrize(
    "paths", [("/judge/", "/judge/known"), ("/judge/",)], ids=["its known page, too", "no known page"]
)
async def test_a_judge_below_a_path_condemns_nobody(reports_of, world, paths):
    real = Judge(b"secret" * 6)

    def answer(request, client):
        path, _, query = request.origin_form.partition("?")
        if path not in paths:
            return b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother"
        return real.answer(request._replace(target=f"{path.removeprefix('/judge')}?{query}"), client)

    some = {address: truth for address, truth in world.items() if truth.kind is Kind.HTTP}
    async with served(answer) as url:
        assert_true(some, await reports_of(some, f"{url}judge/"))


async def test_a_judge_that_sees_us_elsewhere_than_most_is_not_used(world, judge_processes, caplog):
    honest = await judge_processes(2)
    real = Judge(b"secret" * 6)
    async with served(lambda request, _: real.answer(request, "127.9.9.9")) as url:
        used = []
        async for _ in eagleray.check(
            [next(a for a, truth in world.items() if truth.kind is Kind.SOCKS5)],
            judge=[url, *(judge.url for judge in honest)],
            allow=LOOPBACK,
            on_judge=used.append,
        ):
            pass
    assert used[0].target.port == honest[0].port
    assert "sees us at 127.9.9.9, most others at 127.0.0.1" in caplog.text


async def test_without_any_judge_for_long_nothing_is_said_of_a_proxy(
    reports_of, world, judge_processes, monkeypatch
):
    monkeypatch.setattr(judges, "PATIENCE", 0.2)
    (judge,) = await judge_processes(1)
    reports = await reports_of(world, judge.url, partial(judge.send, signal.SIGKILL))
    assert reports.keys() == world.keys()
    for address, report in reports.items():
        unavailable = report.outcome is eagleray.Outcome.JUDGE_UNAVAILABLE
        assert unavailable or report.alive <= world[address].alive
    assert any(report.outcome is eagleray.Outcome.JUDGE_UNAVAILABLE for report in reports.values())


async def test_a_kind_that_tells_no_headers_leaves_the_level_open(reports_of, world):
    def answer(_request, client):
        return f"HTTP/1.1 200 OK\r\nContent-Length: {len(client)}\r\n\r\n{client}".encode()

    address, truth = next((a, truth) for a, truth in world.items() if truth.kind is Kind.HTTP)
    async with served(answer) as url:
        report = (await reports_of([address], url))[address]
    assert (report.alive, report.anonymity, report.exit_ip) == (True, None, truth.exit_ip)


@pytest.mark.parametrize("path", ["", "get?show_env=1"], ids=["ours", "httpbin"])
async def test_a_judge_behind_a_front_end_sees_what_one_without_sees(reports_of, world, path):
    real = Judge(b"secret" * 6)

    def answer(request, client):
        """As behind nginx with $proxy_add_x_forwarded_for, on another machine than the judge's."""
        others = [header for header in request.headers if header[0].lower() != "x-forwarded-for"]
        forwarded = ", ".join([*request.values("x-forwarded-for"), client])
        added = [*others, ("X-Real-IP", client), ("X-Forwarded-For", forwarded)]
        return real.answer(request._replace(headers=added), "10.1.1.1")

    live = {address: truth for address, truth in world.items() if truth.alive}
    async with served(answer) as url:
        assert_true(live, await reports_of(live, url + path))


async def test_tampering_is_kept_as_evidence(reports_of, world, judge_processes):
    (judge,) = await judge_processes(1)
    address = next(a for a, truth in world.items() if truth.kind is Kind.INJECTOR)
    report = (await reports_of([address], judge.url))[address]
    assert (report.alive, report.outcome) == (False, eagleray.Outcome.TAMPERED)
    assert report.tampered == SCRIPT.decode()


# The pool by itself


@asynccontextmanager
async def pool_of(*urls):
    engine = Engine(Allowed(LOOPBACK), 100)
    pool = JudgePool(urls, engine, Allowed(LOOPBACK))
    await pool.start()
    try:
        yield pool
    finally:
        await pool.close()
        engine.close()


async def vouched(pool, judge, times=1):
    """What the pool says to so many failures at this moment."""
    words: asyncio.Queue[bool] = asyncio.Queue()
    for _ in range(times):
        pool.vouch(judge, clock(), words.put_nowait)
    return {await words.get() for _ in range(times)}


async def test_any_number_of_failures_costs_one_direct_request():
    asked = []
    real = Judge(b"secret" * 6)

    def answer(request, client):
        asked.append(request.target)
        return real.answer(request, client)

    async with served(answer) as url, pool_of(url) as pool:
        asked.clear()
        assert await vouched(pool, pool.judges[0], times=1000) == {True}
        assert len(asked) == 1


async def test_a_judge_with_another_secret_is_another_judge():
    lives = iter([b"first" * 8, b"second" * 8])
    current = [Judge(next(lives))]
    async with served(lambda *request: current[0].answer(*request)) as url, pool_of(url) as pool:
        (before,) = pool.judges
        current[0] = Judge(next(lives))
        assert await vouched(pool, before) == {False}
        assert pool.judges != [before]
        assert await vouched(pool, pool.judges[0]) == {True}


async def test_a_judge_that_is_outvoted_stays_aside_and_is_said_to_once(caplog):
    asked = asyncio.Event()
    real = Judge(b"secret" * 6)
    times = 0

    def liar(request, _):
        nonlocal times
        times += 1
        if times == 3:
            asked.set()
        return real.answer(request, "127.9.9.9")

    async with (
        served(liar) as url,
        served(real.answer) as first,
        served(real.answer) as second,
        pool_of(url, first, second) as pool,
    ):
        await asked.wait()
        assert len(pool.judges) == 2
        assert caplog.text.count("set aside") == 1
        assert "used again" not in caplog.text


async def test_no_judge_is_a_problem_that_names_each():
    async with pool_of("http://127.0.0.1:1/", "http://192.168.1.1/") as pool:
        assert pool.given_up
        assert "127.0.0.1:1/: refused" in pool.problem
        assert "192.168.1.1 is not a global address" in pool.problem
        answers = []
        pool.wait(answers.append)
        assert answers == [None]
