"""Alternatives of which any will do: which are healthy, which to use, how long until each is asked again.

A member that fails is set aside at once, and used again as soon as it answers; until then it is asked less
and less often.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from typing import Generic, TypeVar

import msgspec

M = TypeVar("M", bound=Hashable)
V = TypeVar("V", bound=Hashable)


class AskRules(msgspec.Struct, frozen=True):
    """How often members are asked; all in seconds."""

    every: float  # a healthy one
    first_retry: float  # one that has just failed; the time doubles with each failure
    last_retry: float  # one that has failed for long


class Alternatives(Generic[M]):
    """Members in the order of preference; none is healthy before it has answered."""

    def __init__(self, members: Sequence[M], rules: AskRules) -> None:
        self._failures: dict[M, int | None] = dict.fromkeys(members)  # in a row; None: not asked yet
        self._rules = rules

    def answered(self, member: M) -> None:
        """The member is healthy."""
        self._failures[member] = 0

    def failed(self, member: M) -> None:
        """The member is not to be used."""
        self._failures[member] = (self._failures[member] or 0) + 1

    @property
    def healthy(self) -> list[M]:
        """Those that may be used, in the order of preference."""
        return [member for member, failures in self._failures.items() if failures == 0]

    def pause(self, member: M) -> float:
        """Seconds from the latest answer or failure of a member until it is asked again."""
        if failures := self._failures[member]:
            retry: float = self._rules.first_retry * 2.0 ** min(failures - 1, 60)
            return min(retry, self._rules.last_retry)
        return self._rules.every


def quorum(votes: Iterable[V], k: int) -> V | None:
    """The one value that at least `k` votes are for; None where none has so many, or several have."""
    values = [value for value, count in Counter(votes).items() if count >= k]
    return values[0] if len(values) == 1 else None
