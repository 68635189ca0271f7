"""`eagleray list`, `get` and `explain` on a real file, as the sink writes it."""

import asyncio
import csv
import json

import pytest
from typer.testing import CliRunner

from eagleray.actors.sinks.migrations import schema_of
from eagleray.actors.sinks.sqlite import SqliteWriter
from eagleray.cluster.cli.main import build
from eagleray.cluster.paths import database
from eagleray.cluster.pool import COLUMNS
from eagleray.pipelines.proxies.pipeline import ProxyPipeline
from eagleray.pipelines.proxies.tables import CHECKS, PROXIES
from eagleray.pipelines.tables import seal

PROXY = {
    "ip": "192.0.2.1", "port": 8080, "username": "", "password": "", "alive": True, "outcome": "ok",
    "protocols": "http,https", "claimed": "http", "country": "NL", "anonymity": "elite",
    "claimed_anonymity": "", "exit_ip": "192.0.2.9", "source": "list-a", "quality": 0.9, "reliability": 0.95,
    "reliability_lower": 0.8, "samples": 12.5, "latency_p50": 250.0, "latency_p90": 400.0, "score": 0.576,
    "checks": 2, "failures_in_row": 0, "first_seen": 1e9, "first_ok": 1e9, "last_ok": 1e9, "checked_at": 1e9,
    "next_due": 1e9, "lease_id": 1,
}  # fmt: skip
PROXY_ROWS = [
    PROXY,
    PROXY | {"ip": "192.0.2.2", "protocols": "socks5", "country": "DE", "score": 0.9, "latency_p50": 50.0},
    PROXY | {"ip": "192.0.2.3", "anonymity": "transparent", "score": 0.1, "latency_p50": 900.0},
    PROXY | {"ip": "192.0.2.4", "alive": False, "score": 0.99, "outcome": "refused", "protocols": "",
             "latency_p50": None, "latency_p90": None, "last_ok": None},
    PROXY | {"ip": "2001:db8::1", "port": 1080, "username": "us@r", "password": "hunter2", "score": 0.05,
             "country": "US", "protocols": "socks5"},
]  # fmt: skip
CHECK = {
    "ip": "192.0.2.1", "port": 8080, "username": "", "lease_id": 1, "checked_at": 1e9, "node": "node-1",
    "outcome": "ok", "anonymity": "elite", "exit_ip": "192.0.2.9", "latency": 250.0, "confirmed": True,
    "protocols": json.dumps({"http": {"outcome": "ok", "connect_ms": 100.4, "total_ms": 250.0}}),
    "country": "NL", "source": "list-a", "evidence": "{}",
}  # fmt: skip
FAILED = {"http": {"outcome": "malformed", "detail": "status line: \x1b[31mHTPP"}}
CHECK_ROWS = [
    CHECK,
    CHECK | {"lease_id": 2, "checked_at": 1e9 + 60, "outcome": "malformed", "confirmed": False,
             "protocols": json.dumps(FAILED)},
]  # fmt: skip


async def fill(path) -> None:
    store = SqliteWriter(path)
    await store.open()
    await store.migrate(schema_of(ProxyPipeline()))
    pairs = ((PROXIES, PROXY_ROWS), (CHECKS, CHECK_ROWS))
    await store.write(
        [seal("proxies", table, [list(row.values()) for row in rows], 0) for table, rows in pairs]
    )
    await store.close()


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """Run a command with a data directory that has nothing in it."""
    monkeypatch.setenv("EAGLERAY_DATA_DIR", str(tmp_path))
    app = build(["pool"])
    return lambda *arguments: CliRunner().invoke(app, arguments)


@pytest.fixture
def run(empty, tmp_path):
    """Run a command with a filled pool."""
    asyncio.run(fill(database(tmp_path)))
    return empty


def hosts(result) -> list[str]:
    return [json.loads(line)["endpoint"].rpartition(":")[0] for line in result.stdout.splitlines()]


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ([], ["192.0.2.2", "192.0.2.1", "192.0.2.3", "[2001:db8::1]"]),
        (["--protocol", "https"], ["192.0.2.1", "192.0.2.3"]),
        (["--protocol", "http", "--protocol", "socks5", "--limit", "2"], ["192.0.2.2", "192.0.2.1"]),
        (["--country", "nl, US"], ["192.0.2.1", "192.0.2.3", "[2001:db8::1]"]),
        (["--anonymity", "transparent"], ["192.0.2.3"]),
        (["--max-latency", "250"], ["192.0.2.2", "192.0.2.1", "[2001:db8::1]"]),
        (["--min-score", "0.5"], ["192.0.2.2", "192.0.2.1"]),
    ],
    ids=["all", "protocol", "protocols", "countries", "anonymity", "latency", "score"],
)
def test_list_filters_and_orders(run, arguments, found):
    result = run("list", *arguments)
    assert result.exit_code == 0
    assert hosts(result) == found


def test_list_as_json_has_every_key(run):
    rows = json.loads(run("list", "--format", "json").stdout)
    assert tuple(rows[1]) == COLUMNS
    assert rows[1] | {"protocols": ["http", "https"], "url": "http://192.0.2.1:8080"} == rows[1]
    assert (rows[1]["score"], rows[1]["latency_p90"], rows[1]["last_ok"]) == (0.576, 400.0, 1e9)


def test_list_as_csv(run):
    rows = list(csv.DictReader(run("list", "--format", "csv").stdout.splitlines()))
    assert [row["endpoint"] for row in rows][:2] == ["192.0.2.2:8080", "192.0.2.1:8080"]
    assert rows[1]["country"] == "NL"


