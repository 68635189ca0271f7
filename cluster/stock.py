"""Items on their way from one thread to others, many at a time.

A `queue.Queue` takes its lock twice for each item, which costs as much as parsing a line of a list.
"""

import threading
from collections import deque
from collections.abc import Iterable
from typing import Generic, TypeVar

T = TypeVar("T")


class Stock(Generic[T]):
    """At most `size` items wait: whoever fills it waits for those who take, and the other way round."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._items: deque[T] = deque()  # append and popleft are atomic
        self._came, self._room = threading.Event(), threading.Event()
        self._hungry = self._ended = False

    def fill(self, items: Iterable[T]) -> None:
        """Put in all items, in one thread; each can be taken at once."""
        for item in items:
            self._items.append(item)
            if self._hungry:
                self._hungry = False  # whoever finds nothing says so again
                self._came.set()
            if len(self._items) >= self._size:
                self._room.clear()
                if len(self._items) >= self._size:  # nobody has taken any meanwhile, so somebody will
                    self._room.wait()

    def end(self) -> None:
        """No more will come."""
        self._ended = True
        self._came.set()

    def take(self, most: int) -> list[T]:
        """What there is, at least one item and at most `most`; none only at the end. For any thread."""
        while True:
            ended = self._ended
            if taken := self._taken(most):
                self._room.set()
                return taken
            if ended:
                return []
            self._came.clear()
            self._hungry = True
            if not self._items and not self._ended:
                self._came.wait()

    def _taken(self, most: int) -> list[T]:
        taken: list[T] = []
        try:
            while len(taken) < most:
                taken.append(self._items.popleft())
        except IndexError:
            pass
        return taken
