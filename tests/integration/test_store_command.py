"""`eagleray store` and `eagleray log replay` as their users type them."""

import asyncio
import json
import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import pytest
from typer.testing import CliRunner

from eagleray.actors.sinks.base import Writer
from eagleray.actors.sinks.log.log import Log
from eagleray.actors.sinks.migrations import schema_of
from eagleray.actors.sinks.registry import create_writer, parse_store
from eagleray.cluster.cli.main import build
from eagleray.cluster.paths import database, log_dir
from eagleray.pipelines.proxies.pipeline import ProxyPipeline
from eagleray.pipelines.proxies.tables import CHECKS, CYCLES, PROXIES
from eagleray.pipelines.tables import encode_batch, seal
from tests import pool_contents
from tests.pool_contents import Contents
from tests.servers import clickhouse, postgresql, redis
from tests.servers.clickhouse import ClickHouse
from tests.servers.postgresql import MissingServer, PostgreSQL
from tests.servers.redis import RedisServer

NOW = float(int(time.time()))
SCHEMA = schema_of(ProxyPipeline())


def proxy(number: int, lease: int = 1) -> list[object]:
    head = [
        f"192.0.2.{number}",
        8080,
        "",
        "",
        True,
        "ok",
        "http,https",
        "http",
        "NL",
        "elite",
        "",
        "192.0.2.9",
    ]
    measured = ["a list", 0.9, 0.95, 0.8, 12.5, 250.0, 400.0, number / 256]
    return [*head, *measured, 2, 0, NOW, NOW, NOW, NOW, NOW + 600, lease]


def check(number: int, lease: int = 1) -> list[object]:
    report = json.dumps({"http": {"outcome": "ok", "total_ms": 250.0}})
    found = ["node-1", "ok", "elite", "192.0.2.9", 250.0, True, report, "NL", "a list", "{}"]
    return [f"192.0.2.{number}", 8080, "", lease, NOW, *found]


def batch(*numbers: int, lease: int = 1):
    rows = [proxy(number, lease) for number in numbers], [check(number, lease) for number in numbers]
    return [seal("proxies", table, part, 0) for table, part in zip((PROXIES, CHECKS), rows, strict=True)]


async def written(writer: Writer, envelopes) -> None:
    await writer.open()
    await writer.migrate(SCHEMA)
    await writer.write(envelopes)
    await writer.close()


def fill(url: str, envelopes) -> None:
    asyncio.run(written(create_writer(parse_store(url, Path())), envelopes))


class Place(NamedTuple):
    """An empty store."""

    url: str
    contents: Callable[[], Contents]


@pytest.fixture(scope="module")
def clickhouse_server() -> Iterator[ClickHouse]:
    with clickhouse.started() as server:
        yield server


@pytest.fixture(scope="module")
def postgresql_server() -> Iterator[PostgreSQL]:
    try:
        with postgresql.started() as server:
            yield server
    except MissingServer as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def valkey_server() -> Iterator[RedisServer]:
    with redis.started("valkey") as server:
        yield server


@pytest.fixture
def place(request, tmp_path) -> Callable[[str], Place]:
    """Makes an empty store of a kind, on a real server where it has one."""

    def make(kind: str) -> Place:
        name = f"{kind}_{uuid4().hex}"
        if kind == "sqlite":
            return Place(f"sqlite:{tmp_path / name}", partial(pool_contents.sqlite, tmp_path / name))
        if kind in ("ndjson", "parquet"):
            return Place(f"{kind}:{tmp_path / name}", partial(getattr(pool_contents, kind), tmp_path / name))
        server = request.getfixturevalue(f"{kind}_server")
        if kind == "valkey":
            client = server.client()
            request.addfinalizer(client.close)
            url = f"valkey://{server.address}/0?prefix={name}:"
            return Place(url, partial(pool_contents.redis, client, f"{name}:"))
        (server.sql if kind == "postgresql" else server.query)(f"CREATE DATABASE {name}")
        url = server.url(name) if kind == "postgresql" else f"{server.url}/{name}"
        return Place(url, partial(getattr(pool_contents, kind), server, name))

    return make


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a command with a data directory of its own."""
    monkeypatch.setenv("EAGLERAY_DATA_DIR", str(tmp_path / "data"))
    app = build(["store", "log", "pool", "demo"])
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words])


def answers(run, url: str) -> tuple[str, str]:
    """What a pool answers to the commands that read it."""
    listed = run("list", "--store", url, "--format", "json")
    explained = run("explain", "192.0.2.7:8080", "--store", url, "--json")
    assert (listed.exit_code, explained.exit_code) == (0, 0), listed.output + explained.output
    return listed.stdout, explained.stdout


def outcome(result) -> dict[str, object]:
    """The one store's result."""
    [store] = json.loads(result.stdout)["stores"]
    return store


