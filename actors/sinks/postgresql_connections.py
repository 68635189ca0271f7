"""Connections to a PostgreSQL database: where it is, and transactions that are bounded in time.

Nothing outlives a transaction (no setting, no prepared statement), so that PgBouncer may stand between in
transaction mode.
"""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import asyncpg

from eagleray.actors.sinks.base import StoreUnavailable
from eagleray.actors.sinks.postgresql_errors import translated

CONNECT_SECONDS = 10.0
CALL_SECONDS = 30.0  # for a group or an answer; a server that is paused is noticed after so long
LOCK_SECONDS = 0.5  # that a change of partitions waits for readers, who wait behind it
CONNECTIONS = 4  # one writes, the others read
WORK_MEMORY = "64MB"  # a group is sorted in memory

SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
OPTIONS = ("sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl", "passfile")

# Committed is on the disk, or the cursor would pass what a crash loses. READ COMMITTED: what was committed
# while the lock was waited for is seen.
BEGIN = """
BEGIN ISOLATION LEVEL READ COMMITTED {mode};
SET LOCAL statement_timeout = '{seconds}s';
SET LOCAL idle_in_transaction_session_timeout = '{seconds}s';
SET LOCAL work_mem = '{memory}';
SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off';
"""
if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection = PoolConnectionProxy[asyncpg.Record]
else:
    Connection = asyncpg.pool.PoolConnectionProxy


class Connections:
    """A pool of connections to the database of a URL; what fails raises the errors of `Writer`."""

    def __init__(self, url: str) -> None:
        """Connects to nothing.

        Raises:
            ValueError: there is no database, or an option is not known.
        """
        self.identity = identity_of(url)
        self.where = f"PostgreSQL {self.identity}"
        self._url = url
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None

    async def open(self) -> None:
        """Connect; connections of before are used no more."""
        if self._pool is None:
            try:
                self._pool = await asyncpg.create_pool(
                    self._url,
                    min_size=0,
                    max_size=CONNECTIONS,
                    timeout=CONNECT_SECONDS,
                    statement_cache_size=0,
                    reset=nothing_to_reset,
                )
            except Exception as error:
                raise translated(error, self.where) from error
        await self._pool.expire_connections()
        async with self.session(CONNECT_SECONDS) as connection:
            await connection.execute("SELECT 1")

    @asynccontextmanager
    async def transaction(self, mode: str = "", seconds: float | None = None) -> AsyncIterator[Connection]:
        """A transaction; where it fails, its connection goes with it, which ends it on the server, too."""
        seconds = seconds or CALL_SECONDS
        async with self.session(seconds) as connection:
            await connection.execute(BEGIN.format(mode=mode, seconds=math.ceil(seconds), memory=WORK_MEMORY))
            yield connection
            await connection.execute("COMMIT")

    @asynccontextmanager
    async def session(self, seconds: float) -> AsyncIterator[Connection]:
        """A connection for so long. One that failed is in a state that nobody knows, and not used again."""
        if self._pool is None:
            raise StoreUnavailable(f"{self.where} is not open")
        pool = self._pool
        try:
            async with asyncio.timeout(seconds):
                connection = await pool.acquire()
                try:
                    yield connection
                except BaseException:
                    connection.terminate()
                    raise
                finally:
                    await pool.release(connection)
        except Exception as error:
            raise translated(error, self.where) from error

    async def unless_locked(self, statement: str, *values: Any) -> int:
        """Call a function that changes partitions; 0 where others hold a lock that it needs."""
        try:
            async with self.transaction() as connection:
                await connection.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS * 1000:.0f}ms'")
                return int(await connection.fetchval(statement, *values))
        except StoreUnavailable as error:
            if isinstance(error.__cause__, asyncpg.LockNotAvailableError):
                return 0
            raise

    def close(self) -> None:
        """Give up the connections; what is under way fails."""
        if self._pool is not None:
            self._pool.terminate()
            self._pool = None


async def nothing_to_reset(_: object) -> None:
    """A connection comes back as it was taken: settings are those of a transaction."""


def identity_of(url: str) -> str:
    """Host, port and database of a URL.

    Raises:
        ValueError: as `Connections`; the message repeats nothing that may be secret.
    """
    parts = urlsplit(url)
    database = parts.path.removeprefix("/")
    try:
        port = parts.port or 5432
        options = parse_qs(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        raise ValueError("a port of PostgreSQL is a number, its options are NAME=VALUE&…") from None
    if not parts.hostname or not database or "/" in database:
        raise ValueError("a store of kind postgresql needs a database: postgresql://HOST/DATABASE")
    if not set(options) <= set(OPTIONS):
        raise ValueError(f"options of a store of kind postgresql are {', '.join(OPTIONS)}")
    if not set(options.get("sslmode", ())) <= set(SSL_MODES):
        raise ValueError(f"sslmode is one of {', '.join(SSL_MODES)}")
    return f"{parts.hostname}:{port}/{database}"
