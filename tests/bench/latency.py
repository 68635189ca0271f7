"""How honest latency is under load: what a check measures, against the delay that the server has.

Thousands of connections in flight to a C server that keeps its delays; the loop's own lateness stands beside
the error, and beside both what the same client would report by the clock of its event loop.
"""

import asyncio
import shutil
import socket
import tempfile
from collections.abc import Sequence
from pathlib import Path

import uvloop

import eagleray
from eagleray.actors.net import connection
from eagleray.actors.process import collect_garbage_rarely
from tests.bench.engine import compiled_c, hosts, serving

FIRST, SPREAD = 500, 1500  # milliseconds: the delays are FIRST to FIRST + SPREAD
ENDPOINTS = 20_000
IN_FLIGHT = 4_000
SHARES = (0.5, 0.9, 0.99, 1.0)


def main() -> None:
    if shutil.which("cc") is None:
        print("no C compiler: apt-get install gcc")
        return
    collect_garbage_rarely()
    with (
        tempfile.TemporaryDirectory() as folder,
        serving([compiled_c(Path(folder), "delayer"), FIRST, SPREAD]) as port,
    ):
        print(f"{ENDPOINTS} endpoints, {IN_FLIGHT} in flight, delays of {FIRST} to {FIRST + SPREAD} ms")
        print(f"{'ms too late, by share of the checks':40}" + "".join(f"{share:>9.0%}" for share in SHARES))
        kernel, lags = uvloop.run(measure(port))
        show("answer, by the kernel's times", kernel)
        show("lateness of the event loop beside it", lags)
        connection.Connection.receive_from = by_the_loop
        connection.Connection._lateness_of_handshake = lambda *_: 0.0
        show("answer, by the event loop's clock", uvloop.run(measure(port))[0])


def by_the_loop(self: connection.Connection, sock: socket.socket, size: int) -> tuple[bytes, float]:
    """What a client without the kernel's help can say."""
    chunk = sock.recv(size)
    self.now = connection.clock()
    return chunk, 0.0


async def measure(port: int) -> tuple[list[float], list[float]]:
    """Errors of all checks, and how late the event loop was, both in milliseconds and sorted."""
    endpoints = [f"{host}:{port}" for host in hosts()[:ENDPOINTS]]
    errors, lags = [], []
    watch = asyncio.create_task(lateness(lags))
    async for report in eagleray.check(
        endpoints,
        judge=f"http://127.0.0.1:{port}/get",
        allow=["127.0.0.0/8"],
        rules=eagleray.CheckRules(depth=eagleray.Depth.QUICK),
        concurrency=IN_FLIGHT,
    ):
        http = report.protocols[eagleray.Protocol.HTTP]
        assert http.first_byte_ms is not None, report
        assert http.connect_ms is not None
        errors.append(abs(http.first_byte_ms - http.connect_ms - delay(report.endpoint.host)))
    watch.cancel()
    return sorted(errors), sorted(lags)


def delay(host: str) -> int:
    """The server's, in milliseconds."""
    third, fourth = map(int, host.split(".")[2:])
    return FIRST + (third * 256 + fourth) % SPREAD


async def lateness(lags: list[float]) -> None:
    """Note, again and again, by how much a timer is late."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + 0.01
        await asyncio.sleep(0.01)
        lags.append(1000 * (loop.time() - due))


def show(name: str, figures: Sequence[float]) -> None:
    row = [figures[min(len(figures) - 1, int(share * len(figures)))] for share in SHARES]
    print(f"{name:40}" + "".join(f"{figure:9.2f}" for figure in row), flush=True)


if __name__ == "__main__":
    main()