@pytest.mark.parametrize(
    ("kind", "to"),
    [
        ("sqlite", "sqlite"),
        ("postgresql", "postgresql"),
        ("clickhouse", "clickhouse"),
        ("valkey", "valkey"),  # within the hour that it keeps
        ("sqlite", "postgresql"),
        ("postgresql", "clickhouse"),
        ("clickhouse", "sqlite"),
    ],
)
def test_a_backup_restored_into_an_empty_store_gives_the_same_answers(
    run, place, tmp_path, monkeypatch, kind, to
):
    old, new = place(kind), place(to)
    fill(old.url, batch(*range(1, 200)))
    rows = 199 if kind == "valkey" else 2 * 199
    made = outcome(run("store", "backup", "--store", old.url, "--json"))
    assert made["rows"] == rows
    assert Path(made["file"]).stat().st_mode & 0o777 == 0o600
    before = answers(run, old.url)
    monkeypatch.setenv("EAGLERAY_DATA_DIR", str(tmp_path / "another machine"))
    assert outcome(run("store", "restore", made["file"], "--store", new.url, "--json"))["rows"] == rows
    assert answers(run, new.url) == before
    assert [len(found or ()) for found in new.contents()] == [rows - 199, 199]


def test_a_store_of_keys_takes_what_lives_of_a_backup(run, place):
    old, new = place("sqlite"), place("valkey")
    fill(old.url, batch(*range(1, 200)))
    made = outcome(run("store", "backup", "--store", old.url, "--json"))
    assert outcome(run("store", "restore", made["file"], "--store", new.url, "--json"))["rows"] == 2 * 199
    [listed, _], [there, explained] = answers(run, old.url), answers(run, new.url)
    assert there == listed
    assert json.loads(explained)[0]["attempts"] == []


def test_restoring_sets_aside_what_the_store_refuses(run, place, tmp_path):
    old, new = place("sqlite"), place("postgresql")
    rows = [proxy(1), proxy(2)]
    rows[1][PROXIES.names.index("source")] = "a\0list"  # SQLite takes it, PostgreSQL does not
    fill(old.url, [seal("proxies", PROXIES, rows, 0)])
    made = outcome(run("store", "backup", "--store", old.url, "--json"))
    done = outcome(run("store", "restore", made["file"], "--store", new.url, "--json"))
    assert (done["rows"], done["rejected"]) == (2, 1)
    [letter] = (log_dir(tmp_path / "data") / "dead-letters" / "postgresql.ndjson").read_text().splitlines()
    assert json.loads(letter)["row"]["ip"] == "192.0.2.2"
    assert len(new.contents()[1]) == 1


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:[SECRET]@127.0.0.1/db",
        "clickhouse://user:SECRET\u2100@127.0.0.1/db",
        "redis://user:abc?SECRET@127.0.0.1/0",
        "redis:/user:SECRET@127.0.0.1",
        "postgresql:user:SECRET@127.0.0.1/db",
    ],
    ids=["brackets", "no character of a host", "question mark", "one slash", "no slash"],
)
@pytest.mark.parametrize("words", [["store", "check"], ["list"], ["log", "replay"], ["demo"]], ids=" ".join)
def test_a_misspelt_url_is_refused_and_not_repeated(run, url, words):
    result = run(*words, "--store", url)
    assert result.exit_code in (1, 2)
    assert isinstance(result.exception, SystemExit)  # no other
    assert "SECRET" not in result.stderr + result.stdout


def test_a_demo_with_two_stores_of_one_name_is_refused_and_repeats_no_password(run):
    urls = [f"redis://:SECRET@127.0.0.1/{number}" for number in range(2)]
    result = run("demo", "--store", urls[0], "--store", urls[1])
    assert result.exit_code == 2
    assert "2 stores are called 'redis'" in result.stderr
    assert "SECRET" not in result.stderr


