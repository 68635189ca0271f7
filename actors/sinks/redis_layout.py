"""Which keys a row of a table becomes in Redis, and back: texts only, no connection."""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

import msgspec

from eagleray.actors.sinks.redis_values import DIGITS, TYPES, rank, type_of, value_of
from eagleray.pipelines.queries import fulfils
from eagleray.pipelines.tables import Filter, Key, Keyspace, Kind, Op, Query, Row, Table

MOST_MS = 1 << 53  # Lua compares times as doubles
PLAIN = re.compile(r"[A-Za-z0-9_.~-]*")  # `quote` leaves it as it is, and takes its time
COLON = re.compile(r":(?![^\[]*\])")  # but those within brackets
SET_NAME_SAFE = "+-_."  # in a value that is a part of a key; all others but letters and digits are encoded

Entry = tuple[str, str, str, list[str | bool], list[str]]  # a row as redis.lua takes it; its rank first
KNOWN_SETS = 4096  # texts of set names that are kept: most rows stand in the same few sets


_encode = msgspec.json.Encoder().encode


class Plan(NamedTuple):
    """Where to look for the rows that answer a query: no row stands outside."""

    ranking: str | None  # the sorted set whose order is the query's, or None
    descending: bool
    unions: list[list[str]]  # a row stands in one set, at least, of each


class Layout:
    """The keys of one table: its hashes, sets and sorted sets, all with the same prefix."""

    def __init__(self, table: Table, keyspace: Keyspace, prefix: str) -> None:
        """Prepare to lay out rows.

        Raises:
            ValueError: no keys can hold what the table is.
        """
        require_plain(table)
        names = table.names
        self.table = table
        self.before = prefix
        self.before_member = f"{prefix}{keyspace.prefix}:"
        self.expiries = f"{prefix}{table.name}:expires"
        self.entries = f"{prefix}{table.name}:members"
        self.rankings = [prefix + name for name, _ in keyspace.rankings]
        self.keys = [self.expiries, self.entries, *self.rankings]
        self._taken = {key.removeprefix(prefix) for key in self.keys}
        self._keyspace = keyspace
        self._rows = list[tuple[tuple(map(type_of, table.columns))]]  # type: ignore[misc]  # made at run time
        numbers = table.places(*TYPES)
        others = [place for place in range(len(names)) if place not in numbers]
        self.fields = [names[place] for place in (*numbers, *others)]  # in the order of an entry's texts
        self._count, self._numbers, self._others = len(numbers), taking(numbers), taking(others)
        self._values = [value_of(column) for column in table.columns]
        self._key = [(names.index(name), table.columns[names.index(name)]) for name in table.key]
        self._of_key = taking([place for place, _ in self._key])
        self._plain = re.compile(":".join([PLAIN.pattern] * len(self._key)))
        self._alive, self._fresh = names.index(keyspace.alive), names.index(keyspace.fresh)
        self._sets = [
            (template, place := names.index(column), table.columns[place].kind)
            for template, column in keyspace.sets
        ]
        self._of_sets = taking([place for _, place, _ in self._sets])
        self._joined_sets = lru_cache(KNOWN_SETS)(lambda values: " ".join(self._set_names(values)))
        self._scores = [self.fields.index(column) for _, column in keyspace.rankings]
        self._newest = None if table.newest is None else names.index(table.newest)

    def newest(self, rows: Sequence[Row]) -> dict[str, Entry]:
        """The entry that stays of each member's rows, as if they had been stored one after another.

        Raises:
            ValueError: a value is not of its column's kind, or can't be kept; the message holds none.
        """
        found: dict[str, Entry] = {}
        for row in msgspec.convert(rows, self._rows):
            member, entry = self.member(self._of_key(row)), self._entry(row)
            if member not in found or entry[0] > found[member][0]:
                found[member] = entry
        return found

    def member(self, key: Key) -> str:
        """What stands in sets for the row of a key: `192.0.2.1:80`, `[2001:db8::1]:80:user`."""
        member = ":".join(map(str, key))
        if not self._plain.fullmatch(member):
            pairs = zip(self._key, key, strict=True)
            member = ":".join(part(column.kind, value) for (_, column), value in pairs)
        return member.rstrip(":")

    def key(self, member: str) -> Key:
        """The key of a member.

        Raises:
            ValueError: it is none of ours.
        """
        parts = COLON.split(member)
        parts += [""] * (len(self._key) - len(parts))
        return [
            value_of(column)(unquote(text.strip("[]")))
            for (_, column), text in zip(self._key, parts, strict=True)
        ]

    def _set_names(self, values: Sequence[str]) -> list[str]:
        """The names of the sets for a living row with these values, without the prefix.

        Raises:
            ValueError: one of them is the name of something else.
        """
        names = [
            set_name(template, value)
            for (template, _, kind), text in zip(self._sets, values, strict=True)
            for value in (text.split(",") if kind is Kind.LIST else (text,))
            if value
        ]
        if not self._taken.isdisjoint(names):
            raise ValueError(f"a set of {self.table.name} would have the name of another key")
        return names

    def row(self, fields: dict[str, str]) -> Row:
        """The row of a hash.

        Raises:
            ValueError: it is none of ours.
        """
        return [
            value(fields[column.name]) if column.name in fields else column.default
            for column, value in zip(self.table.columns, self._values, strict=True)
        ]

    def plan(self, query: Query) -> Plan:
        """Where the rows that answer a query stand. Only living rows stand in sets and rankings."""
        if Filter(self._keyspace.alive, Op.EQ, True) not in query.where:
            return Plan(None, False, [])
        unions = [
            [self.before + set_name(template, value) for value in values]
            for condition in query.where
            for template, place, kind in self._sets
            if self.table.names[place] == condition.column and "" not in (values := asked(condition, kind))
        ]
        if len(query.order) == 1:
            name = query.order[0].removeprefix("-")
            for ranking, (_, column) in zip(self.rankings, self._keyspace.rankings, strict=True):
                if column == name and not self.table.columns[self.table.names.index(name)].nullable:
                    return Plan(ranking, query.order[0].startswith("-"), unions)
        return Plan(None, False, unions)

    def may_answer(self, query: Query, member: str) -> bool:
        """Whether a member's key fulfils the filters on key columns."""
        return fulfils(query.where, self.table.key, self.key(member))

    def _entry(self, row: Row) -> Entry:
        alive = row[self._alive]
        texts = self._texts(row)
        return (
            self._rank(row),
            self._expiry(row[self._fresh]),
            self._joined_sets(self._of_sets(row)) if alive else "",
            [(alive and texts[place]) or False for place in self._scores],
            texts,
        )

    def _texts(self, row: Row) -> list[str]:
        """A row as texts for `fields`; null is the empty one. JSON has the shortest texts of numbers."""
        numbers = _encode(self._numbers(row))[1:-1].decode().replace("null", "")
        return [*numbers.split(",")[: self._count], *self._others(row)]

    def _rank(self, row: Row) -> str:
        if self._newest is None:
            return "0" * 20
        return rank(DIGITS[self.table.columns[self._newest].kind], row[self._newest])

    def _expiry(self, fresh: float | None) -> str:
        if fresh is None:
            return "0"
        milliseconds = (fresh + self._keyspace.seconds) * 1000
        if not abs(milliseconds) < MOST_MS:
            raise ValueError(f"{self._keyspace.fresh} is out of range")
        return str(max(0, int(milliseconds)))


