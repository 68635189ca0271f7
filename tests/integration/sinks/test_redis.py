"""What is special about Redis and Valkey, and their faults, on real servers."""

import asyncio
import random
import signal
from collections.abc import Iterator, Sequence

import msgspec
import pytest
from redis import Redis

from eagleray.actors.sinks import redis as redis_module
from eagleray.actors.sinks import redis_connection
from eagleray.actors.sinks.base import RowsRejected, StoreUnavailable
from eagleray.actors.sinks.migrations import schema_of
from eagleray.actors.sinks.redis import RedisWriter
from eagleray.cluster.pool import alive
from eagleray.pipelines.proxies.model import Protocol
from eagleray.pipelines.proxies.pipeline import ProxyPipeline
from eagleray.pipelines.proxies.tables import CYCLES, PROXIES
from eagleray.pipelines.queries import answer
from eagleray.pipelines.tables import Envelope, Filter, Op, Query, seal
from tests.fault_proxy import fault_proxy
from tests.servers import redis as servers
from tests.servers.redis import MissingServer, RedisServer

FAR = 4e9  # seen so that no row expires in a test
ROW = ["192.0.2.1", 80, "http,socks5", True, 0.5, 1, FAR]
ALIVE = Filter("alive", Op.EQ, True)
MEMBER = "192.0.2.1:80"
EVERYTHING = {
    "item:192.0.2.1:80",
    "items:http",
    "items:socks5",
    "items:score",
    "state:expires",
    "state:members",
}


def changed(**values: object) -> list[object]:
    names = ("host", "port", "tags", "alive", "score", "version", "seen")
    return [values.get(name, value) for name, value in zip(names, ROW, strict=True)]


@pytest.fixture(scope="session", params=servers.KINDS)
def server(request) -> Iterator[RedisServer]:
    try:
        with servers.started(request.param) as running:
            yield running
    except MissingServer as error:
        pytest.skip(str(error))


@pytest.fixture
def client(server) -> Iterator[Redis]:
    """All of an empty server."""
    with server.client() as client:
        client.flushall()
        yield client


@pytest.fixture
async def opened(schema):
    """Opens writers by their URLs, and closes them."""
    writers: list[RedisWriter] = []

    async def open_(url: str) -> RedisWriter:
        writers.append(writer := RedisWriter.from_url("redis", url))
        await writer.open()
        await writer.migrate(schema)
        return writer

    yield open_
    for writer in writers:
        await writer.close()


@pytest.fixture
async def store(server, client, opened) -> RedisWriter:
    return await opened(f"redis://{server.address}/0")


@pytest.fixture
def put(state):
    """Writes rows of `state`."""

    async def write(store: RedisWriter, *rows: list[object]) -> None:
        await store.write([seal("test", state, rows, 0)])

    return write


def keys(client: Redis) -> set[str]:
    return set(client.keys("*"))


def let_expire(client: Redis, *members: str, keyspace: str = "item", table: str = "state") -> None:
    """Have the time of some members be over now, by the server's clock."""
    for member in members:
        client.pexpireat(f"{keyspace}:{member}", 1)
        client.zadd(f"{table}:expires", {member: 1})


async def test_the_keys_of_a_living_row(store, client, put):
    await put(store, ROW)
    assert keys(client) == EVERYTHING
    assert client.hgetall("item:192.0.2.1:80") == {
        "host": "192.0.2.1",
        "port": "80",
        "tags": "http,socks5",
        "alive": "true",
        "score": "0.5",
        "version": "1",
        "seen": "4000000000.0",
    }
    assert client.pexpiretime("item:192.0.2.1:80") == (4_000_000_000 + 100) * 1000
    assert client.smembers("items:http") == client.smembers("items:socks5") == {MEMBER}
    assert client.zrange("items:score", 0, -1, withscores=True) == [(MEMBER, 0.5)]


async def test_a_success_refreshes_the_time_and_moves_between_sets(store, client, put):
    await put(store, ROW)
    await put(store, changed(version=2, tags="socks5,https", score=0.75, seen=FAR + 10))
    assert client.pexpiretime("item:192.0.2.1:80") == (4_000_000_000 + 110) * 1000
    assert keys(client) == EVERYTHING - {"items:http"} | {"items:https"}
    assert client.zscore("items:score", MEMBER) == 0.75


