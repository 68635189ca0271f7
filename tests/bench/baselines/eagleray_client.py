"""Our engine on the same work. eagleray_client.py LIST IN_FLIGHT JUDGE; prints checks, alive, CPU seconds."""

import resource
import sys
from collections.abc import Iterator
from pathlib import Path

import uvloop

import eagleray
from eagleray.actors.process import collect_garbage_rarely


def used() -> tuple[float, float]:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime, usage.ru_stime


def endpoints(path: str) -> Iterator[eagleray.Candidate]:
    with Path(path).open() as lines:
        for line in lines:
            host, port = line.split(":")
            yield eagleray.Candidate(eagleray.Endpoint(host, int(port)))


async def main(path: str, in_flight: int, judge: str) -> None:
    rules = eagleray.CheckRules(depth=eagleray.Depth.QUICK)
    checks = alive = 0
    user, system = used()
    async for report in eagleray.check(
        endpoints(path), judge=judge, allow=["127.0.0.0/8"], rules=rules, concurrency=in_flight
    ):
        checks += 1
        alive += report.alive
    user, system = used()[0] - user, used()[1] - system
    print(checks, alive, user, system)


if __name__ == "__main__":
    collect_garbage_rarely()
    uvloop.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
