"""What scoring costs a record, beside a bare decoding and encoding of the same batch.

`python -m tests.bench.scoring`. Budget: 10 µs of CPU time for a record of an endpoint that never worked, as
most of a public list are.
"""

import time
from collections.abc import Callable
from functools import partial

import msgspec

from eagleray.pipelines.leases import NUMBER_BITS
from eagleray.pipelines.proxies.model import (
    Anonymity,
    Checked,
    CheckReport,
    Endpoint,
    Protocol,
    ProtocolReport,
)
from eagleray.pipelines.proxies.outcome import Outcome
from eagleray.pipelines.proxies.packing import Hint, State, source_id
from eagleray.pipelines.proxies.score import Evidence
from eagleray.pipelines.proxies.scoring import ScoringRules, record, score_batch

RECORDS = 2_000
ROUNDS = 25
NOW = 1_700_000_000.0
SOURCES = {source_id("list"): "list"}
HINT = Hint(frozenset({Protocol.HTTP}), None, "DE", source_id("list")).pack()


def report(number: int, outcome: Outcome) -> CheckReport:
    """A check of one of many endpoints: dead ones time out, working ones answer in a second."""
    endpoint = Endpoint(f"1.2.{number >> 8 & 255}.{number & 255}", 8080)
    if outcome is not Outcome.OK:
        tried = ProtocolReport(outcome, detail="connect")
        return CheckReport(endpoint, outcome, {Protocol.HTTP: tried}, checked_at=NOW, node="node-1")
    works = ProtocolReport(outcome, 120.5, 120.5, 480.25 + number, 500.75 + number)
    return CheckReport(
        endpoint, outcome, {Protocol.HTTP: works}, Anonymity.ELITE, "1.2.3.4", True, NOW, "node-1"
    )


def batch(outcome: Outcome, past: list[Outcome]) -> bytes:
    """Reports of one outcome on endpoints with the same past."""
    state = State(Evidence())
    for earlier in past:
        record(state, report(0, earlier), ScoringRules().half_life)
    lease_id = int(NOW) << NUMBER_BITS | 1
    return msgspec.msgpack.encode(
        [Checked(lease_id, number, HINT, state.pack(), report(number, outcome)) for number in range(RECORDS)]
    )


def microseconds(function: Callable[[], object]) -> float:
    """CPU time a record, the best of several rounds."""
    times = []
    for _ in range(ROUNDS):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return min(times) / RECORDS * 1e6


def main() -> None:
    """Print a line for each kind of record."""
    decode = msgspec.msgpack.Decoder(list[Checked]).decode
    encode = msgspec.msgpack.Encoder().encode
    cases = {
        "never worked": (Outcome.CONNECT_TIMEOUT, [Outcome.CONNECT_TIMEOUT] * 3),
        "worked once": (Outcome.CONNECT_TIMEOUT, [Outcome.OK] * 5),
        "works": (Outcome.OK, [Outcome.OK] * 5 + [Outcome.TIMEOUT]),
    }
    print(f"scoring: batches of {RECORDS:,}, CPU µs a record; budget 10 for what never worked")
    print(f"{'':14}{'scored':>8}{'bare':>8}{'ratio':>8}")
    for name, (outcome, past) in cases.items():
        data = batch(outcome, past)
        scored = microseconds(partial(score_batch, data, ScoringRules(), SOURCES))
        bare = microseconds(lambda data=data: encode(decode(data)))
        print(f"{name:14}{scored:8.1f}{bare:8.1f}{scored / bare:8.1f}")


if __name__ == "__main__":
    main()
