"""Rows that a store will never take: kept in a file, with the reason, for somebody to look at."""

import base64
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from eagleray.pipelines.tables import Envelope, Table, open_rows, seal

_encode = msgspec.json.Encoder().encode


class DeadLetters:
    """One NDJSON file: `at` (Unix seconds), `table`, `reason`, and the row by column or what there is of it.

    After a crash a row may stand there twice. The file is made with the first row; rows may hold secrets.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, envelope: Envelope, table: Table | None, reason: str) -> None:
        """Append the rows of an envelope, durably.

        Raises:
            OSError: the disk is full or broken.
        """
        head = {"at": time.time(), "table": envelope.table, "reason": reason}
        lines = b"".join(_encode(head | body) + b"\n" for body in bodies(envelope, table))
        self.path.parent.mkdir(mode=0o700, exist_ok=True)
        with open(os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab") as file:  # noqa: PTH123 (a mode for the file)
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())


def bodies(envelope: Envelope, table: Table | None) -> list[dict[str, Any]]:
    """The rows by column; where they are no rows of the table, what was to be the rows, in base 64."""
    try:
        if table is None:
            raise ValueError(envelope.table)
        return [{"row": dict(zip(table.names, row, strict=True))} for row in open_rows(envelope, table)]
    except ValueError:
        raw = base64.b64encode(envelope.rows).decode()
        return [{"version": envelope.version, "rows": envelope.n, "msgpack": raw}]


def halves(envelopes: Sequence[Envelope], tables: Mapping[str, Table]) -> list[Sequence[Envelope]]:
    """Two parts of what a store rejected, to find the rows at fault; none where there is but one row."""
    middle = len(envelopes) // 2
    if middle:
        return [envelopes[:middle], envelopes[middle:]]
    [envelope] = envelopes
    try:
        rows = open_rows(envelope, tables[envelope.table])
    except (KeyError, ValueError):
        return []
    middle = len(rows) // 2
    if not middle:
        return []
    table = tables[envelope.table]
    return [[seal(envelope.pipeline, table, part, envelope.fence)] for part in (rows[:middle], rows[middle:])]
