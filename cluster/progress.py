"""How a run looks while it runs: a live panel on a terminal, a line now and then elsewhere. All on stderr."""

import time
from math import inf
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.table import Table

from eagleray.cluster.figures import Progress

LINE_EVERY = 5.0  # seconds between lines where there is no terminal


class Display:
    """Shows progress; use it as a context manager so that the panel is left in order."""

    def __init__(self, quiet: bool = False) -> None:
        self._console = Console(stderr=True, quiet=quiet)
        console = self._console
        live = Live(console=console, refresh_per_second=4, redirect_stdout=False)  # Ray writes there
        self._live = live if console.is_terminal else None
        self._line_at = -inf

    def __enter__(self) -> "Display":
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Leave the panel as it is."""
        if self._live:
            self._live.stop()

    def say(self, text: str) -> None:
        """A line that stays."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def show(self, progress: Progress) -> None:
        """The latest figures."""
        if self._live:
            self._live.update(panel(progress))
        elif time.monotonic() >= self._line_at:
            self._line_at = time.monotonic() + LINE_EVERY
            self.say(line(progress))


def figures(progress: Progress) -> dict[str, str]:
    """What people look at, as text by name."""
    collector, frontier, sink = progress.collector, progress.frontier, progress.sink
    polls = collector.polls if collector else []
    failed = sum(1 for poll in polls if poll.error)
    return {
        "sources": f"{len(polls)} polled" + (f", {failed} failed" if failed else ""),
        "candidates": f"{frontier.known:,}" if frontier else "0",
        "waiting": f"{frontier.due:,}" if frontier else "0",
        "in flight": f"{sum(checker.running for checker in progress.checkers):,}",
        "checked": f"{progress.checked:,}",
        "alive": f"{progress.alive:,}",
        "checks/s": f"{progress.rate:,.0f}",
        "store lag": ", ".join(
            f"{name} {store.lag_seconds:.1f} s" for name, store in (sink.stores if sink else {}).items()
        ),
    }


def panel(progress: Progress) -> Table:
    """The figures beside their names, and what stands in the way."""
    table = Table.grid(padding=(0, 2))
    for name, value in figures(progress).items():
        table.add_row(name, value)
    for name, problem in problems(progress).items():
        table.add_row(name, problem)
    return table


def line(progress: Progress) -> str:
    """The figures in one line."""
    shown = [f"{name} {value}" for name, value in figures(progress).items() if value]
    shown += [f"{name}: {problem}" for name, problem in problems(progress).items()]
    return f"{progress.seconds:5.0f} s  " + "  ".join(shown)


def problems(progress: Progress) -> dict[str, str]:
    """What keeps the run from going on, or from going faster."""
    found = {"no judge": progress.judge_error} if progress.judge_error else {}
    if progress.waits:
        found["waits for"] = progress.waits
    for checker in progress.checkers:
        if checker.held_back:
            found["fewer connections"] = f"{checker.name}: {checker.held_back}"
    if progress.sink and progress.sink.log_blocked:
        found["intake waits"] = progress.sink.log_blocked
    for name, store in (progress.sink.stores if progress.sink else {}).items():
        if store.failing:
            found[f"store {name}"] = store.failing
    return found
