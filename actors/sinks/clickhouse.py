"""ClickHouse over HTTP. Statements are made from table descriptions.

Exactness. A table with `newest` is a ReplacingMergeTree: a row that comes again is replaced by itself, and
reading with FINAL sees one row of each key. A history has no such engine, and what is inserted runs through
its roll-ups at once. So the writer asks which identities are there, and inserts the others. Lookups and
inserts of a table bear the same query id, of which a server runs one at a time: a lookup that succeeds has
seen all that earlier inserts did.

An insert is one block, and of that one part for each day. A part is there as a whole or not at all, but a
server may die between two parts, or between a part and its sums in a roll-up. So an insert that failed is
sent once more as it was, and by its deduplication token the server does only what it has not done. That token
also covers inserts that the client sends again by itself, where a connection breaks, and another replica,
which may lack the rows.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple, TypeVar

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from eagleray.actors.sinks.base import (
    RowsRejected,
    Schema,
    SchemaMismatch,
    StoreUnavailable,
    describe_mismatch,
)
from eagleray.actors.sinks.clickhouse_client import (
    AT_FAULT,
    Address,
    complete,
    connect,
    error_code,
    parse_address,
    translated,
)
from eagleray.actors.sinks.clickhouse_columns import Columns, StoredTable, holds, token, without
from eagleray.actors.sinks.clickhouse_statements import Statement, identities, page, select, statements
from eagleray.actors.sinks.migrations import pending
from eagleray.pipelines.tables import Envelope, Key, Query, Row, Table

T = TypeVar("T")

THREADS = 4  # some write, a table each, another reads meanwhile
MIGRATIONS = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    pipeline String, version UInt32, name String, applied_at DateTime('UTC')
) ENGINE = ReplacingMergeTree ORDER BY (pipeline, version)
"""
APPLIED = "SELECT max(version) FROM schema_migrations WHERE pipeline = %(pipeline)s"
APPLY = "INSERT INTO schema_migrations SELECT %(pipeline)s, %(version)s, %(name)s, now('UTC')"
TOKENS = """
SELECT match(engine, '^(Replicated|Shared)')
    OR match(engine_full, 'non_replicated_deduplication_window = [1-9]')
FROM system.tables WHERE database = currentDatabase() AND table = %(table)s
"""
TYPES = """
SELECT name, type FROM system.columns
WHERE database = currentDatabase() AND table = %(table)s
    AND default_kind NOT IN ('ALIAS', 'MATERIALIZED')
ORDER BY position
"""


class Insert(NamedTuple):
    """One insert: what has to be the same where it is sent again."""

    stored: StoredTable
    columns: Columns
    token: str


