# ruff: noqa: S608 (every name comes from a table description in our code; values are bound by the driver)
"""ClickHouse's statements, made from table descriptions.

The driver puts the values in for `%(v0)s`, so that they travel in the body: the server's own parameters would
stand in the URL, and URLs end up in logs.
"""

import re
from typing import Any, NamedTuple

from eagleray.pipelines.tables import Column, Filter, Key, Kind, Op, Query, Table

SIGNS = {Op.EQ: "=", Op.GE: ">=", Op.LE: "<="}
MICROSECONDS = 1e6
END_OF_STATEMENT = re.compile(r";[ \t]*(?:\n|$)")
COMMENT = re.compile(r"^\s*--.*\n?", re.MULTILINE)


class Statement(NamedTuple):
    """A statement and the values of its parameters."""

    text: str
    values: dict[str, Any]


class Values:
    """The parameters of a statement, numbered as they come."""

    def __init__(self) -> None:
        self.bound: dict[str, Any] = {}

    def one(self, column: Column, value: Any) -> str:
        """What stands in the statement for a value of a column."""
        place = self._bind(to_stored(column, value))
        return f"fromUnixTimestamp64Micro({place})" if column.kind is Kind.TIME else place

    def several(self, column: Column, values: Any) -> str:
        """What stands there for an array of them."""
        place = self._bind([to_stored(column, value) for value in values])
        micro = "arrayMap(each -> fromUnixTimestamp64Micro(each), {})"
        return micro.format(place) if column.kind is Kind.TIME else place

    def _bind(self, value: Any) -> str:
        name = f"v{len(self.bound)}"
        self.bound[name] = value
        return f"%({name})s"


def to_stored(column: Column, value: Any) -> Any:
    """A value of the wire as ClickHouse gets it: times are whole microseconds."""
    return round(value * MICROSECONDS) if column.kind is Kind.TIME else value


def select(query: Query) -> Statement:
    """The statement for a query."""
    values = Values()
    columns = {column.name: column for column in query.table.columns}
    where = " AND ".join(condition(columns[each.column], each, values) for each in query.where)
    order = ", ".join(
        f"{name.removeprefix('-')} {'DESC' if name.startswith('-') else 'ASC'}" for name in query.order
    )
    text = f"{head(query.table)} WHERE {where or '1'}{' ORDER BY ' + order if order else ''}"
    return Statement(f"{text} LIMIT {query.limit:d}", values.bound)


def page(table: Table, after: Key | None, limit: int) -> Statement:
    """The statement for a page in key order."""
    values = Values()
    key, where = ", ".join(table.key), ""
    if after is not None:
        places = [values.one(column, value) for column, value in zip(key_columns(table), after, strict=True)]
        # The first condition says nothing new, but it is one that the primary index surely knows.
        where = f" WHERE {table.key[0]} >= {places[0]} AND ({key}) > ({', '.join(places)})"
    return Statement(f"{head(table)}{where} ORDER BY {key} LIMIT {limit:d}", values.bound)


def condition(column: Column, each: Filter, values: Values) -> str:
    """One filter."""
    if each.op is Op.IN:
        return f"has({values.several(column, each.value)}, {column.name})"
    if each.op is Op.HAS:
        return f"hasAny(splitByChar(',', {column.name}), {values.several(column, each.value)})"
    return f"{column.name} {SIGNS[each.op]} {values.one(column, each.value)}"


def identities(table: Table, least: Key, most: Key) -> Statement:
    """The statement for the keys of all rows whose key columns lie within bounds, both in stored form."""
    values: dict[str, Any] = {}
    conditions = []
    for i, column in enumerate(key_columns(table)):
        values |= {f"least{i}": least[i], f"most{i}": most[i]}
        conditions.append(f"{stored(column)} BETWEEN %(least{i})s AND %(most{i})s")
    keys = ", ".join(stored(column) for column in key_columns(table))
    return Statement(f"SELECT {keys} FROM {table.name} WHERE {' AND '.join(conditions)}", values)


def head(table: Table) -> str:
    """The columns in their wire form. FINAL: of rows with the same key, the newest alone."""
    columns = ", ".join(
        f"toFloat64({column.name})" if column.kind is Kind.TIME else column.name for column in table.columns
    )
    return f"SELECT {columns} FROM {table.name}{' FINAL' if table.newest else ''}"


def stored(column: Column) -> str:
    """A column in the form in which values go to ClickHouse."""
    return f"toUnixTimestamp64Micro({column.name})" if column.kind is Kind.TIME else column.name


def key_columns(table: Table) -> list[Column]:
    """The columns of the key, in its order."""
    columns = {column.name: column for column in table.columns}
    return [columns[name] for name in table.key]


def statements(script: str) -> list[str]:
    """The statements of a script: each ends with a semicolon at the end of a line."""
    return [text.strip() for text in END_OF_STATEMENT.split(COMMENT.sub("", script)) if text.strip()]
