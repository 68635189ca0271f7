"""Where a Redis is and how to connect to it; its errors as those of `Writer`."""

import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, cast
from urllib.parse import parse_qsl, urlencode, urlsplit

from redis import exceptions
from redis.asyncio.connection import ConnectionPool, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from eagleray.actors.sinks.base import StoreUnavailable

SCHEMES = {"redis": "redis", "rediss": "rediss", "valkey": "redis", "valkeys": "rediss"}
PORT = 6379
CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 20.0  # longer than a save or the loading of a small file stops a server

OPTIONS = {"db", "username", "password", "socket_connect_timeout", "socket_timeout"}
TLS_OPTIONS = {
    "ssl_ca_certs",
    "ssl_ca_path",
    "ssl_cert_reqs",
    "ssl_certfile",
    "ssl_check_hostname",
    "ssl_keyfile",
    "ssl_password",
}

PARAMETER = re.compile("[a-z_]+")

RIGHTS = "its user may not do this: docs/STORES.md has the rights that are needed"
ADVICE: tuple[tuple[type[Exception], str], ...] = (
    (exceptions.AuthenticationError, "it refuses the user or the password: check the URL"),
    (exceptions.NoPermissionError, RIGHTS),
    (exceptions.OutOfMemoryError, "its memory is full: raise maxmemory"),
    (exceptions.ReadOnlyError, "it is a replica: give the URL of the primary"),
    (exceptions.BusyLoadingError, "it is loading its data"),
    (
        exceptions.AskError,
        "other nodes have the keys: give ?prefix={NAME}: and the URL of the node of its slot",
    ),
    (exceptions.ClusterDownError, "its cluster is down"),
    (exceptions.MasterDownError, "it is a replica that has lost its primary"),
    (exceptions.TimeoutError, "it does not answer in time"),
)
# What redis-py has no class for, by what the answer begins with or holds.
ANSWERS = {
    "WRONGTYPE": "another program uses these keys: give a ?prefix=",
    "MISCONF": "it can't save to its disk",
    "BUSY": "a script of another program blocks it",
    "NOREPLICAS": "too few replicas are up",
    "ACL failure": RIGHTS,
    "user executing the script": RIGHTS,
    "non local key": "other nodes have the keys: give ?prefix={NAME}: in the URL",
    "out of range": "it has no database of this number",
}


class Place(NamedTuple):
    """A Redis by its URL."""

    options: dict[str, Any]  # what a connection is made with; may hold a password
    prefix: str  # of every key
    identity: str


def parse_place(url: str) -> Place:
    """Read `redis[s]://[USER:PASSWORD@]HOST[:PORT][/DB][?prefix=…&…]`; valkey is another name for redis.

    Raises:
        ValueError: it is no such URL, or has an unknown parameter; the message repeats no value.
    """
    scheme, _, rest = url.partition("://")
    if scheme not in SCHEMES:
        raise ValueError(f"a Redis is given as SCHEME://HOST…, where SCHEME is one of: {', '.join(SCHEMES)}")
    parts = urlsplit(f"{SCHEMES[scheme]}://{rest}")
    parameters = dict(pairs := parse_qsl(parts.query, keep_blank_values=True))
    prefix = parameters.pop("prefix", "")
    known = OPTIONS | TLS_OPTIONS if parts.scheme == "rediss" else OPTIONS
    if unknown := sorted(parameters.keys() - known):
        if not all(map(PARAMETER.fullmatch, unknown)):
            raise ValueError("a Redis URL has no such parameter; a ? in a password is written as %3F")
        tls = " (those of TLS need rediss://)" if TLS_OPTIONS.intersection(unknown) else ""
        raise ValueError(f"a Redis URL has no parameter {', '.join(unknown)}{tls}")
    if len(pairs) > len(dict(pairs)):
        raise ValueError("a parameter of the Redis URL is there twice")
    try:
        options: dict[str, Any] = dict(parse_url(parts._replace(query=urlencode(parameters)).geturl()))
        options["db"] = database(parts.path.strip("/") or str(options.get("db", 0)))
        port = options.setdefault("port", PORT)
    except ValueError:  # its message may hold what was meant as a password
        raise ValueError("the port, the database or a parameter of the Redis URL is no number") from None
    options.setdefault("socket_connect_timeout", CONNECT_SECONDS)
    options.setdefault("socket_timeout", ANSWER_SECONDS)
    options |= {"decode_responses": True, "retry": Retry(NoBackoff(), 0)}  # the follower tries again
    try:
        cast("Any", ConnectionPool(**options)).make_connection()  # connects to nothing
    except exceptions.RedisError:
        raise ValueError("a parameter of TLS in the Redis URL is none that there is") from None
    identity = f"redis://{parts.hostname}:{port}/{options['db']}"
    return Place(options, prefix, f"{identity}?{urlencode({'prefix': prefix})}" if prefix else identity)


def database(text: str) -> int:
    """The number of a database.

    Raises:
        ValueError: it is none.
    """
    if not text.isdecimal():
        raise ValueError("a database has a number")
    return int(text)


@contextmanager
def translated(place: Place) -> Iterator[None]:
    """Turn what goes wrong into `StoreUnavailable`: no row is ever at fault once it was laid out."""
    try:
        yield
    except (exceptions.RedisError, OSError, ssl.SSLError, ValueError) as error:
        raise StoreUnavailable(f"Redis at {place.identity}: {explain(error)}") from error


def explain(error: Exception) -> str:
    """What is wrong and what to do; answers of a server are not repeated, they may hold keys."""
    for kind, advice in ADVICE:
        if isinstance(error, kind):
            return advice
    if isinstance(error, exceptions.ResponseError):
        known = (advice for words, advice in ANSWERS.items() if words in str(error))
        return next(known, "it refuses a command: its version may be too old, 7.0 and Valkey are known to do")
    if isinstance(error, (exceptions.ConnectionError, OSError)):
        return str(error)
    return f"it holds what Eagleray did not write ({type(error).__name__}): give a ?prefix="