async def test_a_failure_leaves_sets_at_once_and_the_hash_its_time(store, client, put):
    await put(store, ROW)
    await put(store, changed(version=2, alive=False))
    assert keys(client) == {"item:192.0.2.1:80", "state:expires", "state:members"}
    assert client.hget("item:192.0.2.1:80", "alive") == "false"
    assert client.pexpiretime("item:192.0.2.1:80") == (4_000_000_000 + 100) * 1000
    await put(store, changed(version=3))
    assert keys(client) == EVERYTHING


@pytest.mark.parametrize(
    "row",
    [changed(alive=False, seen=None), changed(seen=None), changed(seen=1.0)],
    ids=["never", "null", "over"],
)
async def test_what_did_not_live_lately_is_not_kept(store, client, put, row):
    await put(store, row)
    assert keys(client) == set()
    await put(store, ROW)
    await put(store, [*row[:5], 2, row[6]])
    assert keys(client) == set()


async def test_versions_beyond_those_of_lua_numbers(store, client, put):
    for version in (2**60 + 1, 2**60, 2**60 + 2, 9):
        await put(store, changed(version=version, score=float(version % 8)))
    assert client.hget("item:192.0.2.1:80", "version") == str(2**60 + 2)
    assert client.zscore("items:score", MEMBER) == 2.0


async def test_what_expired_leaves_its_sets(store, client, put):
    other = changed(host="2001:db8::1", tags="http")
    await put(store, ROW, other)
    let_expire(client, MEMBER)
    query = Query(store._layouts["state"].table, (ALIVE,))
    assert client.smembers("items:http") == {MEMBER, "[2001:db8::1]:80"}  # until the next look
    assert [list(row) for row in await store.read(query)] == [other]  # but it is never read
    assert await store.prune(0.0) == 1  # whatever the caller's clock says
    assert await store.prune(0.0) == 0
    assert keys(client) == EVERYTHING - {"item:192.0.2.1:80", "items:socks5"} | {"item:[2001:db8::1]:80"}
    assert client.smembers("items:http") == {"[2001:db8::1]:80"}


async def test_writing_lets_leave_what_expired(store, client, put):
    await put(store, ROW)
    let_expire(client, MEMBER)
    await put(store, changed(port=81, tags="https"))
    assert keys(client) == {
        "item:192.0.2.1:81",
        "items:https",
        "items:score",
        "state:expires",
        "state:members",
    }
    assert client.zrange("items:score", 0, -1) == ["192.0.2.1:81"]


async def test_pruning_is_bounded(store, client, put, monkeypatch):
    monkeypatch.setattr(redis_module, "SWEEP_MEMBERS", 2)
    monkeypatch.setattr(redis_module, "PRUNE_MEMBERS", 4)
    await put(store, *(changed(port=port) for port in range(5)))
    let_expire(client, *(f"192.0.2.1:{port}" for port in range(5)))
    assert [await store.prune(0.0) for _ in range(3)] == [4, 1, 0]
    assert keys(client) == set()


async def test_tables_without_a_keyspace_are_taken_and_read_as_empty(store, client, events):
    await store.write([seal("test", events, [[1, 2.0, "{}"]], 0)])
    assert keys(client) == set()
    assert await store.read(Query(events)) == await store.scan(events, None, 10) == []


@pytest.mark.parametrize(
    "bad",
    [changed(port=None), changed(port="80"), changed(version=2**64 - 1), changed(tags="score"), ROW[:-1]],
    ids=["null", "text", "too large", "name of a ranking", "too short"],
)
async def test_rows_at_fault_are_rejected_and_nothing_of_the_call_stays(store, client, state, bad):
    good = seal("test", state, [changed(port=port) for port in range(1000)], 0)
    with pytest.raises(RowsRejected) as caught:
        await store.write([good, Envelope("test", "state", 2, 1, 0, msgspec.msgpack.encode([bad]))])
    assert "192.0.2.1" not in str(caught.value)
    assert keys(client) == set()


