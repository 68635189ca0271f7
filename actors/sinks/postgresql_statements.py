# ruff: noqa: S608 (every name comes from a table description in our code; values are bound)
"""PostgreSQL's statements, made from table descriptions.

Rows are copied into a temporary table in wire types and converted by the server in one INSERT.
"""

import math
import sys
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

from eagleray.pipelines.tables import Column, Filter, Key, Kind, Op, Query, Row, Table

SIGNS = {Op.EQ: "=", Op.GE: ">=", Op.LE: "<="}
DAY = 86_400.0
SAME_ROW = "interval '1 day'"  # a row of history that comes again has a time so close to its first
TIME_MOST = 9.2e12  # seconds; PostgreSQL's last year is 294276
BIGINT = 1 << 63

STAGED = {Kind.LIST: "NULL::text", Kind.ADDRESS: "NULL::text", Kind.TIME: "NULL::double precision"}
TYPED = {
    Kind.LIST: "string_to_array({}, ',')",
    Kind.ADDRESS: "nullif({}, '')::inet",
    Kind.TIME: "to_timestamp({})",
}
WIRE = {
    Kind.LIST: "array_to_string({}, ',')",
    Kind.ADDRESS: "coalesce(host({}), '')",
    Kind.TIME: "extract(epoch FROM {})::double precision",
    Kind.JSON: "{}::text",
}
# What a bound value is cast to, so that the server need not guess. An integer may be compared with 0.5.
BOUND = {
    Kind.TEXT: "{}::text",
    Kind.LIST: "string_to_array({}::text, ',')",
    Kind.INTEGER: "{}::bigint",
    Kind.REAL: "{}::double precision",
    Kind.BOOLEAN: "{}::boolean",
    Kind.ADDRESS: "{}::text::inet",
    Kind.TIME: "to_timestamp({}::double precision)",
    Kind.JSON: "{}::text",
}


def stage(table: Table) -> str:
    """The statement that makes an empty table for rows in wire types; it goes with the transaction.

    All other types are the real table's, so that the same COPY fills text and json.
    """
    columns = ", ".join(f"{STAGED.get(each.kind, each.name)} AS {each.name}" for each in table.columns)
    return (
        f"CREATE TEMPORARY TABLE {staged(table)} ON COMMIT DROP AS SELECT {columns} FROM {table.name} "
        "WITH NO DATA"
    )


def staged(table: Table) -> str:
    """The name of the table for rows in wire types."""
    return f"staged_{table.name}"


def merge(table: Table) -> str:
    """The statement that stores staged rows: on a conflict the newest wins, or the first stays."""
    key, names = ", ".join(table.key), ", ".join(table.names)
    typed = ", ".join(f"{TYPED.get(c.kind, '{}').format(c.name)} AS {c.name}" for c in table.columns)
    newest = f"{table.newest} DESC, " if table.newest else ""
    rows = (
        f"SELECT DISTINCT ON ({key}) * FROM (SELECT {typed}, ctid AS place FROM {staged(table)}) AS typed "
        f"ORDER BY {key}, {newest}place"
    )
    insert = f"INSERT INTO {table.name} AS stored ({names}) SELECT {names} FROM ({rows}) AS new"
    if table.newest is None:
        return f"{insert}{unless_stored(table)} ON CONFLICT DO NOTHING"
    changes = ", ".join(f"{name} = excluded.{name}" for name in table.names if name not in table.key)
    return (
        f"{insert} ON CONFLICT ({key}) DO UPDATE SET {changes} "
        f"WHERE excluded.{table.newest} > stored.{table.newest}"
    )


def unless_stored(table: Table) -> str:
    """The condition that a row of history is not there yet under another time.

    Partitions have no common unique index without their time. A scalar subquery, not EXISTS: it is run for
    each row, by the index of the two or three partitions around its time, and never becomes a join of all.
    """
    if table.partition is None:
        return ""
    same = " AND ".join(f"old.{name} = new.{name}" for name in table.key)
    at = table.partition
    near = f"old.{at} BETWEEN new.{at} - {SAME_ROW} AND new.{at} + {SAME_ROW}"
    return f" WHERE (SELECT true FROM {table.name} AS old WHERE {same} AND {near} LIMIT 1) IS NULL"


