"""aiohttp with aiohttp-socks, a connector for each proxy. Same arguments and output as ours.

It speaks to HTTP proxies by CONNECT alone: one round trip more than the others here.
"""

import asyncio
import json
import resource
import secrets
import sys
from pathlib import Path

import aiohttp
import uvloop
from aiohttp_socks import ProxyConnector


def used() -> tuple[float, float]:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime, usage.ru_stime


async def alive(endpoint: str, judge: str) -> bool:
    nonce = secrets.token_hex(8)
    connector = ProxyConnector.from_url(f"http://{endpoint}", force_close=True)
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.get(f"{judge}?n={nonce}") as got,
    ):
        answer = json.loads(await got.read())
        return got.status == 200 and nonce in answer["url"]


async def main(path: str, in_flight: int, judge: str) -> None:
    endpoints = iter(Path(path).read_text().split())  # noqa: ASYNC240 - nothing else runs yet
    results: list[bool] = []
    user, system = used()

    async def work() -> None:
        results.extend([await alive(endpoint, judge) for endpoint in endpoints])

    await asyncio.gather(*(work() for _ in range(in_flight)))
    user, system = used()[0] - user, used()[1] - system
    print(len(results), sum(results), user, system)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