def test_list_as_text_has_the_wanted_protocol_only(run):
    result = run("list", "--format", "txt", "--protocol", "socks5")
    assert result.stdout == "socks5://192.0.2.2:8080\nsocks5://us%40r:hunter2@[2001:db8::1]:1080\n"


def test_list_as_table_shows_no_secret(run):
    result = run("list", "--format", "table")
    assert "192.0.2.1:8080" in result.stdout
    assert "hunter2" not in result.output


@pytest.mark.parametrize(
    ("arguments", "url"),
    [
        ([], "socks5://192.0.2.2:8080"),
        (["--protocol", "http"], "http://192.0.2.1:8080"),
        (["--country", "US"], "socks5://us%40r:hunter2@[2001:db8::1]:1080"),
    ],
    ids=["best", "best of a protocol", "with credentials"],
)
def test_get(run, arguments, url):
    result = run("get", *arguments)
    assert (result.exit_code, result.stdout) == (0, f"{url}\n")


@pytest.mark.parametrize("command", ["list", "get"])
def test_no_such_proxy_is_exit_1_and_a_sentence(run, command):
    result = run(command, "--country", "FR")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "eagleray: the pool has no working proxy of this kind\n  It has others: ask for less.\n"
    )


@pytest.mark.parametrize("arguments", [["list"], ["get"], ["explain", "192.0.2.1:80"]], ids=lambda a: a[0])
def test_no_pool_yet_says_what_to_type(empty, arguments):
    result = empty(*arguments)
    assert result.exit_code == 1
    assert "there is no pool in" in result.stderr
    assert "eagleray run" in result.stderr


def test_the_flag_goes_before_the_environment(run, tmp_path):
    result = run("get", "--data", str(tmp_path / "elsewhere"))
    assert f"there is no pool in {tmp_path / 'elsewhere'} yet" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["list", "--country", "NLD"], "'NLD' is no country code"),
        (["explain", "user:hunter2@example.com:80"], "that is no endpoint"),
        (["explain", "192.0.2.1"], "that is no endpoint"),
        (["explain", "192.0.2.1:http"], "that is no endpoint"),
        (["explain", "192.0.2.1:99999"], "that is no endpoint"),
        (["explain", "http://[192.0.2.1"], "that is no endpoint"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_is_exit_2(run, arguments, message):
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert "hunter2" not in result.output


def test_a_file_that_is_no_pool(empty, tmp_path):
    database(tmp_path).write_bytes(b"no database at all" * 100)
    result = empty("list")
    assert result.exit_code == 2
    assert "cannot read the pool" in result.stderr


def test_a_pool_of_another_version(empty, tmp_path):
    async def make() -> None:
        store = SqliteWriter(database(tmp_path))
        await store.open()
        schema = schema_of(ProxyPipeline())
        older = {"sqlite": schema.scripts["sqlite"][:1]}
        await store.migrate(schema._replace(scripts=older, tables=()))
        await store.close()

    asyncio.run(make())
    result = empty("list")
    assert result.exit_code == 2
    assert "table checks in the store is not that of this program (it lacks country, source" in result.stderr


EXPLAINED = """\
192.0.2.1:8080  works as http,https
  found at list-a, country NL, anonymity elite, exit IP 192.0.2.9
  first seen 2001-09-09 01:46:40Z, last ok 2001-09-09 01:46:40Z, checked 2001-09-09 01:46:40Z, next due 2001-09-09 01:46:40Z
  score 0.576 = reliability's lower bound x latency factor x quality
    reliability     lower bound 0.800 of the 90 % interval, mean 0.950, from 12.5 checks that count
    latency factor  0.800 = 1 / (1 + 0.250 s), from p50 250 ms, p90 400 ms
    quality         0.900
  stored attempts: 2 of 2, newest first
  2001-09-09 01:47:40Z  malformed  by node-1
    http    malformed          The answer breaks the protocol that was spoken.
            status line: ?[31mHTPP
  2001-09-09 01:46:40Z  ok, confirmed  by node-1
    http    ok                 The judge saw our request through the proxy and its answer came back whole.
            connect 100 ms, total 250 ms
"""  # noqa: E501 (as printed)


@pytest.mark.parametrize("text", ["192.0.2.1:8080", "socks5://192.0.2.1:8080", "http://192.0.2.1:8080/"])
def test_explain(run, text):
    result = run("explain", text)
    assert (result.exit_code, result.stdout) == (0, EXPLAINED)


def test_explain_a_dead_one(run):
    result = run("explain", "192.0.2.4:8080")
    assert "192.0.2.4:8080  does not work: refused" in result.stdout
    assert "latency factor  none: no check succeeded" in result.stdout
    assert "last ok never" in result.stdout


@pytest.mark.parametrize("text", ["[2001:0db8::1]:1080", "us%40r@[2001:db8::1]:1080"], ids=["any", "one"])
def test_explain_shows_the_user_but_not_the_password(run, text):
    result = run("explain", text)
    assert result.stdout.startswith("[2001:db8::1]:1080 as us@r  works as socks5\n")
    assert "hunter2" not in result.output
    assert "hunter2" not in run("explain", text, "--json").stdout


def test_explain_for_a_program(run):
    (account,) = json.loads(run("explain", "192.0.2.1:8080", "--json").stdout)
    assert account["record"]["score"] == 0.576
    assert account["latency_factor"] == 0.8
    assert account["attempts"][0]["protocols"] == FAILED


@pytest.mark.parametrize("text", ["192.0.2.77:8080", "nobody@192.0.2.1:8080"], ids=["address", "user"])
def test_explain_an_unknown_one(run, text):
    result = run("explain", text)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "does not know this endpoint" in result.stderr