@pytest.mark.parametrize("name", ["q%20x", "q#1", "q?x=1", "q [x]"])
def test_a_data_directory_of_any_name(run, tmp_path, name):
    data = tmp_path / name
    data.mkdir()
    assert outcome(run("store", "migrate", "--store", "sqlite", "--data", data, "--json"))["error"] == ""
    assert database(data).exists()
    assert run("list", "--data", data).exit_code == 1  # nothing lives there, and no error


def test_restoring_keeps_what_is_newer(run, tmp_path):
    store = f"sqlite:{tmp_path}/pool.sqlite"
    fill(store, batch(7))
    made = outcome(run("store", "backup", "--store", store, "--json"))
    fill(store, batch(7, lease=2))
    before = answers(run, store)
    assert run("store", "restore", made["file"], "--store", store).exit_code == 0
    assert answers(run, store) == before


def test_old_backups_of_the_store_go_and_others_stay(run, tmp_path):
    store, folder = f"sqlite:{tmp_path}/pool.sqlite", tmp_path / "data" / "backups"
    fill(store, batch(1))
    folder.mkdir(parents=True)
    for name, days in (("20200101", 8), ("20200102", 6), ("old-20200101", 99)):
        path = folder / f"sqlite-{name}T000000Z.backup"
        path.touch()
        os.utime(path, (0, time.time() - days * 86_400))
    assert outcome(run("store", "backup", "--store", store, "--json"))["removed"] == 1
    left = sorted(path.name for path in folder.iterdir())
    assert left[0] == "sqlite-20200102T000000Z.backup"
    assert left[-1] == "sqlite-old-20200101T000000Z.backup"
    assert len(left) == 3
    assert outcome(run("store", "backup", "--store", store, "--keep", "0", "--json"))["removed"] >= 1


def test_without_a_name_stores_that_cannot_be_asked_are_left_out_of_a_backup(run, tmp_path):
    (tmp_path / "c.yaml").write_text(f"extends: default\nstores: [sqlite, 'ndjson:{tmp_path}/files']\n")
    fill(f"sqlite:{tmp_path}/data/proxies.sqlite", batch(1))
    result = run("store", "backup", "--config", tmp_path / "c.yaml", "--json")
    assert result.exit_code == 0
    assert (outcome(result)["store"], outcome(result)["rows"]) == ("sqlite", 2)
    assert "store ndjson is left out: a store of kind ndjson can't be asked" in result.stderr


def test_sigterm_leaves_no_part_of_a_backup(eagleray, tmp_path):
    fill(f"sqlite:{tmp_path}/pool.sqlite", batch(1))
    holding = sqlite3.connect(tmp_path / "pool.sqlite", isolation_level=None)
    holding.execute("PRAGMA journal_mode = delete").fetchall()  # in which a reader waits for a writer
    holding.execute("BEGIN EXCLUSIVE")
    words = ("store", "backup", "--store", f"sqlite:{tmp_path}/pool.sqlite", "--to", tmp_path / "to")
    with eagleray.running(*words) as process:
        while not list((tmp_path / "to").glob("*.part")):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        holding.execute("ROLLBACK")
        assert process.wait(30) == 130
    holding.close()
    assert list((tmp_path / "to").iterdir()) == []


@pytest.mark.parametrize("cut", [0, 1, 10, -1, -20, "flipped"])
def test_a_backup_that_is_not_whole_restores_nothing(run, tmp_path, cut):
    old, new = f"sqlite:{tmp_path}/old.sqlite", f"sqlite:{tmp_path}/new.sqlite"
    fill(old, batch(*range(1, 50)))
    path = Path(str(outcome(run("store", "backup", "--store", old, "--json"))["file"]))
    data = path.read_bytes()
    middle = len(data) // 2
    path.write_bytes(
        data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :] if cut == "flipped" else data[:cut]
    )
    result = run("store", "restore", path, "--store", new)
    assert result.exit_code == 1
    assert "it is no backup, or was cut off" in result.stderr
    assert run("list", "--store", new).exit_code == 1  # nothing alive


