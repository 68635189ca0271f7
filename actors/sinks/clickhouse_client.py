"""The connection to a ClickHouse server: where it is, how it is talked to, and what its errors mean."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from eagleray.actors.sinks.base import RowsRejected, StoreUnavailable

CONNECT_SECONDS = 5
ANSWER_SECONDS = 20  # of silence: an insert of a group takes 0.2 s, also while parts are merged
BLOCK_ROWS = 1 << 20
BLOCK_BYTES = 1 << 28

SETTINGS = {
    "async_insert": 0,  # 1 from version 26 on: the server would collect what is collected already
    # Blocks are put together up to these sizes, which no group reaches: one insert is one block.
    "min_insert_block_size_rows": BLOCK_ROWS,
    "min_insert_block_size_bytes": BLOCK_BYTES,
    "max_partitions_per_insert_block": 0,  # a group may hold rows of many days
    "insert_deduplicate": 1,
    "deduplicate_blocks_in_dependent_materialized_views": 1,  # nor does a roll-up count a block twice
}

# Where a value is at fault that passed our own checks: CANNOT_PARSE_TEXT, ARGUMENT_OUT_OF_BOUND,
# CANNOT_CONVERT_TYPE, CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN, VIOLATED_CONSTRAINT. All others are the
# server's state, or cut off data.
AT_FAULT = frozenset({6, 69, 70, 349, 469})
HINTS = {
    60: "a table is missing",
    81: "the database does not exist: CREATE DATABASE makes it",
    164: "the user may only read",
    216: "an earlier insert still runs",
    497: "the user lacks a right",
    516: "it takes neither this user nor this password",
}

# It warns at each try of what its exception says; the follower says it once.
logging.getLogger("clickhouse_connect").setLevel(logging.ERROR)


COUNTS = {"read_rows", "written_rows"}  # one of them stands in the header `X-ClickHouse-Summary`


class Address(NamedTuple):
    """Where a server is, and who comes there."""

    host: str
    port: int
    database: str
    user: str
    password: str
    secure: bool


def connect(address: Address) -> Client:
    """A client that may be used by several threads."""
    return clickhouse_connect.get_client(
        host=address.host,
        port=address.port,
        database=address.database,
        username=address.user,
        password=address.password,
        interface="https" if address.secure else "http",
        connect_timeout=CONNECT_SECONDS,
        send_receive_timeout=ANSWER_SECONDS,
        query_retries=0,  # the follower tries again, and says so
        autogenerate_session_id=False,  # a session runs one statement at a time
        dedicated_pool=True,
        settings=SETTINGS,
    )


def complete(answer: object) -> None:
    """Refuse an answer without its last header: to the client, cut off headers are an empty success.

    Raises:
        StoreUnavailable: the connection broke before the statement was done.
    """
    if COUNTS.isdisjoint(getattr(answer, "summary", ())):
        raise StoreUnavailable("ClickHouse's answer was cut off")


def parse_address(url: str) -> Address:
    """The parts of a URL.

    Raises:
        ValueError: it has what ClickHouse does not understand; the message repeats no secret.
    """
    parts = urlsplit(url)
    secure = parts.scheme == "clickhouses"
    database = unquote(parts.path.strip("/")) or "default"
    try:
        port = parts.port or (8443 if secure else 8123)
    except ValueError:
        raise ValueError("the port of a ClickHouse URL is no port") from None
    if parts.query or "/" in database or not parts.hostname:
        raise ValueError(
            f"a ClickHouse store is {parts.scheme}://USER:PASSWORD@HOST:PORT/DATABASE, without options"
        )
    user, password = unquote(parts.username or "default"), unquote(parts.password or "")
    return Address(parts.hostname, port, database, user, password, secure)


@contextmanager
def translated(identity: str) -> Iterator[None]:
    """Turn what the client raises into the errors of `Writer`. The server's messages may hold values."""
    try:
        yield
    except ClickHouseError as error:
        code = error_code(error)
        said = f"ClickHouse {identity}: {describe(error, code)}"
        raise (RowsRejected if code in AT_FAULT else StoreUnavailable)(said) from error
    except (OSError, ValueError, TypeError) as error:  # the client's, where types are not what they were
        raise StoreUnavailable(f"ClickHouse {identity}: {type(error).__name__}") from error


def error_code(error: ClickHouseError) -> int | None:
    """ClickHouse's number for what happened there; None where nothing did, or nobody knows."""
    code: int | None = getattr(error, "code", None)
    return code


def describe(error: ClickHouseError, code: int | None) -> str:
    """What happened, without the server's own words: those may hold values."""
    if code:
        name = getattr(error, "name", None) or "error"
        return f"{HINTS[code]} ({name}, {code})" if code in HINTS else f"{name} ({code})"
    cause = error.__cause__
    reason = getattr(cause, "reason", None) or cause or error
    return f"no answer ({type(reason).__name__})"
