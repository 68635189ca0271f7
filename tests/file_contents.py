"""What the stores of files hold, read as other programs read it and turned back into rows."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pyarrow import parquet

from eagleray.pipelines.tables import Kind, Table

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def rows(folder: Path, kind: str, table: Table) -> list[list[Any]]:
    """All rows of a table in the order of its key."""
    found = {"ndjson": ndjson, "parquet": parquet_rows}[kind](folder, table)
    values = [[value(c.kind, row[c.name]) for c in table.columns] for row in found]
    return sorted(values, key=lambda row: [row[table.names.index(name)] for name in table.key])


def files(folder: Path, kind: str, table: Table) -> list[Path]:
    """The files of a table."""
    pattern = {"ndjson": f"{table.name}/*.ndjson", "parquet": f"{table.name}/*/*.parquet"}[kind]
    return sorted(folder.glob(pattern if table.partition else f"{table.name}.{kind}"))


def ndjson(folder: Path, table: Table) -> Iterable[dict[str, Any]]:
    for path in files(folder, "ndjson", table):
        for line in path.read_text().splitlines():
            yield json.loads(line)


def parquet_rows(folder: Path, table: Table) -> Iterable[dict[str, Any]]:
    for path in files(folder, "parquet", table):
        with parquet.ParquetFile(path) as file:
            yield from file.read().to_pylist()


def value(kind: Kind, found: Any) -> Any:
    """A value as it travels."""
    if kind is Kind.TIME and found is not None:
        moment = datetime.fromisoformat(found) if isinstance(found, str) else found
        return (moment - EPOCH) / timedelta(seconds=1)
    if kind is Kind.LIST and found is not None:
        return ",".join(found)
    if kind is Kind.JSON and not isinstance(found, str):
        return json.dumps(found, separators=(",", ":"))
    return found
