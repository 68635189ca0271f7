"""What a SQLite store holds, counted by SQL: what a run says of itself is held against that."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple


class Count(NamedTuple):
    """Checks on record, endpoints that were checked, those of them that live, endpoints by latest outcome."""

    checks: int
    endpoints: int
    alive: int
    outcomes: dict[str, int]


def connected(data: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{data}/proxies.sqlite?mode=ro", uri=True)


def count(data: Path) -> Count:
    with closing(connected(data)) as store:
        totals = store.execute("SELECT sum(checks), count(*), sum(alive) FROM proxies").fetchone()
        outcomes = dict(store.execute("SELECT outcome, count(*) FROM proxies GROUP BY outcome"))
    return Count(*totals, outcomes)


def last_cycle(data: Path) -> tuple[int, int, dict[str, int]]:
    """The latest run's own row: checked, alive, outcomes."""
    with closing(connected(data)) as store:
        checked, alive, outcomes = store.execute(
            "SELECT checked, alive, outcomes FROM cycles ORDER BY started_at DESC LIMIT 1"
        ).fetchone()
    return checked, alive, json.loads(outcomes)
