"""Polls sources and makes candidates of what they hand over."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

import msgspec

from eagleray.actors.faults import contain
from eagleray.actors.sources.base import SourceError, SourceSettings
from eagleray.actors.sources.registry import open_source
from eagleray.pipelines.addresses import Allowed
from eagleray.pipelines.proxies.clean import clean
from eagleray.pipelines.proxies.model import Candidate
from eagleray.pipelines.proxies.parse import Labels, parse

MAX_POLLS = 16  # at a time: politeness to hosts that many lists share, and documents held in memory


class Feed(NamedTuple):
    """A source, and what its owner says of all its entries."""

    settings: SourceSettings
    labels: Labels


class Poll(msgspec.Struct, frozen=True):
    """What one poll of a source came to; the columns of `source_polls`."""

    source: str
    polled_at: float  # Unix seconds
    documents: int
    bytes: int
    entries: int  # things that were meant as an endpoint
    candidates: int  # unique and dialable
    refused: dict[str, int]  # by reason
    error: str  # empty, or why the source gave nothing (more)
    seconds: float


class Harvest(NamedTuple):
    """A poll with its candidates, one for each endpoint."""

    poll: Poll
    candidates: list[Candidate]
    blocked: list[Candidate]  # refused because their address may not be dialled


async def collect(feeds: Sequence[Feed], allowed: Allowed) -> AsyncIterator[Harvest]:
    """Poll each source once, up to `MAX_POLLS` at a time, and give each harvest as soon as it is in.

    A source that fails is a harvest with an error. No poll begins while the caller deals with a harvest.
    """
    waiting = list(reversed(feeds))
    # The interpreter runs one parser at a time anyway; each more would hold the event loop up for longer.
    worker = ThreadPoolExecutor(max_workers=1)
    running: set[asyncio.Task[Harvest]] = set()
    try:
        while waiting or running:
            while waiting and len(running) < MAX_POLLS:
                running.add(asyncio.create_task(poll(waiting.pop(), allowed, worker)))
            done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                yield task.result()
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        worker.shutdown(wait=False)


async def poll(feed: Feed, allowed: Allowed, worker: Executor) -> Harvest:
    """Fetch, parse and clean what a source has now; `worker` does what takes long."""
    in_worker = partial(asyncio.get_running_loop().run_in_executor, worker)
    polled_at, started = time.time(), time.monotonic()
    documents = size = entries = 0
    found: list[Candidate] = []
    refused: Counter[str] = Counter()
    error = ""
    try:
        async for document in open_source(feed.settings, allowed).documents():
            parsed = await in_worker(parse, document, feed.labels)
            documents += 1
            size += len(document.body)
            entries += parsed.entries
            found += parsed.candidates
            refused.update(parsed.refused)
    except SourceError as failure:
        error = str(failure)
    except Exception as defect:  # ours: the other sources go on all the same
        contain(defect)
        error = f"internal error ({type(defect).__name__})"
    cleaned = await in_worker(clean, found, allowed)
    blocked = await in_worker(blocked_by, allowed, found)
    refused.update(cleaned.refused)
    return Harvest(
        Poll(
            source=feed.settings.name,
            polled_at=polled_at,
            documents=documents,
            bytes=size,
            entries=entries,
            candidates=len(cleaned.candidates),
            refused={str(reason): count for reason, count in refused.most_common()},
            error=error,
            seconds=round(time.monotonic() - started, 3),
        ),
        cleaned.candidates,
        blocked,
    )


def blocked_by(allowed: Allowed, candidates: Sequence[Candidate]) -> list[Candidate]:
    """Those whose address no list may name."""
    return [candidate for candidate in candidates if not allowed.lists(candidate.endpoint.host)]