def test_a_store_that_is_not_there_is_said_and_not_made(run, tmp_path):
    for command in ("check", "backup"):
        result = run("store", command, "--store", f"sqlite:{tmp_path}/nowhere.sqlite")
        assert result.exit_code == 1
        assert "there is nothing at" in result.stderr
    assert not (tmp_path / "nowhere.sqlite").exists()


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_what_is_only_read_is_not_changed(run, tmp_path, mode):
    fill(f"sqlite:{tmp_path}/pool.sqlite", batch(1))
    fill(f"sqlite:{tmp_path}/data/proxies.sqlite", [])
    asyncio.run(logged(log_dir(tmp_path / "data")))
    for name, making in (("pool", f"PRAGMA journal_mode = {mode}"), ("foreign", "CREATE TABLE mine (x)")):
        connection = sqlite3.connect(tmp_path / f"{name}.sqlite")
        connection.execute(making)
        connection.close()
        file = tmp_path / f"{name}.sqlite"
        before = file.read_bytes()
        backed_up = run("store", "backup", "--store", f"sqlite:{file}")
        replayed = run("log", "replay", "--store", "sqlite", "--from", f"sqlite:{file}")
        assert [backed_up.exit_code, replayed.exit_code] == ([0, 0] if name == "pool" else [1, 1])
        assert file.read_bytes() == before
    assert "no such table" in backed_up.stderr


def test_a_path_that_no_file_can_have_is_said_in_one_line(run):
    long = "a" * 300
    for words, code, said in (
        (["store", "check", "--store", f"sqlite:///{long}"], 1, "File name too long"),
        (["store", "backup", "--store", f"sqlite:///{long}"], 1, "File name too long"),
        (["store", "migrate", "--store", f"ndjson:///{long}/x"], 1, "File name too long"),
        (["list", "--data", long], 2, "File name too long"),
        (["store", "migrate", "--store", "ndjson:///tmp/%00x"], 2, "can't have a zero byte"),
        (["list", "--store", "sqlite:///tmp/%00x"], 2, "can't have a zero byte"),
        (["log", "replay", "--store", "sqlite:///tmp/%00x"], 2, "can't have a zero byte"),
    ):
        result = run(*words)
        assert (result.exit_code, result.stdout) == (code, ""), words
        assert said in result.stderr


def test_one_store_that_fails_stops_no_other(run, tmp_path):
    (tmp_path / "bad.sqlite").write_bytes(b"no database" * 100)
    good, bad = f"sqlite:{tmp_path}/good.sqlite", f"sqlite:{tmp_path}/bad.sqlite#bad"
    result = run("store", "migrate", "--store", bad, "--store", good, "--json")
    assert result.exit_code == 1
    failed, done = json.loads(result.stdout)["stores"]
    assert "not a database" in failed["error"]
    assert done["error"] == ""


def test_check_says_how_fresh_a_store_is(run, tmp_path):
    run_of = [NOW - 60, NOW, 1, 0, 1, 1, 1, "{}"]
    fill(f"sqlite:{tmp_path}/pool.sqlite", [*batch(1), seal("proxies", CYCLES, [run_of], 0)])
    found = outcome(run("store", "check", "--store", f"sqlite:{tmp_path}/pool.sqlite", "--json"))
    assert found["error"] == ""
    assert found["milliseconds"] > 0
    assert found["written_at"].startswith(time.strftime("%Y-%m-%dT", time.gmtime(NOW)))


@pytest.mark.parametrize("kind", ["ndjson", "parquet", "text"])
def test_a_store_of_files_is_restored_into_and_checked_but_not_asked(run, tmp_path, kind):
    old, new = f"sqlite:{tmp_path}/old.sqlite", f"{kind}:{tmp_path}/new"
    fill(old, batch(*range(1, 100)))
    made = outcome(run("store", "backup", "--store", old, "--json"))
    assert outcome(run("store", "restore", made["file"], "--store", new, "--json"))["rows"] == 2 * 99
    name = "all.txt" if kind == "text" else f"proxies.{kind}"
    assert (tmp_path / "new" / name).stat().st_size > 1000
    found = outcome(run("store", "check", "--store", new, "--json"))
    assert (found["error"], found["written_at"]) == ("", None)
    for words in (["store", "backup"], ["list"], ["get"], ["explain", "192.0.2.7:8080"]):
        result = run(*words, "--store", new)
        assert result.exit_code != 0
        assert f"a store of kind {kind} can't be asked" in result.stderr


