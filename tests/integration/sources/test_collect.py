"""collect() over real files and servers: each source by itself, bounded together."""

import asyncio
import time

from aiohttp import web

from eagleray.actors import source as actor
from eagleray.actors.source import MAX_POLLS, Feed, collect
from eagleray.actors.sources.base import SourceSettings
from eagleray.pipelines.addresses import Allowed
from eagleray.pipelines.proxies.model import Protocol
from eagleray.pipelines.proxies.parse import Labels

LABELS = Labels(protocols=frozenset({Protocol.SOCKS5}), country="DE")


def file_feed(path, body: str) -> Feed:
    path.write_text(body)
    return Feed(SourceSettings(name=path.name, kind="file", path=str(path)), LABELS)


def http_feed(name: str, url: str) -> Feed:
    return Feed(SourceSettings(name=name, kind="http", url=url), LABELS)


async def test_a_poll_counts(tmp_path):
    feed = file_feed(tmp_path / "a", "1.2.3.4:80\n1.2.3.4:80\n10.0.0.1:80\n1.2.3.4:99999\n")
    ((poll, candidates, blocked),) = [harvest async for harvest in collect([feed], Allowed())]
    assert (poll.source, poll.documents, poll.bytes, poll.error) == ("a", 1, 48, "")
    assert (poll.entries, poll.candidates) == (4, 1)
    assert poll.refused == {"blocked_address": 1, "bad_port": 1}
    assert abs(poll.polled_at - time.time()) < 60
    assert [(str(each.endpoint), each.protocols, each.country, each.source) for each in candidates] == [
        ("1.2.3.4:80", LABELS.protocols, "DE", "a")
    ]
    assert [str(each.endpoint) for each in blocked] == ["10.0.0.1:80"]


async def test_a_failing_source_stops_no_other(tmp_path, monkeypatch):
    def parse(document, labels):
        if document.source == "defect":
            raise ZeroDivisionError
        return actual(document, labels)

    actual = actor.parse
    monkeypatch.setattr(actor, "parse", parse)
    feeds = [
        Feed(SourceSettings(name="missing", kind="file", path=str(tmp_path / "none")), LABELS),
        file_feed(tmp_path / "defect", ""),
        file_feed(tmp_path / "good", "1.2.3.4:80"),
    ]
    polls = {harvest.poll.source: harvest.poll async for harvest in collect(feeds, Allowed())}
    assert polls["missing"].error == "No such file or directory"
    assert polls["defect"].error == "internal error (ZeroDivisionError)"
    assert (polls["good"].error, polls["good"].candidates) == ("", 1)


async def test_polls_are_bounded_and_wait_for_the_caller(serve):
    began: list[str] = []
    release = asyncio.Event()
    full = asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        began.append(request.path)
        if len(began) == MAX_POLLS:
            full.set()
        await release.wait()
        return web.Response(text="1.2.3.4:80")

    url = await serve(handler)
    harvests = collect([http_feed(f"{n}", f"{url}/{n}") for n in range(MAX_POLLS + 4)], Allowed())
    first = asyncio.ensure_future(anext(harvests))
    await full.wait()
    assert len(began) == MAX_POLLS
    release.set()
    await first
    assert len(began) == MAX_POLLS
    assert len([harvest async for harvest in harvests]) == MAX_POLLS + 3
    assert len(set(began)) == MAX_POLLS + 4


async def test_leaving_early_ends_the_polls(serve, tmp_path):
    hung = asyncio.Event()

    async def handler(_request: web.Request) -> web.Response:
        hung.set()
        await asyncio.Event().wait()
        raise AssertionError

    url = await serve(handler)
    harvests = collect([http_feed("hangs", url), file_feed(tmp_path / "a", "1.2.3.4:80")], Allowed())
    assert (await anext(harvests)).poll.source == "a"
    await hung.wait()
    polls = [task for task in asyncio.all_tasks() if task.get_coro().__qualname__ == "poll"]
    assert len(polls) == 1
    await harvests.aclose()
    assert polls[0].cancelled()


async def test_nothing_to_collect():
    assert [harvest async for harvest in collect([], Allowed())] == []
