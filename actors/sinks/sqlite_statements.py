# ruff: noqa: S608 (every name comes from a table description in our code; values are bound)
"""SQLite's statements, made from table descriptions."""

from typing import Any

from eagleray.pipelines.tables import Filter, Key, Op, Query, Table

SIGNS = {Op.EQ: "=", Op.GE: ">=", Op.LE: "<="}


def upsert(table: Table) -> str:
    """The statement that stores a row: on a conflict the newest wins, or the first stays."""
    insert = f"INSERT INTO {table.name} VALUES ({', '.join('?' * len(table.columns))})"
    if table.newest is None:
        return f"{insert} ON CONFLICT DO NOTHING"
    changes = ", ".join(f"{name} = excluded.{name}" for name in table.names if name not in table.key)
    return (
        f"{insert} ON CONFLICT ({', '.join(table.key)}) DO UPDATE SET {changes}"
        f" WHERE excluded.{table.newest} > {table.name}.{table.newest}"
    )


def prune(table: Table) -> str:
    """The statement that deletes rows older than its first value, up to as many as its second."""
    key = ", ".join(table.key)
    old = f"SELECT {key} FROM {table.name} WHERE {table.partition} < ? LIMIT ?"
    return f"DELETE FROM {table.name} WHERE ({key}) IN ({old})"


def select(query: Query) -> tuple[str, list[Any]]:
    """The statement for a query, and its values."""
    conditions = [condition(each) for each in query.where]
    where = " AND ".join(text for text, _ in conditions) or "1"
    order = ", ".join(
        f"{name.removeprefix('-')} {'DESC' if name.startswith('-') else 'ASC'}" for name in query.order
    )
    text = f"SELECT {', '.join(query.table.names)} FROM {query.table.name} WHERE {where}"
    values = [value for _, some in conditions for value in some]
    return f"{text}{' ORDER BY ' + order if order else ''} LIMIT ?", [*values, query.limit]


def condition(each: Filter) -> tuple[str, list[Any]]:
    """One filter as SQL, and its values."""
    if each.op is Op.IN:
        return f"{each.column} IN ({', '.join('?' * len(each.value))})", list(each.value)
    if each.op is Op.HAS:
        test = f"instr(',' || {each.column} || ',', ',' || ? || ',')"
        return f"({' OR '.join([test] * len(each.value)) or '0'})", list(each.value)
    if isinstance(each.value, bool):
        return f"{each.column} {SIGNS[each.op]} {int(each.value)}", []  # else no partial index serves it
    return f"{each.column} {SIGNS[each.op]} ?", [each.value]


def page(table: Table, after: Key | None, limit: int) -> tuple[str, list[Any]]:
    """The statement for a page in key order, and its values."""
    key = ", ".join(table.key)
    behind = f" WHERE ({key}) > ({', '.join('?' * len(table.key))})" if after is not None else ""
    statement = f"SELECT {', '.join(table.names)} FROM {table.name}{behind} ORDER BY {key} LIMIT ?"
    return statement, [*(after or ()), limit]