def days_of(table: Table, rows: Sequence[Row], now: float) -> set[int]:
    """The days since 1970, of those worth a partition, that the rows are of.

    Partitions reach from the oldest day that is kept to tomorrow; a row with any other time stands in the
    default partition, so that a clock gone wrong can't make thousands.
    """
    if table.partition is None:
        return set()
    place = table.names.index(table.partition)
    times = {row[place] for row in rows}
    days = {int(at // DAY) for at in times if isinstance(at, (int, float)) and math.isfinite(at)}
    first, last = (now - (table.time_to_live or 0.0)) // DAY, now // DAY + 1
    return {day for day in days if first <= day <= last}


def select(query: Query) -> tuple[str, list[Any]]:
    """The statement for a query, and its values."""
    values: list[Any] = []
    columns = {column.name: column for column in query.table.columns}
    where = " AND ".join(condition(columns[each.column], each, values) for each in query.where) or "true"
    order = ", ".join(ordered(columns[name.removeprefix("-")], name.startswith("-")) for name in query.order)
    text = f"SELECT {wire(query.table)} FROM {query.table.name} WHERE {where}"
    return f"{text}{' ORDER BY ' + order if order else ''} LIMIT {int(query.limit)}", values


def wire(table: Table) -> str:
    """The columns in their wire form."""
    return ", ".join(WIRE.get(column.kind, "{}").format(qualified(table, column)) for column in table.columns)


def qualified(table: Table, column: Column) -> str:
    """A column that no output name hides."""
    return f"{table.name}.{column.name}"


def ordered(column: Column, descending: bool) -> str:
    """One column of an order: null is less than anything."""
    nulls = (" NULLS LAST" if descending else " NULLS FIRST") if column.nullable else ""
    return f"{column.name}{' DESC' if descending else ''}{nulls}"


def condition(column: Column, each: Filter, values: list[Any]) -> str:
    """One filter as SQL; its values are added to `values`. What no row can be compared with finds none."""
    if each.op is Op.IN:
        return f"({' OR '.join(compared(column, '=', value, values) for value in each.value) or 'false'})"
    if each.op is Op.HAS:
        wanted = [value for value in each.value if bindable(Kind.TEXT, value) is not None]
        lists = column.name if column.kind is Kind.LIST else f"string_to_array({column.name}::text, ',')"
        values.append(wanted)
        return f"{lists} && ${len(values)}::text[]"
    return compared(column, SIGNS[each.op], each.value, values)


def compared(column: Column, sign: str, value: Any, values: list[Any]) -> str:
    """A column compared with a value."""
    if column.kind is Kind.ADDRESS and value == "" and sign == "=" and not column.nullable:
        return f"{column.name} IS NULL"
    bound = bindable(column.kind, value)
    if bound is None:
        return "false"
    values.append(bound)
    kind = Kind.REAL if column.kind is Kind.INTEGER and isinstance(bound, float) else column.kind
    name = f"{column.name}::text" if kind is Kind.JSON else column.name
    return f"{name} {sign} {BOUND[kind].format(f'${len(values)}')}"


def bindable(kind: Kind, value: Any) -> Any:
    """A value as the driver takes it for a column of this kind; None where no row can be compared with it."""
    if kind is Kind.BOOLEAN:
        return bool(value) if value in (0, 1) else None
    if kind in (Kind.INTEGER, Kind.REAL, Kind.TIME):
        return number(kind, value) if isinstance(value, (int, float)) and value == value else None
    if not isinstance(value, str) or "\0" in value or not encodable(value):
        return None
    return value if kind is not Kind.ADDRESS or is_address(value) else None


def number(kind: Kind, value: int | float) -> int | float:
    """A number that fits the column's type, or one beyond all that fit it."""
    if kind is Kind.INTEGER and isinstance(value, int) and -BIGINT <= value < BIGINT:
        return value
    most = TIME_MOST if kind is Kind.TIME else sys.float_info.max
    return float(value) if -most < value < most else math.copysign(math.inf, value)


def encodable(text: str) -> bool:
    """Whether a text holds no half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_address(text: str) -> bool:
    """Whether a text is an IP address that inet holds."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def page(table: Table, after: Key | None, limit: int) -> tuple[str, list[Any]]:
    """The statement for a page in key order, and its values; a key that no row can have ends the table."""
    key = ", ".join(table.key)
    behind, values = "", []
    if after is not None:
        kinds = [table.columns[table.names.index(name)].kind for name in table.key]
        values = [bindable(kind, value) for kind, value in zip(kinds, after, strict=True)]
        places = ", ".join(BOUND[kind].format(f"${i}") for i, kind in enumerate(kinds, 1))
        behind = f" WHERE ({key}) > ({places})"
    return f"SELECT {wire(table)} FROM {table.name}{behind} ORDER BY {key} LIMIT {int(limit)}", values


def restored(row: Row, addresses: Sequence[int]) -> list[Any]:
    """A row as it was: PostgreSQL writes the end of some IPv6 addresses in dotted decimal."""
    values = list(row)
    for i in addresses:
        if ":" in (text := values[i]) and "." in text:
            values[i] = str(ip_address(text))
    return values
