"""Answering a query from rows in memory, for stores that can't do it themselves."""

from collections.abc import Iterable, Sequence
from typing import Any

from eagleray.pipelines.tables import Filter, Op, Query, Row


def answer(query: Query, rows: Iterable[Row]) -> list[Row]:
    """The rows that answer `query`, as a store of SQL would give them: null comes before every value."""
    found = [row for row in rows if matches(query, row)]
    for name in reversed(query.order):
        place = query.table.names.index(name.removeprefix("-"))
        found.sort(key=lambda row: (row[place] is not None, row[place]), reverse=name.startswith("-"))
    return found[: query.limit]


def matches(query: Query, row: Row) -> bool:
    """Whether a row fulfils every filter."""
    return fulfils(query.where, query.table.names, row)


def fulfils(where: Iterable[Filter], names: Sequence[str], values: Sequence[Any]) -> bool:
    """Whether the columns of these names, with these values, fulfil every filter on them."""
    return all(holds(each, values[names.index(each.column)]) for each in where if each.column in names)


def holds(condition: Filter, value: Any) -> bool:
    """Whether a column's value fulfils a condition. Null fulfils none."""
    if value is None:
        return False
    wanted = condition.value
    match condition.op:
        case Op.EQ:
            return bool(value == wanted)
        case Op.GE:
            return bool(value >= wanted)
        case Op.LE:
            return bool(value <= wanted)
        case Op.IN:
            return value in wanted
        case Op.HAS:
            return not set(value.split(",")).isdisjoint(wanted)
