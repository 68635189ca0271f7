"""An event loop for very many short connections. asyncio's costs several times what the connections do."""

import heapq
import select
import time
from collections.abc import Callable
from functools import partial
from itertools import count, takewhile

SWEEP_SECONDS = 1.0  # between looks for what has exceeded its limit
FOREVER = -1.0  # epoll's timeout where nothing is due


class Timer:
    """A call to be made."""

    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Don't make it."""
        self.callback = None


class Reactor:
    """Calls back when descriptors are ready and when times have come.

    After each wake it sleeps `nap` seconds, by which calls may be late: to wake for every packet costs more
    than all that is done for it.
    """

    def __init__(self, nap: float) -> None:
        self._nap = nap
        self._epoll = select.epoll()
        self._handlers: dict[int, Callable[[int], None]] = {}
        # A heap; the number keeps timers from being compared.
        self._timers: list[tuple[float, int, Timer]] = []
        self._numbers = count()
        self._limits: dict[float, dict[int, tuple[float, Callable[[], None]]]] = {}  # oldest first
        self._running = True

    def watch(self, descriptor: int, events: int, handler: Callable[[int], None]) -> None:
        """Call back with the epoll events that have come, until `forget`; replaces an earlier handler."""
        if descriptor in self._handlers:
            self._epoll.modify(descriptor, events)
        else:
            self._epoll.register(descriptor, events)
        self._handlers[descriptor] = handler

    def change(self, descriptor: int, events: int) -> None:
        """Wait for other events."""
        self._epoll.modify(descriptor, events)

    def forget(self, descriptor: int) -> None:
        """Call back no more; the descriptor is to be closed now, which ends the kernel's interest, too."""
        del self._handlers[descriptor]
        for limits in self._limits.values():
            limits.pop(descriptor, None)

    def limit(self, descriptor: int, seconds: float, callback: Callable[[], None]) -> None:
        """Call back unless the descriptor is forgotten within `seconds`, or up to `SWEEP_SECONDS` later.

        It costs a fraction of a timer. There should be few different values of `seconds`.
        """
        if not self._limits:
            self.call_later(SWEEP_SECONDS, self._sweep)
        self._limits.setdefault(seconds, {})[descriptor] = (time.monotonic() + seconds, callback)

    def call_later(self, seconds: float, callback: Callable[..., None], *args: object) -> Timer:
        """Call back once."""
        timer = Timer(partial(callback, *args))
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._numbers), timer))
        return timer

    def run(self) -> None:
        """Serve until `stop`."""
        while self._running:
            for descriptor, events in self._epoll.poll(self._timeout()):
                handler = self._handlers.get(descriptor)
                if handler:  # else an earlier one of this turn has closed it
                    handler(events)
            while self._timers and self._timers[0][0] <= time.monotonic():
                callback = heapq.heappop(self._timers)[2].callback
                if callback:
                    callback()
            time.sleep(self._nap)

    def stop(self) -> None:
        """End `run` after this turn."""
        self._running = False

    def _timeout(self) -> float:
        return max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else FOREVER

    def _sweep(self) -> None:
        self.call_later(SWEEP_SECONDS, self._sweep)
        now = time.monotonic()
        for limits in self._limits.values():
            for _, callback in list(takewhile(lambda limit: limit[0] <= now, limits.values())):
                callback()
