"""Rows that a store will never take: kept in a file, with the reason, for somebody to look at."""

import asyncio
import base64
import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import msgspec

from eagleray.actors.sinks.base import RowsRejected, Writer
from eagleray.pipelines.tables import Envelope, Table, open_rows, seal

logger = logging.getLogger(__name__)

MAX_BYTES = 16 << 20  # of a file, whose rows are remembered in memory, too: more than a person looks at

SET_ASIDE = "store %s never takes %d row(s), see %s; the first is one of %s: %s"
FULL = "%s has reached its limit of %d bytes, %d row(s) are not kept: look at it, then move it away"

_encode = msgspec.json.Encoder().encode


class Rejected(NamedTuple):
    """An envelope that cannot be halved, and why the store does not take it."""

    envelope: Envelope
    reason: str


class DeadLetters:
    """`dead-letters/STORE.ndjson` by the log: `at` (Unix seconds), `table`, `reason`, the row by column.

    What is no row of its table stands there as it came. A row that stands there is not added again. The file
    is made with the first row and takes up to `MAX_BYTES`; rows may hold secrets.
    """

    def __init__(self, log: Path, store: str, tables: Sequence[Table]) -> None:
        self.rejected = 0  # rows that the store does not take, since the start
        self.unkept = 0  # of them, rows that the file had no room for
        self._path = log / "dead-letters" / f"{store}.ndjson"
        self._tables = {table.name: table for table in tables}
        self._known: set[bytes] | None = None  # digests of rows in the file, once it has been read

    async def sort_out(self, writer: Writer, envelopes: Sequence[Envelope]) -> None:
        """Write rows in one transaction; those for which the store rejects it are found and set aside.

        Raises:
            StoreError: the store does not take even the others now; nothing was set aside.
            OSError: the disk is full or broken.
        """
        if found := await self._rejected(writer, envelopes):
            unkept = await asyncio.to_thread(self._add, found)
            rows = sum(rejected.envelope.n for rejected in found)
            self.rejected += rows
            self.unkept += unkept
            table, reason = found[0].envelope.table, found[0].reason
            logger.error(SET_ASIDE, writer.name, rows, self._path, table, reason)
            if unkept:
                logger.error(FULL, self._path, MAX_BYTES, unkept)

    async def _rejected(self, writer: Writer, envelopes: Sequence[Envelope]) -> list[Rejected]:
        """Write what the store takes; the rest."""
        try:
            await writer.write(envelopes)
        except RowsRejected as error:
            parts = halves(envelopes, self._tables)
            if not parts:
                return [Rejected(envelopes[0], str(error))]
            return [rejected for part in parts for rejected in await self._rejected(writer, part)]
        return []

    def _add(self, found: Sequence[Rejected]) -> int:
        """Append what is new, durably, with one fsync; how many rows there was no room for."""
        lines: dict[bytes, bytes] = {}
        unkept = 0
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600), "r+b") as file:  # noqa: PTH123 (a mode for the file)
            size = file.seek(0, os.SEEK_END)  # none where somebody has moved the last one away
            known = self._known if size and self._known is not None else digests(self._path)
            self._known = None  # read the file again where what follows fails half-way
            for digest, line, rows in self._letters(found):
                if digest in known or digest in lines:
                    continue
                if size + len(line) > MAX_BYTES:
                    unkept += rows
                    continue
                size += len(line)
                lines[digest] = line
            if lines:
                file.write(unended(file) + b"".join(lines.values()))
                file.flush()
                os.fsync(file.fileno())
        self._known = known | lines.keys()
        return unkept

    def _letters(self, found: Sequence[Rejected]) -> Iterator[tuple[bytes, bytes, int]]:
        """Digest, line of the file, and number of rows, of all that was found."""
        for envelope, reason in found:
            head = {"at": time.time(), "table": envelope.table, "reason": reason}
            for body in bodies(envelope, self._tables.get(envelope.table)):
                line = _encode(head | body) + b"\n"
                yield digest_of(_decode_letter(line)), line, body.get("rows", 1)


class Letter(msgspec.Struct):
    """What tells one line of the file from another."""

    table: str
    row: msgspec.Raw = msgspec.Raw()
    msgpack: str = ""


_decode_letter = msgspec.json.Decoder(Letter).decode


def digest_of(letter: Letter) -> bytes:
    """The same for the same row of a table, whenever and for whatever reason it was rejected."""
    content = b"\0".join((letter.table.encode(), bytes(letter.row), letter.msgpack.encode()))
    return blake2b(content, digest_size=12).digest()


def digests(path: Path) -> set[bytes]:
    """Those of the rows in a file; half a line is none."""
    found: set[bytes] = set()
    if path.exists():
        with path.open("rb") as file:
            for line in file:
                with suppress(msgspec.MsgspecError, UnicodeDecodeError):
                    found.add(digest_of(_decode_letter(line)))
    return found


def unended(file: BinaryIO) -> bytes:
    """The end of a last line that a crash cut short, or nothing."""
    if not file.seek(0, os.SEEK_END):
        return b""
    file.seek(-1, os.SEEK_END)
    return b"" if file.read(1) == b"\n" else b"\n"


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