class ClickHouseWriter:
    """One database of a server. The client blocks, and is used in threads of its own."""

    group_rows = 40_000  # half of them checks: inserts want 10 000 rows or more, so that merges keep up
    linger = 1.0

    def __init__(self, name: str, address: Address) -> None:
        self.name = name
        self.identity = f"{address.host}:{address.port}/{address.database}"
        self._address = address
        self._client: Client | None = None
        self._tables: dict[str, StoredTable] = {}
        self._unfinished: dict[str, Insert] = {}  # by table; may be there, in part, or lack some sums
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="clickhouse")

    @classmethod
    def from_url(cls, name: str, url: str) -> "ClickHouseWriter":
        """A writer of `clickhouse://USER:PASSWORD@HOST:PORT/DATABASE`; `clickhouses://` means TLS."""
        return cls(name, parse_address(url))

    async def open(self) -> None:
        """Connect anew."""
        await self._run(self._open)

    async def migrate(self, schema: Schema) -> None:
        """Run the scripts that the database lacks. ClickHouse has no lock: each statement may run twice."""
        await self._run(lambda: self._migrate(schema))

    async def write(self, envelopes: Sequence[Envelope]) -> None:
        """Store the rows, once all of them have been checked: an insert for each table, at the same time."""
        checked = await self._run(lambda: self._checked(envelopes))
        inserts = [self._run(partial(self._write, stored, columns)) for stored, columns in checked]
        for error in await asyncio.gather(*inserts, return_exceptions=True):
            if error is not None:
                raise error

    async def read(self, query: Query) -> list[Row]:
        """The rows that answer `query`."""
        return await self._run(lambda: self._rows(select(query)))

    async def scan(self, table: Table, after: Key | None, limit: int) -> list[Row]:
        """Up to `limit` rows in the order of the key, from behind `after` on."""
        return await self._run(lambda: self._rows(page(table, after, limit)))

    async def prune(self, now: float) -> int:
        """Nothing: the tables' TTL drops whole days."""
        return 0

    async def close(self) -> None:
        """Give up the connection."""
        await asyncio.to_thread(self._threads.shutdown)
        self._drop()

    async def _run(self, call: Callable[[], T]) -> T:
        def translating() -> T:
            with translated(self.identity):
                return call()

        return await asyncio.get_running_loop().run_in_executor(self._threads, translating)

    def _drop(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def _open(self) -> None:
        self._drop()
        self._client = connect(self._address)

    def _connected(self) -> Client:
        if self._client is None:
            raise StoreUnavailable(f"ClickHouse {self.identity} is not open")
        return self._client

    def _migrate(self, schema: Schema) -> None:
        command = self._connected().command
        applied = self._applied(schema.pipeline)
        for script in pending(schema.scripts["clickhouse"], applied):
            for statement in statements(script.sql):
                complete(command(statement))
            values = {"pipeline": schema.pipeline, "version": script.version, "name": script.name}
            complete(command(APPLY, values))
        self._tables = {table.name: self._stored(table) for table in schema.tables}

    def _applied(self, pipeline: str) -> int:
        """The last script that ran. Where all did, a user who may make no tables will do."""
        if not self._rows(Statement(TYPES, {"table": "schema_migrations"})):
            complete(self._connected().command(MIGRATIONS))
        [(applied,)] = self._rows(Statement(APPLIED, {"pipeline": pipeline}))
        return int(applied)

    def _stored(self, table: Table) -> StoredTable:
        name = {"table": table.name}
        found = self._rows(Statement(TYPES, name))
        if tuple(name for name, _ in found) != table.names:
            raise SchemaMismatch(describe_mismatch(table, [name for name, _ in found], migrated=True))
        if not table.newest and self._rows(Statement(TOKENS, name)) != [(1,)]:
            raise SchemaMismatch(
                f"table {table.name} in the store does not recognise repeated inserts: "
                f"ALTER TABLE {table.name} MODIFY SETTING non_replicated_deduplication_window = 1000"
            )
        types = [type_ for _, type_ in found]
        for column, type_ in zip(table.columns, types, strict=True):
            if not holds(column, type_):
                raise SchemaMismatch(
                    f"column {column.name} of {table.name} in the store is {type_}, which does not hold its "
                    f"values ({column.kind}{' or null' if column.nullable else ''}): give it back its type, "
                    "which stands in configs/schema/clickhouse"
                )
        return StoredTable(table, types)

    def _checked(self, envelopes: Sequence[Envelope]) -> list[tuple[StoredTable, Columns]]:
        self._connected()
        rows: dict[str, list[Row]] = {}
        for envelope in envelopes:
            if envelope.table not in self._tables:
                raise RowsRejected(f"no table {envelope.table}")
            rows.setdefault(envelope.table, []).extend(self._tables[envelope.table].rows(envelope))
        return [(self._tables[name], self._tables[name].columns(some)) for name, some in rows.items() if some]

    def _write(self, stored: StoredTable, columns: Columns) -> None:
        again = self._finish(stored.table)
        missing = columns if stored.table.newest else self._unknown(stored, columns)
        if missing[0]:
            # Were there rows to insert after it was sent again, its token would stand in their way.
            self._insert(Insert(stored, missing, token(stored, missing) + "-again" * again))

    def _unknown(self, stored: StoredTable, columns: Columns) -> Columns:
        """The rows that are not there yet, each once."""
        key = [columns[place] for place in stored.key]
        statement = identities(stored.table, [min(each) for each in key], [max(each) for each in key])
        known = self._rows(statement, self._one_at_a_time(stored.table))
        return without(columns, stored.key, {tuple(key) for key in known})

    def _finish(self, table: Table) -> bool:
        """Send an insert that failed again: the server does what it has not done. Whether there was one."""
        unfinished = self._unfinished.get(table.name)
        if unfinished is not None:
            self._insert(unfinished)
        return unfinished is not None

    def _insert(self, insert: Insert) -> None:
        table, client = insert.stored.table, self._connected()
        self._unfinished[table.name] = insert
        try:
            summary = client.insert(
                table.name,
                insert.columns,
                column_names=table.names,
                column_type_names=insert.stored.types,
                column_oriented=True,
                settings={"insert_deduplication_token": insert.token} | self._one_at_a_time(table),
            )
            complete(summary)
            del self._unfinished[table.name]
        except ClickHouseError as error:
            if error_code(error) in AT_FAULT:
                del self._unfinished[table.name]
            raise

    def _one_at_a_time(self, table: Table) -> dict[str, str]:
        return {"query_id": f"eagleray:{self._address.database}.{table.name}"}

    def _rows(self, statement: Statement, settings: dict[str, str] | None = None) -> list[Row]:
        result = self._connected().query(*statement, settings=settings)
        complete(result)
        return list(result.result_rows)
