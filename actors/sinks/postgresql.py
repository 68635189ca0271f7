"""PostgreSQL. Rows go by binary COPY into a temporary table and from there by one INSERT into their table."""

import asyncio
import time
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import asyncpg

from eagleray.actors.sinks.base import (
    RowsRejected,
    Schema,
    SchemaMismatch,
    Script,
    StoreUnavailable,
    describe_mismatch,
)
from eagleray.actors.sinks.migrations import pending
from eagleray.actors.sinks.postgresql_connections import Connection, Connections
from eagleray.actors.sinks.postgresql_errors import translated
from eagleray.actors.sinks.postgresql_statements import (
    days_of,
    merge,
    page,
    restored,
    select,
    stage,
    staged,
)
from eagleray.pipelines.tables import Envelope, Key, Kind, Query, Row, Table, open_rows

MIGRATE_SECONDS = 900.0  # an index on a large table takes minutes
PRUNE_ROWS = 10_000  # deleted at a time from what stands in no day's partition
LOCK = int.from_bytes(b"eagleray")  # of pg_advisory_xact_lock: one writes at a time, or migrates

# Not to_regclass: it may answer from a cache of before the lock was waited for.
MIGRATED = (
    "SELECT EXISTS (SELECT FROM pg_class WHERE relname = 'schema_migrations' AND pg_table_is_visible(oid))"
)
COLUMNS = """
SELECT attname FROM pg_attribute
WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum
"""


