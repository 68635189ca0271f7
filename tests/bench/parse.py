"""Parsing and cleaning: CPU a line of each format, as a ratio to a bare `re.findall` over the same text."""

import json
import random
import re
from collections.abc import Callable
from time import process_time

from eagleray.pipelines.addresses import Allowed
from eagleray.pipelines.document import Document
from eagleray.pipelines.proxies.clean import clean
from eagleray.pipelines.proxies.parse import parse

LINES = 100_000
ROUNDS = 3  # the best counts: the others were disturbed

Entry = tuple[str, int]

SHAPES: dict[str, Callable[[list[Entry]], str]] = {
    "ip:port": lambda entries: "\n".join(f"{host}:{port}" for host, port in entries),
    "scheme://": lambda entries: "\n".join(f"socks5://{host}:{port}" for host, port in entries),
    "labelled": lambda entries: "\n".join(f"{host}:{port} US-N-S +" for host, port in entries),
    "csv": lambda entries: "ip,port,country\n" + "\n".join(f"{host},{port},US" for host, port in entries),
    "json": lambda entries: json.dumps(
        {"data": [{"ip": h, "port": str(p), "country": "US"} for h, p in entries]}
    ),
    "html": lambda entries: "<table>" + "".join(f"<tr><td>{h}</td><td>{p}</td></tr>" for h, p in entries),
}


def best(work: Callable[[], object]) -> float:
    """CPU seconds of the best of `ROUNDS`."""
    times = []
    for _ in range(ROUNDS):
        started = process_time()
        work()
        times.append(process_time() - started)
    return min(times)


def report(name: str, seconds: float, baseline: float) -> None:
    print(
        f"{name:10} {LINES / seconds:>11,.0f} lines/s {seconds / LINES * 1e6:6.2f} µs a line"
        f" {seconds / baseline:6.1f} × re.findall"
    )


def main() -> None:
    rng = random.Random(1)
    entries = [
        (".".join(str(rng.randint(1, 223)) for _ in range(4)), rng.randint(1, 65_535)) for _ in range(LINES)
    ]
    plain = SHAPES["ip:port"](entries)
    baseline = best(lambda: re.findall(r"(\d+\.\d+\.\d+\.\d+):(\d+)", plain))
    report("re.findall", baseline, baseline)
    for name, shape in SHAPES.items():
        document = Document("bench", "", shape(entries).encode())
        assert parse(document).entries == LINES
        report(name, best(lambda document=document: parse(document)), baseline)
    candidates = parse(Document("bench", "", plain.encode())).candidates
    report("clean", best(lambda: clean(candidates, Allowed())), baseline)