@pytest.mark.parametrize(
    ("where", "order", "limit"),
    [
        ((), ("-version",), 7),
        ((), ("score", "host", "port"), 9),
        ((Filter("alive", Op.EQ, False),), ("-score", "host", "port"), 3),
        ((ALIVE, Filter("tags", Op.HAS, ("http", "socks4"))), ("-score", "-version"), 5),
        ((Filter("host", Op.EQ, "192.0.2.3"),), ("port",), 3),
        ((Filter("port", Op.GE, 3),), ("-seen", "host", "port"), 10_000),
    ],
)
async def test_a_part_of_the_pool_is_what_memory_would_answer(
    store, client, put, state, where, order, limit, monkeypatch
):
    monkeypatch.setattr(redis_module, "PAGE", 3)
    chance = random.Random(5)
    rows = [[*random_row(chance, [FAR, FAR + 1])[:5], version, FAR] for version in range(80)]
    await put(store, *rows)
    query = Query(state, where, order, limit)
    assert [list(row) for row in await store.read(query)] == answer(query, newest(rows).values())


class Model:
    """What has to be there: the newest row of each member whose time is not over."""

    def __init__(self) -> None:
        self.rows: dict[str, list] = {}

    def write(self, rows: Sequence[list]) -> None:
        for member, row in newest(rows).items():
            if member not in self.rows or row[5] > self.rows[member][5]:
                self.rows[member] = row
        self.rows = {member: row for member, row in self.rows.items() if row[6] and row[6] >= FAR}

    def contents(self) -> dict[str, object]:
        """Every key but the entries."""
        found: dict[str, object] = {}
        for member, row in self.rows.items():
            found[f"item:{member}"] = int((row[6] + 100) * 1000)
            found.setdefault("state:expires", {})[member] = float(int((row[6] + 100) * 1000))
            for tag in row[2].split(",") if row[3] else ():
                if tag:
                    found.setdefault(f"items:{tag}", set()).add(member)
            if row[3] and row[4] is not None:
                found.setdefault("items:score", {})[member] = row[4]
        return found


def newest(rows: Sequence[list]) -> dict[str, list]:
    found: dict[str, list] = {}
    for row in rows:
        member = f"{row[0]}:{row[1]}"
        if member not in found or row[5] > found[member][5]:
            found[member] = row
    return found


def contents(client: Redis) -> dict[str, object]:
    """What a server holds, by key: a hash's expiry, members of sets, scores."""
    found: dict[str, object] = {}
    for key in keys(client) - {"state:members"}:
        match client.type(key):
            case "hash":
                found[key] = client.pexpiretime(key)
            case "set":
                found[key] = client.smembers(key)
            case "zset":
                found[key] = dict(client.zrange(key, 0, -1, withscores=True))
    return found


def random_row(chance: random.Random, seen: Sequence[float | None]) -> list[object]:
    tags = ",".join(chance.sample(["http", "https", "socks4", "socks5"], chance.randint(0, 3)))
    score = chance.choice([None, 0.0, 0.25, 1e-9, 0.9])
    host, port = f"192.0.2.{chance.randint(1, 6)}", chance.randint(1, 4)
    return [
        host,
        port,
        tags,
        chance.random() < 0.7,
        score,
        2**60 + chance.randint(0, 40),
        chance.choice(seen),
    ]


