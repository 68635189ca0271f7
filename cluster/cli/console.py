"""What every command shares: exit codes, errors that say what to do, and rows on stdout in five formats."""

import csv
import json
import sys
from collections.abc import Sequence
from enum import IntEnum, StrEnum
from typing import Any, NoReturn, Protocol, TextIO

import typer


class Exit(IntEnum):
    """Exit codes of every command."""

    DONE = 0
    NOTHING_ALIVE = 1  # or not healthy
    USAGE = 2  # wrong usage or input
    CANNOT_JUDGE = 3
    INTERRUPTED = 130


class Format(StrEnum):
    """How rows are written. `table` is for people, the others for programs."""

    TABLE = "table"
    NDJSON = "ndjson"
    JSON = "json"
    CSV = "csv"
    TXT = "txt"


def fail(message: str, advice: str = "", code: Exit = Exit.USAGE) -> NoReturn:
    """End the command with one sentence on stderr, and one on what to do.

    Raises:
        typer.Exit: always, with `code`.
    """
    note(f"eagleray: {message}")
    if advice:
        note(f"  {advice}")
    raise typer.Exit(code)


def note(text: str) -> None:
    """Write a line for the person who watches; stdout stays clean for programs."""
    typer.echo(text, err=True)


def chosen(wanted: Format | None, stream: TextIO) -> Format:
    """The format to write: the one asked for, else a table on a terminal and NDJSON in a pipe."""
    return wanted or (Format.TABLE if stream.isatty() else Format.NDJSON)


class RowWriter(Protocol):
    """Takes rows (dicts by column) one at a time; `close` writes what had to wait for the last."""

    def write(self, row: dict[str, Any]) -> None:
        """Take one row."""

    def close(self) -> None:
        """Write what had to wait."""


class NdjsonWriter:
    """One JSON object a line, as soon as it is known."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, row: dict[str, Any]) -> None:
        """Write the whole row: a program picks what it wants."""
        self._stream.write(json.dumps(row, separators=(",", ":")) + "\n")
        self._stream.flush()

    def close(self) -> None:
        """Nothing waits."""


class JsonWriter:
    """One array of objects."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._separator = "[\n"

    def write(self, row: dict[str, Any]) -> None:
        """Write the whole row."""
        self._stream.write(self._separator + json.dumps(row))
        self._separator = ",\n"

    def close(self) -> None:
        """End the array; it is `[]` where no row came."""
        self._stream.write("\n]\n" if self._separator != "[\n" else "[]\n")
        self._stream.flush()


class CsvWriter:
    """Comma-separated values (RFC 4180) with a header line; lists are joined by spaces."""

    def __init__(self, stream: TextIO, columns: Sequence[str]) -> None:
        self._columns = columns
        self._stream = stream
        self._csv = csv.writer(stream, lineterminator="\n")
        self._csv.writerow(columns)

    def write(self, row: dict[str, Any]) -> None:
        """Write the row's named columns."""
        self._csv.writerow([plain(row.get(column)) for column in self._columns])
        self._stream.flush()

    def close(self) -> None:
        """Nothing waits."""


class TxtWriter:
    """`scheme://host:port` a line, one for each working protocol: what other tools read."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, row: dict[str, Any]) -> None:
        """Write one line for each URL in the row's `urls`."""
        for url in row["urls"]:
            self._stream.write(url + "\n")
        self._stream.flush()

    def close(self) -> None:
        """Nothing waits."""


class TableWriter:
    """A table for people, written at the end because its widths depend on every row."""

    def __init__(self, stream: TextIO, columns: Sequence[str], title: str = "") -> None:
        from rich.table import Table

        self._columns = columns
        self._stream = stream
        self._table = Table(*columns, title=title or None, title_justify="left")

    def write(self, row: dict[str, Any]) -> None:
        """Keep the row's named columns."""
        self._table.add_row(*(plain(row.get(column)) for column in self._columns))

    def close(self) -> None:
        """Write the table."""
        from rich.console import Console

        console = Console(file=self._stream)
        if not console.is_terminal:  # a file or a pipe has no width to fit
            console.width = 200
        console.print(self._table)


def row_writer(form: Format, stream: TextIO, columns: Sequence[str], title: str = "") -> RowWriter:
    """The writer for a format; `columns` are what a table or CSV shows, JSON gets every key of a row."""
    if form is Format.TABLE:
        return TableWriter(stream, columns, title)
    if form is Format.CSV:
        return CsvWriter(stream, columns)
    if form is Format.JSON:
        return JsonWriter(stream)
    return TxtWriter(stream) if form is Format.TXT else NdjsonWriter(stream)


def plain(value: object) -> str:
    """A value as a person reads it in a cell."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 10 else f"{value:.0f}"
    if isinstance(value, (list, tuple)):
        return " ".join(plain(item) for item in value)
    return str(value)


def print_json(value: object) -> None:
    """Write one JSON document to stdout."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")
