"""Rows that a store will never take: kept in a file, with the reason, for somebody to look at."""

import asyncio
import base64
import logging
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from eagleray.actors.sinks.base import RowsRejected, Writer
from eagleray.pipelines.tables import Envelope, Table, open_rows, seal

logger = logging.getLogger(__name__)

SET_ASIDE = "store %s never takes %d row(s) of %s, they stand in %s: %s"

_encode = msgspec.json.Encoder().encode


class DeadLetters:
    """`dead-letters/STORE.ndjson` by the log: `at` (Unix seconds), `table`, `reason`, the row by column.

    What is no row of its table stands there as it came. After a crash a row may stand there twice. The file
    is made with the first row; rows may hold secrets.
    """

    def __init__(self, log: Path, store: str, tables: Sequence[Table]) -> None:
        self.rejected = 0  # rows that were set aside since the start
        self._path = log / "dead-letters" / f"{store}.ndjson"
        self._tables = {table.name: table for table in tables}

    async def sort_out(self, writer: Writer, envelopes: Sequence[Envelope]) -> None:
        """Write rows in one transaction; those for which the store rejects it are found and set aside.

        Raises:
            StoreError: the store does not take even the others now.
            OSError: the disk is full or broken.
        """
        try:
            await writer.write(envelopes)
        except RowsRejected as error:
            parts = halves(envelopes, self._tables)
            for part in parts:
                await self.sort_out(writer, part)
            if not parts:
                await asyncio.to_thread(self._add, envelopes[0], str(error))
                logger.error(SET_ASIDE, writer.name, envelopes[0].n, envelopes[0].table, self._path, error)

    def _add(self, envelope: Envelope, reason: str) -> None:
        """Append the rows of an envelope, durably."""
        head = {"at": time.time(), "table": envelope.table, "reason": reason}
        found = bodies(envelope, self._tables.get(envelope.table))
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab") as file:  # noqa: PTH123 (a mode for the file)
            file.write(b"".join(_encode(head | body) + b"\n" for body in found))
            file.flush()
            os.fsync(file.fileno())
        self.rejected += envelope.n


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
