"""What every command shares: exit codes, errors that say what to do, and rows on stdout in five formats."""

import csv
import errno
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, TextIO

import typer

if TYPE_CHECKING:
    from rich.console import Console


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


def require_directory(data: Path) -> None:
    """End the command where the data directory is something else; it need not be there."""
    if os.path.lexists(data) and not data.is_dir():
        fail(f"{data} is not a directory", "Move it away, or give another data directory with --data.")


def note(text: str) -> None:
    """Write a line for the person who watches; stdout stays clean for programs."""
    with suppress(OSError):  # a full disk there ends no work
        typer.echo(text, err=True)


def end_on_sigterm() -> None:
    """Let SIGTERM, which `timeout`, Docker and systemd send, and SIGHUP end this process as Ctrl-C does.

    Processes that are forked from now on inherit this.
    """

    def interrupt(*_: object) -> None:
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a shell's background
            raise KeyboardInterrupt
        signal.raise_signal(signal.SIGINT)

    signal.signal(signal.SIGTERM, interrupt)
    end_on_hangup()


def end_on_hangup() -> None:
    """Let SIGHUP, which comes when a terminal is closed, end this process as SIGTERM does: cleanly.

    Where it is ignored, as under `nohup`, it stays so.
    """

    def hang_up(*_: object) -> None:
        for descriptor in (1, sys.stderr.fileno()):
            forget_terminal(descriptor)
        signal.raise_signal(signal.SIGTERM)

    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, hang_up)


def forget_terminal(descriptor: int) -> None:
    """Put /dev/null in the place of a terminal that is gone: a word to it would be an error."""
    try:
        os.ttyname(descriptor)
    except OSError as error:
        if error.errno == errno.EIO:
            os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)


def moment(at: float | None) -> str:
    """Unix seconds for people, in UTC; empty where there is no time."""
    return "" if at is None else f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%SZ}"


def chosen(wanted: Format | None, stream: TextIO) -> Format:
    """The format to write: the one asked for, else a table on a terminal and NDJSON in a pipe."""
    return wanted or (Format.TABLE if stream.isatty() else Format.NDJSON)


class StatusLine:
    """Progress on stderr: on a terminal one line that is written over, elsewhere a line each time."""

    def __init__(self) -> None:
        self._console: Console | None = None
        self._shown = False
        if sys.stderr and sys.stderr.isatty():
            import rich.console

            console = rich.console.Console(stderr=True)
            self._console = None if console.is_dumb_terminal else console

    @property
    def every(self) -> float:
        """Seconds from one showing to the next that a person finds pleasant."""
        return 0.25 if self._console else 2.0

    def show(self, text: str) -> None:
        """Show `text` instead of what was shown before."""
        self.clear()
        if self._console is None:
            note(text)
            return
        self._console.print(text, end="", no_wrap=True, overflow="ellipsis", highlight=False, markup=False)
        self._shown = True

    def clear(self) -> None:
        """Take the line away, so that another one can be written in its place."""
        if self._console is not None and self._shown:
            from rich.control import Control
            from rich.segment import ControlType

            self._console.control(Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2)))
            self._shown = False


class RowCount:
    """Progress of a copy on stderr: so many rows so far."""

    def __init__(self, what: str) -> None:
        self._what, self._line, self._next = what, StatusLine(), -inf

    def __call__(self, rows: int) -> None:
        """Show it, now and then."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + self._line.every
            self._line.show(f"{self._what}: {rows:,} rows")


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
        from rich.text import Text  # a plain str would be read as markup, and `[::1]` as a tag

        self._table.add_row(*(Text(printable(plain(row.get(column)))) for column in self._columns))

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


def printable(text: str) -> str:
    """The text without control characters: a proxy may have chosen it, and a terminal would obey them."""
    return "".join(character if character.isprintable() else "?" for character in text)


def print_json(value: object) -> None:
    """Write one JSON document to stdout."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")
