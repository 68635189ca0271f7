"""Redis and Valkey: hashes that expire, with sets and rankings that follow them. One Lua script a batch."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib.resources import files
from itertools import islice
from typing import Any, cast

import msgspec
from redis.asyncio import ConnectionPool, Redis
from redis.commands.core import AsyncScript
from redis.exceptions import RedisError

from eagleray.actors.sinks.base import RowsRejected, Schema, StoreUnavailable
from eagleray.actors.sinks.redis_connection import Place, parse_place, translated
from eagleray.actors.sinks.redis_layout import Entry, Layout
from eagleray.pipelines.queries import answer, matches
from eagleray.pipelines.tables import Envelope, Key, Query, Row, Table, open_rows

SCRIPT = (files("eagleray.actors.sinks") / "redis.lua").read_text("utf-8")
SCRIPT_ROWS = 200  # in one script: some milliseconds in which the server does nothing else
SWEEP_MEMBERS = 200  # that leave in one script
PRUNE_MEMBERS = 20_000  # that leave in one call
PAGE = 500  # hashes read at once

_encode = msgspec.msgpack.Encoder().encode


class RedisWriter:
    """One database of a server. It keeps tables with a keyspace; the rows of others count as written.

    Of a row it keeps the newest, until its time is over by the server's clock.
    """

    group_rows = 10_000
    linger = 0.0

    def __init__(self, name: str, place: Place) -> None:
        self.name = name
        self.identity = place.identity
        self._place = place
        self._layouts: dict[str, Layout | None] = {}  # by the table's name; None: it is not kept
        self._client: Redis | None = None
        self._script: AsyncScript | None = None

    @classmethod
    def from_url(cls, name: str, url: str) -> "RedisWriter":
        """A writer of `redis://HOST:PORT/DB?prefix=…`; see `parse_place`."""
        return cls(name, parse_place(url))

    async def open(self) -> None:
        """Connect anew."""
        await self.close()
        with translated(self._place):
            self._client = Redis.from_pool(ConnectionPool(**self._place.options))
            self._script = self._client.register_script(SCRIPT)
            await cast("Any", self._client.ping())

    async def migrate(self, schema: Schema) -> None:
        """Know the tables; there is nothing to make."""
        self._layouts = {table.name: self._layout(table) for table in schema.tables}

    async def write(self, envelopes: Sequence[Envelope]) -> None:
        """Lay out all rows, then store them by the chunk; each chunk is stored as a whole."""
        for layout, chunk in await asyncio.to_thread(self._chunks, envelopes):
            await self._run(layout, chunk)

    async def read(self, query: Query) -> list[Row]:
        """The rows that answer `query`; none of a table that is not kept."""
        layout = self._layout(query.table)
        if layout is None:
            return []
        plan = layout.plan(query)
        client = self._connected()
        with translated(self._place):
            backwards = ["REV"] if plan.descending else []
            source = plan.ranking or layout.expiries
            members = await cast("Any", client).execute_command("ZRANGE", source, 0, -1, *backwards)
            for names in plan.unions:
                some = set(await cast("Any", client.sunion(names))) if names else set()
                members = [member for member in members if member in some]
            members = [member for member in members if layout.may_answer(query, member)]
            if not plan.ranking and len(members) > query.limit:
                members = await self._best(layout, query, members)
            rows = await self._rows(layout, members, query.limit, lambda row: matches(query, row))
            return answer(query, rows)

    async def scan(self, table: Table, after: Key | None, limit: int) -> list[Row]:
        """Up to `limit` rows in the order of the key, from behind `after` on."""
        layout = self._layout(table)
        if layout is None:
            return []
        client = self._connected()
        with translated(self._place):
            keys = {member: layout.key(member) for member in await client.zrange(layout.expiries, 0, -1)}
            behind = [member for member, key in keys.items() if after is None or list(key) > list(after)]
            behind.sort(key=lambda member: list(keys[member]))
            return await self._rows(layout, behind, limit, lambda row: True)

    async def prune(self, now: float) -> int:
        """Let up to `PRUNE_MEMBERS` expired members leave their sets, by the server's clock, not `now`."""
        left = 0
        for layout in filter(None, self._layouts.values()):
            while left < PRUNE_MEMBERS and (some := await self._run(layout, {})):
                left += some
        return left

    async def close(self) -> None:
        """Give up the connections."""
        client, self._client, self._script = self._client, None, None
        if client is not None:
            with suppress(RedisError, OSError):
                await client.aclose()

    def _layout(self, table: Table) -> Layout | None:
        return None if table.keyspace is None else Layout(table, table.keyspace, self._place.prefix)

    def _chunks(self, envelopes: Sequence[Envelope]) -> list[tuple[Layout, dict[str, Entry]]]:
        rows: dict[str, list[Row]] = {}
        found = []
        try:
            for envelope in envelopes:
                if envelope.table not in self._layouts:
                    raise ValueError(f"no table {envelope.table}")
                if (layout := self._layouts[envelope.table]) is not None:
                    rows.setdefault(envelope.table, []).extend(open_rows(envelope, layout.table))
            for name, some in rows.items():
                layout = cast("Layout", self._layouts[name])
                entries = iter(layout.newest(some).items())
                while chunk := dict(islice(entries, SCRIPT_ROWS)):
                    found.append((layout, chunk))
        except ValueError as error:  # of ours: it holds no value
            raise RowsRejected(f"Redis: {error}") from None
        return found

    async def _run(self, layout: Layout, entries: Mapping[str, Entry]) -> int:
        """Store rows, and let some expired members leave; how many these were."""
        self._connected()
        head = (layout.before, layout.before_member, layout.fields, SWEEP_MEMBERS)
        packed = _encode((*head, list(entries), list(entries.values())))
        with translated(self._place):
            return int(await cast("AsyncScript", self._script)(keys=layout.keys, args=[packed]))

    async def _best(self, layout: Layout, query: Query, members: Sequence[str]) -> Sequence[str]:
        """The members that answer `query`, found by the columns that it names alone."""
        columns = list(
            {name.removeprefix("-") for name in (*query.order, *(each.column for each in query.where))}
        )
        if not columns:
            return members
        found: list[Row] = []  # each with its member at the end
        rest = iter(members)
        while some := list(islice(rest, PAGE)):
            pipeline = self._connected().pipeline(transaction=False)
            for member in some:
                pipeline.hmget(layout.before_member + member, columns)
            for member, values in zip(some, await pipeline.execute(), strict=True):
                if None not in values:
                    found.append([*layout.row(dict(zip(columns, values, strict=True))), member])
        return [row[-1] for row in answer(query, found)]

    async def _rows(
        self, layout: Layout, members: Sequence[str], limit: int, wanted: Callable[[Row], bool]
    ) -> list[Row]:
        """The rows of the first members that are wanted. What has expired has no hash any more."""
        found: list[Row] = []
        rest = iter(members)
        while len(found) < limit and (some := list(islice(rest, min(PAGE, limit)))):
            pipeline = self._connected().pipeline(transaction=False)
            for member in some:
                pipeline.hgetall(layout.before_member + member)
            rows = [layout.row(fields) for fields in await pipeline.execute() if fields]
            found += filter(wanted, rows)
        return found[:limit]

    def _connected(self) -> Redis:
        if self._client is None:
            raise StoreUnavailable(f"Redis at {self.identity} is not open")
        return self._client
