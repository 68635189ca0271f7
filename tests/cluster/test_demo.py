"""`eagleray demo`, and a run whose sources and judge cannot be reached, as a person starts them."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from tests import pool_contents
from tests.servers import clickhouse, postgresql, redis
from tests.servers.clickhouse import ClickHouse
from tests.servers.postgresql import MissingServer, PostgreSQL
from tests.servers.redis import RedisServer

LIMIT = 110.0  # seconds: Ray starts, a hundred endpoints are checked, Ray ends

Run = Callable[..., "subprocess.CompletedProcess[str]"]


class Servers(NamedTuple):
    """One of each kind, with an empty database."""

    postgresql: PostgreSQL
    clickhouse: ClickHouse
    valkey: RedisServer


@pytest.fixture
def eagleray(tmp_path: Path) -> Run:
    """Run a command to its end in an empty directory."""

    def run(*words: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "eagleray", *words]
        result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=LIMIT)
        assert "Traceback" not in result.stderr
        return result

    return run


def test_demo_finds_the_truth(eagleray: Run, tmp_path: Path) -> None:
    result = eagleray("demo", "--json", "--endpoints", "100")
    assert result.returncode == 0
    summary = json.loads(result.stdout)
    assert (summary["recall"], summary["precision"]) == (1.0, 1.0)
    assert (summary["lost"], summary["duplicates"], summary["wrong"]) == (0, 0, 0)
    assert (summary["candidates"], summary["checked"], summary["alive"]) == (100, 100, 25)
    assert summary["source_errors"] == {"failing": "HTTP status 500"}
    assert (tmp_path / summary["data"] / "proxies.sqlite").exists()


@pytest.fixture
def servers() -> Iterator[Servers]:
    with ExitStack() as context:
        try:
            sql = context.enter_context(postgresql.started())
        except MissingServer as error:
            pytest.skip(str(error))
        sql.sql("CREATE DATABASE pool")
        columns = context.enter_context(clickhouse.started())
        columns.query("CREATE DATABASE pool")
        keys = context.enter_context(redis.started("valkey"))
        yield Servers(sql, columns, keys)


def test_demo_fills_four_stores_alike(eagleray: Run, tmp_path: Path, servers: Servers) -> None:
    urls = (
        servers.postgresql.url("pool"),
        f"{servers.clickhouse.url}/pool",
        f"valkey://{servers.valkey.address}/0",
    )
    words = [word for url in urls for word in ("--store", url)]
    result = eagleray("demo", "--json", "--endpoints", "100", *words)
    assert result.returncode == 0, result.stderr
    summary = json.loads(result.stdout)
    assert (summary["recall"], summary["precision"], summary["lost"]) == (1.0, 1.0, 0)
    assert set(summary["stores"]) == {"sqlite", "postgresql", "clickhouse", "redis"}
    assert len({store["rows"] for store in summary["stores"].values()}) == 1
    for store in summary["stores"].values():
        assert (store["lag"], store["lag_rows"], store["rejected"], store["failing"]) == (0, 0, 0, "")

    path = tmp_path / summary["data"] / "proxies.sqlite"
    checks, states = map(sorted, pool_contents.sqlite(path))
    assert (len(checks), len(states)) == (25, 100)  # history is of what lived
    assert tuple(map(sorted, pool_contents.postgresql(servers.postgresql, "pool"))) == (checks, states)
    assert tuple(map(sorted, pool_contents.clickhouse(servers.clickhouse, "pool"))) == (checks, states)
    with servers.valkey.client() as client, closing(sqlite3.connect(path)) as connection:
        living = connection.execute(f"{pool_contents.STATES} WHERE alive").fetchall()
        assert sorted(pool_contents.redis(client, "").states) == sorted(living)
    assert len(living) == 25


def test_demo_goes_on_without_a_store_that_is_down(eagleray: Run, tmp_path: Path) -> None:
    dead = f"postgresql://127.0.0.1:{redis.free_port()}/pool"
    result = eagleray("demo", "--json", "--endpoints", "100", "--store", dead)
    assert result.returncode == 1
    assert "store postgresql does not answer, its rows wait in the log" in result.stderr
    summary = json.loads(result.stdout)
    assert (summary["recall"], summary["precision"], summary["lost"]) == (1.0, 1.0, 0)
    good, bad = summary["stores"]["sqlite"], summary["stores"]["postgresql"]
    assert (good["lag_rows"], good["failing"]) == (0, "")
    assert bad["lag_rows"] == good["rows"] > 100
    assert bad["lag"] > 0
    assert "refused" in bad["failing"]

    replay = eagleray("log", "replay", "--data", summary["data"], "--store", "ndjson:later", "--json")
    assert replay.returncode == 0, replay.stderr
    assert json.loads(replay.stdout) == {"copied": 0, "replayed": good["rows"], "rejected": 0, "expired": 0}
    there = pool_contents.sqlite(tmp_path / summary["data"] / "proxies.sqlite")
    later = pool_contents.ndjson(tmp_path / "later")
    assert list(map(len, later)) == list(map(len, there)) == [25, 100]


@pytest.mark.parametrize("name", ["documents", "file"], ids=["another's directory", "a file"])
def test_demo_empties_only_its_own(eagleray: Run, tmp_path: Path, name: str) -> None:
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents" / "letter").write_text("dear")
    (tmp_path / "file").write_text("text")
    result = eagleray("demo", "--data", name)
    assert (result.returncode, result.stdout) == (2, "")
    assert f"{name}" in result.stderr
    assert (tmp_path / "documents" / "letter").read_text() == "dear"
    assert (tmp_path / "file").read_text() == "text"


def test_run_that_reaches_nobody(eagleray: Run, tmp_path: Path) -> None:
    sources = [{"name": n, "kind": "http", "url": f"http://{n}.invalid/"} for n in ("one", "two")]
    proxies = {"sources": sources, "judges": ["http://judge.invalid/"]}
    config = {"ray": {"checkers": 1, "dashboard": False}, "pipelines": {"proxies": proxies}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    result = eagleray("run", "--once", "--json", "--config", "config.yaml")
    assert result.returncode == 3
    summary = json.loads(result.stdout)
    assert set(summary["source_errors"]) == {"one", "two"}
    assert all("not known" in error or "resolution" in error for error in summary["source_errors"].values())
    assert "judge.invalid" in summary["judge_error"]
    assert summary["checked"] == 0
