"""`eagleray explain`: all that is known of one endpoint, and how its score came about."""

import json
from collections.abc import Iterator
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

import typer

from eagleray.cluster.cli.console import Exit, fail, moment, print_json, printable
from eagleray.cluster.cli.pool import Data, Store, open_pool
from eagleray.cluster.stores import Readable
from eagleray.pipelines.proxies.model import Endpoint, canonical_host
from eagleray.pipelines.proxies.outcome import Outcome
from eagleray.pipelines.proxies.tables import CHECKS, PROXIES
from eagleray.pipelines.tables import Filter, Op, Query, Table

MOST_ACCOUNTS = 100  # user names at one address
MOST_ATTEMPTS = 10_000  # a check every four minutes for the thirty days that history is kept
MEANINGS = {str(outcome): outcome.meaning for outcome in Outcome}
TIMES = ("connect_ms", "handshake_ms", "first_byte_ms", "total_ms")


def explain(
    endpoint: Annotated[str, typer.Argument(help="IP:PORT, [IPv6]:PORT or a proxy URL.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document for a program.")] = False,
    data: Data = None,
    store: Store = "sqlite",
) -> None:
    """Show what is known of one proxy, how its score came about, and every stored attempt."""
    where = identity(endpoint)
    with open_pool(data, store) as pool:
        found = list(accounts(pool, where))
    if not found:
        fail("the pool does not know this endpoint", code=Exit.NOTHING_ALIVE)
    if as_json:
        print_json(found)
        return
    for account in found:
        typer.echo("\n".join(lines(account)))


def identity(text: str) -> tuple[Filter, ...]:
    """The filters that find an endpoint; any user name where none is given. Bad input ends the command."""
    try:
        parts = urlsplit(text if "://" in text else f"//{text}")
        host, port = canonical_host(parts.hostname or ""), parts.port
    except ValueError:
        host, port = "", None
    if not host or not port:  # the text is not repeated: it may hold a password
        fail("that is no endpoint", "Give an address and a port: 192.0.2.1:8080 or [2001:db8::1]:1080.")
    where = (Filter("ip", Op.EQ, host), Filter("port", Op.EQ, port))
    return where if parts.username is None else (*where, Filter("username", Op.EQ, unquote(parts.username)))


def accounts(pool: Readable, where: tuple[Filter, ...]) -> Iterator[dict[str, Any]]:
    """For each user name of an address its record, the parts of its score, and its attempts, newest first."""
    for record in named(pool, PROXIES, where, (), MOST_ACCOUNTS):
        del record["password"]
        key = tuple(Filter(name, Op.EQ, record[name]) for name in PROXIES.key)
        attempts = named(pool, CHECKS, key, ("-checked_at",), MOST_ATTEMPTS)
        for attempt in attempts:
            attempt["protocols"] = json.loads(attempt["protocols"])
            attempt["evidence"] = json.loads(attempt["evidence"])
        yield {
            "endpoint": str(Endpoint(record["ip"], record["port"])),
            "latency_factor": latency_factor(record["latency_p50"]),
            "record": record,
            "attempts": attempts,
        }


def named(
    pool: Readable, table: Table, where: tuple[Filter, ...], order: tuple[str, ...], limit: int
) -> list[dict[str, Any]]:
    """Rows of a table as dicts by column."""
    rows = pool.read(Query(table, where, order, limit))
    return [dict(zip(table.names, row, strict=True)) for row in rows]


def latency_factor(latency: float | None) -> float | None:
    """1 / (1 + latency in seconds); None where no check succeeded."""
    return None if latency is None else 1 / (1 + latency / 1000)


def lines(account: dict[str, Any]) -> Iterator[str]:
    """The account for a person."""
    record, attempts = account["record"], account["attempts"]
    user = f" as {record['username']}" if record["username"] else ""
    state = f"works as {record['protocols']}" if record["alive"] else f"does not work: {record['outcome']}"
    yield f"{account['endpoint']}{user}  {state}"
    yield f"  found at {shown(record['source'])}, {location(record)}"
    yield (
        f"  first seen {moment(record['first_seen'])}, last ok {moment(record['last_ok']) or 'never'}, "
        f"checked {moment(record['checked_at'])}, next due {moment(record['next_due'])}"
    )
    yield from score_lines(record, account["latency_factor"])
    yield f"  stored attempts: {len(attempts)} of {record['checks']}, newest first"
    for attempt in attempts:
        yield from attempt_lines(attempt)


def location(record: dict[str, Any]) -> str:
    """Where the proxy is and what it shows, in words."""
    country, anonymity, exit_ip = (shown(record[name]) for name in ("country", "anonymity", "exit_ip"))
    return f"country {country}, anonymity {anonymity}, exit IP {exit_ip}"


def score_lines(record: dict[str, Any], factor: float | None) -> Iterator[str]:
    """The score and its three factors."""
    yield f"  score {record['score']:.3f} = reliability's lower bound x latency factor x quality"
    yield (
        f"    reliability     lower bound {record['reliability_lower']:.3f} of the 90 % interval, mean "
        f"{record['reliability']:.3f}, from {record['samples']:.1f} checks that count"
    )
    if factor is None:
        yield "    latency factor  none: no check succeeded"
    else:
        p50, p90 = record["latency_p50"], record["latency_p90"]
        tail = "" if p90 is None else f", p90 {p90:.0f} ms"
        yield f"    latency factor  {factor:.3f} = 1 / (1 + {p50 / 1000:.3f} s), from p50 {p50:.0f} ms{tail}"
    yield f"    quality         {record['quality']:.3f}"


def attempt_lines(attempt: dict[str, Any]) -> Iterator[str]:
    """One check, then each protocol that it tried."""
    confirmed = ", confirmed" if attempt["confirmed"] else ""
    yield f"  {moment(attempt['checked_at'])}  {attempt['outcome']}{confirmed}  by {shown(attempt['node'])}"
    for protocol, report in attempt["protocols"].items():
        times = ", ".join(
            f"{name.removesuffix('_ms')} {report[name]:.0f} ms"
            for name in TIMES
            if report.get(name) is not None
        )
        detail = printable(report.get("detail", ""))
        yield f"    {protocol:<7} {report['outcome']:<18} {MEANINGS.get(report['outcome'], '')}"
        if times or detail:
            yield f"            {'; '.join(filter(None, (times, detail)))}"
    for name, found in attempt["evidence"].items():
        yield f"    {name}: {printable(json.dumps(found, ensure_ascii=False))}"


def shown(text: str) -> str:
    """A text, or that there is none."""
    return printable(text) or "unknown"