def old_check(number: int) -> list[object]:
    row = check(number)
    row[4] = NOW - 31 * 86_400
    return row


def test_what_was_pruned_and_comes_back_is_not_counted_again(run, tmp_path):
    store = tmp_path / "data" / "proxies.sqlite"
    fill(f"sqlite:{store}", [seal("proxies", CHECKS, [old_check(1), check(2)], 0)])
    fill(f"sqlite:{tmp_path}/older.sqlite", [seal("proxies", CHECKS, [old_check(1)], 0)])
    made = outcome(run("store", "backup", "--store", "sqlite", "--json"))
    assert outcome(run("store", "prune", "--store", "sqlite", "--json"))["removed"] == 1
    restored = outcome(run("store", "restore", made["file"], "--store", "sqlite", "--json"))
    assert (restored["rows"], restored["expired"]) == (1, 1)
    asyncio.run(logged(log_dir(tmp_path / "data"), [seal("proxies", CHECKS, [old_check(1), check(2)], 0)]))
    words = ("log", "replay", "--store", "sqlite", "--from", f"sqlite:{tmp_path}/older.sqlite")
    replayed = json.loads(run(*words, "--json").stdout)
    assert replayed == {"copied": 0, "replayed": 1, "rejected": 0, "expired": 2}
    assert "2 left out as past their time" in run(*words).stdout
    connection = sqlite3.connect(store)
    assert connection.execute("SELECT sum(checks) FROM checks_hourly").fetchone() == (2,)
    connection.close()


def test_prune_removes_what_outlived_its_time(run, tmp_path):
    store = tmp_path / "pool.sqlite"
    fill(f"sqlite:{store}", [seal("proxies", CHECKS, [old_check(1), check(2)], 0)])
    assert outcome(run("store", "prune", "--store", f"sqlite:{store}", "--json"))["removed"] == 1
    connection = sqlite3.connect(store)
    assert connection.execute("SELECT ip FROM checks").fetchall() == [("192.0.2.2",)]
    connection.close()


@pytest.mark.parametrize("words", [["store", "check", "--store", "tape:x"], ["store", "restore"]])
def test_wrong_usage(run, words):
    assert run(*words).exit_code == 2


async def logged(directory: Path, *batches) -> None:
    log = Log.open(directory)
    for envelopes in batches:
        await log.append(encode_batch(envelopes), sum(envelope.n for envelope in envelopes))
    await log.close()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "clickhouse", "valkey", "ndjson", "parquet"])
def test_replay_fills_a_store_that_was_switched_on_later(run, place, tmp_path, kind):
    data = tmp_path / "data"
    fill(f"sqlite:{database(data)}", batch(1, 2, 3))  # these have left the log
    asyncio.run(logged(log_dir(data), batch(3, 4), batch(5, lease=2)))
    fill(f"sqlite:{database(data)}", [*batch(3, 4), *batch(5, lease=2)])
    later = place(kind)
    for _ in range(2):  # a second time changes nothing
        result = run("log", "replay", "--store", later.url, "--from", "sqlite", "--json")
        assert result.exit_code == 0, result.output
        assert json.loads(result.stdout) == {"copied": 10, "replayed": 6, "rejected": 0, "expired": 0}
        expected, found = pool_contents.sqlite(database(data)), later.contents()
        assert len(expected.states) == 5
        assert sorted(found.states) == sorted(expected.states)
        assert found.checks is None or sorted(found.checks) == sorted(expected.checks)


def test_replay_of_the_log_alone(run, tmp_path):
    asyncio.run(logged(log_dir(tmp_path / "data"), batch(1, 2)))
    later = f"sqlite:{tmp_path}/later.sqlite"
    for _ in range(2):  # a second time changes nothing
        assert run("log", "replay", "--store", later).exit_code == 0
        assert len(json.loads(run("list", "--store", later, "--format", "json").stdout)) == 2


def test_replay_without_a_log(run, tmp_path):
    fill(f"sqlite:{tmp_path}/other.sqlite", batch(1))
    for more in ((), ("--from", f"sqlite:{tmp_path}/other.sqlite")):
        result = run("log", "replay", "--store", f"sqlite:{tmp_path}/later.sqlite", *more)
        assert result.exit_code == 2
        assert "there is no log in" in result.stderr
        assert not (tmp_path / "later.sqlite").exists()