@pytest.mark.parametrize("seed", range(4))
async def test_everything_agrees_with_a_model_after_any_rows(store, client, put, state, seed, monkeypatch):
    monkeypatch.setattr(redis_module, "SCRIPT_ROWS", 7)
    chance, model, written = random.Random(seed), Model(), []
    for _ in range(60):
        rows = [random_row(chance, [FAR, FAR + 1.5, None, 5.0]) for _ in range(chance.randint(1, 12))]
        if written and chance.random() < 0.3:
            rows = chance.choice(written)  # again, as after a crash
        await put(store, *rows)
        model.write(rows)
        written.append(rows)
        over = chance.sample(sorted(model.rows), chance.randint(0, len(model.rows) // 4))
        let_expire(client, *over)
        for member in over:
            del model.rows[member]
    await store.prune(0.0)
    assert contents(client) == model.contents()
    assert set(client.hkeys("state:members")) == set(model.rows)
    rows = await store.scan(state, None, 1000)
    assert newest([list(row) for row in rows]) == model.rows
    best = await store.read(
        Query(state, (ALIVE, Filter("tags", Op.HAS, ("http", "socks5"))), ("host", "port"))
    )
    assert len(best) == sum(
        1 for row in model.rows.values() if row[3] and {"http", "socks5"} & {*row[2].split(",")}
    )


async def test_two_writers_at_once_leave_one_state(server, client, opened, put):
    chance, model = random.Random(3), Model()
    stores = [await opened(f"redis://{server.address}/0") for _ in range(2)]
    batches = [[random_row(chance, [FAR]) for _ in range(40)] for _ in range(30)]
    for version, row in enumerate(row for rows in batches for row in rows):
        row[5] = version  # no two are equal
    await asyncio.gather(*(put(stores[i % 2], *rows) for i, rows in enumerate(batches)))
    for rows in batches:
        model.write(rows)
    assert contents(client) == model.contents()


async def test_prefixes_are_apart(server, client, opened, put, state):
    one, other = [await opened(f"redis://{server.address}/0?prefix={name}:") for name in ("a", "b")]
    await put(one, ROW)
    await put(other, changed(tags="https"))
    assert client.smembers("a:items:http") == client.smembers("b:items:https") == {MEMBER}
    assert all(key.startswith(("a:", "b:")) for key in keys(client))
    assert [list(row) for row in await one.read(Query(state, (ALIVE,)))] == [ROW]


async def test_a_script_that_the_server_forgot_is_sent_again(store, client, put):
    await put(store, ROW)
    client.script_flush()
    await put(store, changed(version=2, score=0.9))
    assert client.zscore("items:score", MEMBER) == 0.9


# As they stand in the documentation.
WRITING = (
    "~proxy:* ~proxies:* +ping +evalsha +script|load +time +hmget +hset +hdel +pexpireat +unlink +sadd +srem"
    " +zadd +zrem +zrangebyscore +hgetall +zrange +sunion"
)
READING = "%R~proxy:* %R~proxies:* +ping +hgetall +hmget +zrange +sunion"


def proxy(host: str, protocols: str, score: float, lease: int) -> list[object]:
    values = {
        "ip": host,
        "port": 8080,
        "alive": True,
        "protocols": protocols,
        "country": "NL",
        "anonymity": "elite",
        "score": score,
        "last_ok": FAR,
        "lease_id": lease,
    }
    return [values.get(column.name, column.default) for column in PROXIES.columns]


@pytest.fixture
def accounts(client) -> Iterator[Redis]:
    """`writer` and `reader` with the least rights."""
    client.execute_command("ACL", "SETUSER", "writer", "reset", "on", ">w", *WRITING.split())
    client.execute_command("ACL", "SETUSER", "reader", "reset", "on", ">r", *READING.split())
    yield client
    client.execute_command("ACL", "DELUSER", "writer", "reader")


async def test_the_least_rights_are_enough(server, accounts, opened):
    writing = await opened(f"redis://writer:w@{server.address}/0")
    reading = await opened(f"redis://reader:r@{server.address}/0")
    await writing.migrate(schema_of(ProxyPipeline()))
    hosts = [f"192.0.2.{n}" for n in range(1, 40)]
    rows = [proxy(host, "http,socks5", n / 100, n) for n, host in enumerate(hosts)]
    rows.append(proxy("198.51.100.1", "http", 0.5, 99))
    await writing.write([seal("proxies", PROXIES, rows, 0)])
    await writing.write([seal("proxies", PROXIES, [proxy(hosts[0], "https", 0.95, 100)], 0)])
    let_expire(accounts, "198.51.100.1:8080", keyspace="proxy", table="proxies")
    assert await writing.prune(0.0) == 1
    assert [row[0] for row in await reading.read(alive(3))] == [hosts[0], *hosts[:-3:-1]]
    assert [row[0] for row in await reading.read(alive(1, [Protocol.SOCKS5], ["NL"]))] == hosts[-1:]
    assert await reading.read(alive(3, [Protocol.SOCKS5], ["DE"])) == []
    assert len(await reading.scan(PROXIES, None, 1000)) == len(hosts)
    for query in (alive(1), alive(3, [Protocol.SOCKS5], ["NL"]), Query(CYCLES, (), ("-ended_at",), 1)):
        assert await writing.read(query) == await reading.read(query)  # as `store check` and `doctor` ask
    assert await writing.scan(PROXIES, None, 1000) == await reading.scan(
        PROXIES, None, 1000
    )  # `store backup`
    newest_lease = await reading.read(Query(PROXIES, (), ("-lease_id",), 1))
    assert newest_lease[0][0] == hosts[0]


async def test_missing_rights_are_said_and_what_was_half_done_is_done(server, accounts, opened):
    writing = await opened(f"redis://writer:w@{server.address}/0")
    reading = await opened(f"redis://reader:r@{server.address}/0")
    for store in (writing, reading):
        await store.migrate(schema_of(ProxyPipeline()))
    batch = [seal("proxies", PROXIES, [proxy("192.0.2.1", "http", 0.5, 1)], 0)]
    with pytest.raises(StoreUnavailable, match="rights"):
        await reading.write(batch)
    accounts.execute_command("ACL", "SETUSER", "writer", "-zrange")
    with pytest.raises(StoreUnavailable, match="rights"):
        await writing.read(alive(1))
    accounts.execute_command("ACL", "SETUSER", "writer", "-sadd")
    with pytest.raises(StoreUnavailable, match="rights") as caught:
        await writing.write(batch)
    assert "192.0.2.1" not in str(caught.value)
    accounts.execute_command("ACL", "SETUSER", "writer", "+sadd")
    await writing.write(batch)
    assert accounts.smembers("proxies:http") == {"192.0.2.1:8080"}


@pytest.mark.parametrize("account", ["default:wrong", "nobody:w"])
async def test_a_wrong_password_is_said_and_not_shown(opened, account):
    with servers.started("valkey", "--requirepass", "right") as server:
        with pytest.raises(StoreUnavailable, match="refuses the user or the password") as caught:
            await opened(f"redis://{account}@{server.address}/0")
        assert "wrong" not in str(caught.value)
        with pytest.raises(StoreUnavailable, match="refuses the user or the password"):
            await opened(f"redis://{server.address}/0")
        await opened(f"redis://:right@{server.address}/0")


async def test_full_memory_is_unavailable_and_nothing_is_half_there(store, client, put):
    used = client.info("memory")["used_memory"]
    client.config_set("maxmemory", used + 300_000)
    try:
        with pytest.raises(StoreUnavailable, match="raise maxmemory"):
            await put(store, *(changed(port=port) for port in range(10_000)))
        assert client.zcard("items:score") == client.scard("items:http") == client.hlen("state:members")
        client.config_set("maxmemory", 0)
        await put(store, *(changed(port=port) for port in range(10_000)))
        assert (
            client.zcard("items:score")
            == client.scard("items:http")
            == client.hlen("state:members")
            == 10_000
        )
    finally:
        client.config_set("maxmemory", 0)


async def test_a_replica_is_unavailable(store, client, put):
    client.replicaof("127.0.0.1", "1")
    try:
        with pytest.raises(StoreUnavailable, match="URL of the primary"):
            await put(store, ROW)
    finally:
        client.replicaof("NO", "ONE")
    await put(store, ROW)


async def test_keys_of_another_program_are_said(store, client, put):
    client.set("items:http", "mine")
    with pytest.raises(StoreUnavailable, match=r"give a \?prefix="):
        await put(store, ROW)
    client.delete("items:http")
    await put(store, ROW)
    assert keys(client) == EVERYTHING


async def test_a_hash_of_another_program_is_said(store, client, put, state):
    await put(store, ROW)
    client.hset("item:192.0.2.1:80", "port", "many")
    with pytest.raises(StoreUnavailable, match=r"give a \?prefix="):
        await store.read(Query(state, (ALIVE,)))


async def test_a_node_of_a_cluster_takes_keys_of_one_slot(opened, put, state):
    with servers.started("valkey", "--cluster-enabled", "yes") as server, server.client() as client:
        one = await opened(f"redis://{server.address}/0?prefix={{pool}}:")
        with pytest.raises(StoreUnavailable, match="cluster is down"):
            await put(one, ROW)
        client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        while "cluster_state:ok" not in str(client.execute_command("CLUSTER", "INFO")):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        await put(one, ROW)
        assert [list(row) for row in await one.read(Query(state, (ALIVE,), ("-score",)))] == [ROW]
        assert len({client.execute_command("CLUSTER", "KEYSLOT", key) for key in keys(client)}) == 1


async def test_a_node_that_lacks_the_slot_is_said(opened, put):
    with servers.started(
        "valkey", "--cluster-enabled", "yes", "--cluster-require-full-coverage", "no"
    ) as server:
        with server.client() as client:
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 10)
        store = await opened(f"redis://{server.address}/0?prefix={{pool}}:")
        with pytest.raises(StoreUnavailable, match="cluster is down"):
            await put(store, ROW)


async def test_tls(tmp_path, opened, put):
    servers.make_certificate(tmp_path)
    try:
        with servers.started("redis", tls=tmp_path) as server:
            store = await opened(f"rediss://{server.address}/0?ssl_ca_certs={tmp_path}/ca.pem")
            await put(store, ROW)
            with pytest.raises(StoreUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
                await opened(f"valkeys://{server.address}/0")
            with pytest.raises(StoreUnavailable):
                await opened(f"redis://{server.address}/0")
    except MissingServer as error:
        pytest.skip(str(error))


def newer_rows(chance: random.Random, version: int) -> list[list[object]]:
    """A thousand rows and some, each with a version of its own from this one on."""
    rows = [random_row(chance, [FAR, FAR + 1]) for _ in range(20)]
    rows += [changed(host="198.51.100.1", port=port) for port in range(1000)]
    return [[*row[:5], version + i, row[6]] for i, row in enumerate(rows)]


@pytest.mark.parametrize("kind", servers.KINDS)
async def test_nothing_written_is_lost_by_kills_in_the_middle_of_batches(kind, opened, put):
    chance, model = random.Random(11), Model()
    try:
        running = servers.started(kind, "--appendonly", "yes", "--appendfsync", "always")
        with running as server:
            store = await opened(f"redis://{server.address}/0")
            rows: list[list[object]] = []

            async def write_on() -> None:
                nonlocal rows
                while True:
                    rows = newer_rows(chance, int(rows[-1][5]) + 1 if rows else 0)
                    await put(store, *rows)
                    model.write(rows)

            for _ in range(5):
                asyncio.get_running_loop().call_later(chance.uniform(0.02, 0.2), server.kill)
                with pytest.raises(StoreUnavailable):
                    await write_on()
                server.start()
                with server.client() as client:
                    for member, row in model.rows.items():  # what had been answered for is there
                        assert int(client.hget(f"item:{member}", "version")) >= row[5]
                await store.open()
                await put(store, *rows)  # as the follower does with what failed
                model.write(rows)
                with server.client() as client:
                    assert contents(client) == model.contents()
    except MissingServer as error:
        pytest.skip(str(error))


async def test_a_paused_server_is_unavailable_after_a_while(server, client, opened, put):
    store = await opened(f"redis://{server.address}/0?socket_timeout=2")
    server.send(signal.SIGSTOP)
    try:
        with pytest.raises(StoreUnavailable, match="in time"):
            await put(store, ROW)
    finally:
        server.send(signal.SIGCONT)
    await store.open()
    await put(store, changed(version=2))
    assert client.hget("item:192.0.2.1:80", "version") == "2"


def test_the_timeouts_are_bounded():
    options = redis_connection.parse_place("redis://h").options
    assert (options["socket_connect_timeout"], options["socket_timeout"]) == (10.0, 20.0)


async def test_a_cut_after_every_so_many_bytes(server, client, opened, put):
    rows = [changed(port=port) for port in range(500)]
    async with fault_proxy(server.port) as proxy:
        store = await opened(f"redis://{proxy.host}:{proxy.port}/0")
        for way in ("to_server", "to_client"):
            for limit in [*range(0, 60, 7), 150, 400, 5000, 70_000]:
                proxy.heal()
                setattr(proxy, way, limit)
                try:
                    store = await opened(f"redis://{proxy.host}:{proxy.port}/0")
                    await put(store, *rows)
                except StoreUnavailable:
                    pass
                assert (
                    client.zcard("items:score") == client.scard("items:http") == client.hlen("state:members")
                )
        assert proxy.cuts > 15
        proxy.heal()
        await store.open()
        await put(store, *rows)
    assert client.zcard("items:score") == 500


async def test_a_server_that_is_not_there(opened):
    with pytest.raises(StoreUnavailable, match=r"refused|connect"):
        await opened(f"redis://127.0.0.1:{servers.free_port()}/0")


async def test_closing_is_safe_at_any_time(server, opened, put, state):
    store = RedisWriter.from_url("redis", f"redis://{server.address}/0")
    await store.close()
    with pytest.raises(StoreUnavailable, match="not open"):
        await store.read(Query(state))
    await store.open()
    await store.close()
    await store.close()
