"""What `eagleray check` shows: a row for each report, progress while it runs, a summary at the end."""

import asyncio
import os
import resource
import stat
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, TextIO

import msgspec

from eagleray.cluster.cli.console import Format, RowWriter, StatusLine, note, row_writer
from eagleray.pipelines.proxies.model import CheckReport
from eagleray.pipelines.proxies.rows import proxy_urls

COLUMNS = ("endpoint", "works_as", "anonymity", "exit_ip", "first_byte_ms", "confirmed")
ALL_COLUMNS = (*COLUMNS, "outcome", "step")
CSV_COLUMNS = ("endpoint", "alive", "outcome", *COLUMNS[1:])


class Sheet:
    """Rows on `stream`, everything else on stderr. Only what lives is written, unless `show_all`.

    With `afresh` a file is emptied before the first row, or at the end: a run that does not come so far
    leaves the results of the last one.
    """

    def __init__(self, stream: TextIO, form: Format, show_all: bool, afresh: bool = False) -> None:
        self._stream = stream
        self._form = form
        self._afresh = afresh
        self.everything = show_all
        self._judge = ""
        self._warned: set[str] = set()
        self._outcomes: Counter[str] = Counter()
        self._started = time.monotonic()
        self._cpu = cpu_seconds()
        self._status = StatusLine()

    @property
    def alive(self) -> int:
        """How many work."""
        return self._outcomes["ok"]

    @property
    def unjudged(self) -> int:
        """How many were not judged, since no judge was up."""
        return self._outcomes["judge_unavailable"]

    @property
    def checked(self) -> int:
        """How many were checked."""
        return self._outcomes.total()

    @cached_property
    def _writer(self) -> RowWriter:
        if self._afresh and stat.S_ISREG(os.fstat(self._stream.fileno()).st_mode):
            self._stream.truncate(0)
        columns = ALL_COLUMNS if self.everything else COLUMNS
        return row_writer(self._form, self._stream, CSV_COLUMNS if self._form is Format.CSV else columns)

    def take(self, reports: Sequence[CheckReport], others: Mapping[str, int]) -> None:
        """Write reports, and count them and the outcomes of others."""
        self._outcomes.update(others)
        self._outcomes.update(report.outcome.value for report in reports)
        if reports:
            self._status.clear()  # rows may go to the same terminal
        for report in reports:
            self._writer.write(row(report))

    def name_judge(self, judge: str) -> None:
        """Say which judge is used, once."""
        if judge and not self._judge:
            self._judge = judge
            note(f"Judge {judge}")

    def warn(self, warning: str) -> None:
        """Say what is left out; every worker tells it, so once."""
        if warning and warning not in self._warned:
            self._warned.add(warning)
            note(warning)

    async def show_progress(self) -> None:
        """Tell by the clock how far it is, until cancelled: silent endpoints give no report for seconds."""
        try:
            while True:
                await asyncio.sleep(self._status.every)
                self._status.show(self._progress())
        finally:
            self._status.clear()

    def _progress(self) -> str:
        seconds = time.monotonic() - self._started
        rate = self.checked / max(1e-9, seconds)
        return f"{self.checked:,} checked, {self.alive:,} alive; {seconds:.1f} s, {rate:,.0f} checks/s"

    def close(self, refused: Mapping[str, int], duplicates: int) -> None:
        """Write what waits, and the summary."""
        self._writer.close()
        titles = {"outcomes": self._outcomes, "entries refused": Counter(refused)}
        for title, counts in titles.items():
            if counts:
                note(f"{title}: " + ", ".join(f"{name} {count:,}" for name, count in counts.most_common()))
        if duplicates:
            note(f"duplicates passed over: {duplicates:,}")
        cpu = 1e6 * (cpu_seconds() - self._cpu) / max(1, self.checked)
        note(f"{self._progress()}, {cpu:.0f} µs CPU a check")


def cpu_seconds() -> float:
    """User and system time of this process, and of its children that have ended, so far."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def row(report: CheckReport) -> dict[str, Any]:
    """A report as programs read it; `works_as`, `first_byte_ms` and `step` sum it up for people."""
    working = report.working
    times = [report.protocols[protocol].first_byte_ms for protocol in working]
    return {
        "endpoint": str(report.endpoint),
        "alive": report.alive,
        "outcome": report.outcome.value,
        "protocols": {name.value: msgspec.to_builtins(result) for name, result in report.protocols.items()},
        "anonymity": report.anonymity.value if report.anonymity else None,
        "exit_ip": report.exit_ip or None,
        "tls": msgspec.to_builtins(report.tls),
        "tampered": report.tampered or None,
        "confirmed": report.confirmed,
        "checked_at": datetime.fromtimestamp(report.checked_at, UTC).isoformat(timespec="milliseconds"),
        "works_as": [protocol.value for protocol in working],
        "first_byte_ms": min((time for time in times if time is not None), default=None),
        "step": "" if report.alive else failed_step(report),
        "targets": {url: msgspec.to_builtins(result) for url, result in report.targets.items()},
        "dnsbl": report.dnsbl,
        "urls": proxy_urls(
            report.endpoint, working, [p for p in working if report.protocols[p].tls_to_proxy]
        ),
    }


def failed_step(report: CheckReport) -> str:
    """Where the protocol failed whose outcome is the check's."""
    telling = [result for result in report.protocols.values() if result.outcome is report.outcome]
    return telling[0].detail if telling else ""