class PostgresqlWriter:
    """One database; a pool of connections, so that reading does not wait for writing."""

    group_rows = 20_000
    linger = 0.5

    def __init__(self, name: str, database: Connections) -> None:
        self.name = name
        self.identity = database.identity
        self._database = database
        self._tables: dict[str, Table] = {}
        self._days: set[tuple[str, int]] = set()  # partitions that are known to be there

    @classmethod
    def from_url(cls, name: str, url: str) -> "PostgresqlWriter":
        """A writer of `postgresql://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full&sslrootcert=FILE`.

        What is missing of user and password, the driver takes from libpq's PGUSER, PGPASSWORD and ~/.pgpass.

        Raises:
            ValueError: there is no database, or an option is not known.
        """
        return cls(name, Connections(url))

    async def open(self) -> None:
        """Connect; connections of before are used no more."""
        self._days.clear()
        await self._database.open()

    async def migrate(self, schema: Schema) -> None:
        """Run the scripts that the database lacks, each with its record in a transaction, under a lock."""
        scripts = schema.scripts["postgresql"]
        try:
            while pending(scripts, await self._version(schema.pipeline)):
                await self._run_next(schema.pipeline, scripts)
        except StoreUnavailable as error:
            if isinstance(error.__cause__, asyncpg.InsufficientPrivilegeError):
                raise SchemaMismatch(str(error)) from error
            if not await self._version(schema.pipeline):  # then no table is ours
                await self._require_columns(schema, only_there=True)
            raise
        async with self._database.transaction("READ ONLY") as connection:
            if await connection.fetchval("SHOW server_encoding") != "UTF8":
                raise SchemaMismatch(
                    f"{self._database.where}: its encoding is not UTF8: create another database"
                )
        await self._require_columns(schema)
        self._tables = {table.name: table for table in schema.tables}

    async def write(self, envelopes: Sequence[Envelope]) -> None:
        """Store the rows of all envelopes in one transaction."""
        rows = await asyncio.to_thread(self._opened, envelopes)
        await self._add_days(rows)
        tables = [self._tables[name] for name in rows]
        async with self._database.transaction() as connection:
            for table in tables:
                await connection.execute(stage(table))
            try:
                for table in tables:
                    await connection.copy_records_to_table(
                        staged(table), records=rows[table.name], columns=table.names
                    )
                await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
                for table in tables:
                    await connection.execute(merge(table))
            except Exception as error:
                raise translated(error, self._database.where, rows=True) from error

    async def read(self, query: Query) -> list[Row]:
        """The rows that answer `query`."""
        return await self._rows(query.table, *select(query))

    async def scan(self, table: Table, after: Key | None, limit: int) -> list[Row]:
        """Up to `limit` rows in the order of the key, from behind `after` on."""
        return await self._rows(table, *page(table, after, limit))

    async def prune(self, now: float) -> int:
        """Drop the oldest day of each table past its time to live; while readers hold it, nothing."""
        removed = 0
        for table in self._tables.values():
            if table.partition and table.time_to_live:
                values = (table.name, now - table.time_to_live, PRUNE_ROWS)
                removed += await self._database.unless_locked(
                    "SELECT eagleray_drop_day($1::text::regclass, to_timestamp($2::double precision), $3)",
                    *values,
                )
        if removed:
            self._days.clear()
        return removed

    async def close(self) -> None:
        """Give up the connections; what is under way fails."""
        self._database.close()

    def _opened(self, envelopes: Sequence[Envelope]) -> dict[str, list[list[Any]]]:
        rows: dict[str, list[list[Any]]] = {}
        for envelope in envelopes:
            if envelope.table not in self._tables:
                raise RowsRejected(f"no table {envelope.table}")
            try:
                opened = open_rows(envelope, self._tables[envelope.table])
            except ValueError as error:
                raise RowsRejected(f"{self._database.where}: {error}") from error
            rows.setdefault(envelope.table, []).extend(opened)
        return rows

    async def _require_columns(self, schema: Schema, only_there: bool = False) -> None:
        """Refuse tables that are not as described, with `only_there` none for being missing."""
        async with self._database.transaction("READ ONLY") as connection:
            for table in schema.tables:
                found = tuple(record[0] for record in await connection.fetch(COLUMNS, table.name))
                if found != table.names and (found or not only_there):
                    raise SchemaMismatch(describe_mismatch(table, found, migrated=True))

    async def _version(self, pipeline: str) -> int:
        async with self._database.transaction("READ ONLY") as connection:
            return await applied_version(connection, pipeline)

    async def _run_next(self, pipeline: str, scripts: tuple[Script, ...]) -> None:
        """Run the first script that is left, unless another process has meanwhile."""
        async with self._database.transaction(seconds=MIGRATE_SECONDS) as connection:
            await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
            for script in pending(scripts, await applied_version(connection, pipeline))[:1]:
                await connection.execute(setup())
                await connection.execute(script.sql)
                await connection.execute(
                    "INSERT INTO schema_migrations (pipeline, version, name) VALUES ($1, $2, $3)",
                    pipeline,
                    script.version,
                    script.name,
                )

    async def _add_days(self, rows: dict[str, list[list[Any]]]) -> None:
        """Make the partitions that rows lack. While readers hold a lock, the default one takes the rows."""
        now = time.time()
        for name in rows:
            for day in days_of(self._tables[name], rows[name], now):
                if (name, day) not in self._days and await self._database.unless_locked(
                    "SELECT eagleray_add_day($1::text::regclass, date '1970-01-01' + $2::integer)", name, day
                ):
                    self._days.add((name, day))

    async def _rows(self, table: Table, statement: str, values: Sequence[Any]) -> list[Row]:
        async with self._database.transaction("READ ONLY") as connection:
            records = await connection.fetch(statement, *values)
        addresses = table.places(Kind.ADDRESS)
        return [restored(tuple(record), addresses) for record in records]


async def applied_version(connection: Connection, pipeline: str) -> int:
    """The last script that ran in the database."""
    if not await connection.fetchval(MIGRATED):
        return 0
    find = "SELECT coalesce(max(version), 0) FROM schema_migrations WHERE pipeline = $1"
    return int(await connection.fetchval(find, pipeline))


def setup() -> str:
    """What stands in every database before the first script."""
    return (files("eagleray.configs") / "schema" / "postgresql" / "setup.sql").read_text("utf-8")