def taking(places: Sequence[int]) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
    """What takes the values at these places out of a row."""
    if len(places) > 1:
        return itemgetter(*places)
    return lambda row: tuple(row[place] for place in places)


def require_plain(table: Table) -> None:
    """Refuse a table whose versions can't be compared, or in which null and the empty text are two values.

    Raises:
        ValueError: it is one.
    """
    for column in table.columns:
        if column.name == table.newest and (column.nullable or column.kind not in DIGITS):
            raise ValueError(f"{table.name}.{column.name} is no number: Redis can't tell which row is newer")
        if column.nullable and column.kind not in TYPES:
            raise ValueError(f"{table.name}.{column.name} is a text that may be null: Redis has no null")


def asked(condition: Filter, kind: Kind) -> Sequence[str]:
    """The values in whose sets all stands that fulfils a condition; one is empty where no sets say it."""
    if kind is Kind.LIST:
        return list(condition.value) if condition.op is Op.HAS else [""]
    if condition.op is Op.EQ:
        return [condition.value]
    return list(condition.value) if condition.op is Op.IN else [""]


@lru_cache(maxsize=4096)
def set_name(template: str, value: str) -> str:
    """The name of the set for a value, without the prefix."""
    return template.format(quote(value, SET_NAME_SAFE))


def part(kind: Kind, value: Any) -> str:
    """A key column's value as a part of a member: nothing in it looks like another part."""
    if kind is Kind.INTEGER:
        return str(value)
    if kind is Kind.ADDRESS and ":" in value:
        return f"[{value}]"
    text = str(value)
    return text if PLAIN.fullmatch(text) else quote(text, "")
