"""What every kind of judge has in common."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import msgspec

from eagleray.pipelines.addresses import canonical
from eagleray.pipelines.proxies.anonymity import OwnAddresses, entry_counts, leaks, parsed
from eagleray.pipelines.proxies.outcome import Outcome
from eagleray.pipelines.proxies.protocols.exchange import ProbeFailed

# What decoding makes of a hostile page: wrong JSON, types, UTF-8 or addresses, and nesting without end.
UNREADABLE = (msgspec.DecodeError, ValueError, RecursionError)

FORWARDED_FOR = "x-forwarded-for"


class JudgeError(ValueError):
    """Raised where a URL or an answer is not that of a judge."""


Headers = list[tuple[str, str]]


class Seen(msgspec.Struct):
    """What reached a judge: the client's address, empty where that can't be told, and the headers.

    No headers where those of our direct request came, which tell nothing; None where the kind tells none.
    """

    client: str
    headers: Headers | None


class Kind(ABC):
    """Reads the answers of one judge, once its direct answer is known as one of this kind."""

    name: ClassVar[str]
    session = ""  # what a nonce has to begin with, where the kind wants that
    own: frozenset[str]  # our addresses, as the judge sees them
    hops = 1  # entries in the route of a direct request: more than one behind front ends of the judge's own
    baseline: Mapping[str, int] = {}  # entries of the headers that reach it without a proxy, by name
    plain: object = None  # headers of a direct request as `read` decodes them; None where it can't skip them

    @abstractmethod
    def __init__(self, body: bytes) -> None:
        """Learn from a direct answer.

        Raises:
            one of `UNREADABLE`: it is not of this kind.
        """

    @abstractmethod
    def read(self, body: bytes, nonce: str) -> Seen:
        """What reached the judge by the request that carried `nonce`.

        Raises:
            ProbeFailed: NOT_A_PROXY where the page is not the judge's answer to `nonce`.
            one of `UNREADABLE`: it is not of this kind.
        """

    def learn(self, route: list[str], headers: Headers, plain: object = None) -> None:
        """Take what is told of a direct request for what comes without a proxy; `route` as for `seen`.

        Raises:
            ValueError: the route does not begin with an address: ours.
        """
        self.hops = len(route)
        self.own = frozenset({canonical(route[0])})
        others = without_forwarded_for(headers)
        self.baseline = entry_counts(others)
        if self.hops == 1 and not leaks(others, OwnAddresses(self.own)):
            self.plain = plain

    def seen(self, route: list[str], headers: Headers) -> Seen:
        """What a proxy and its exit make of a request.

        `route` has the entries of X-Forwarded-For, then who connected to the judge. Its end, as long as a
        direct request's route, is the word of the judge and its front ends; what stands before is the
        client's, who can say anything. What is no address where the exit should stand was said by a proxy.
        """
        at = len(route) - self.hops
        exit_ip = (parsed(route[at]) or "") if at >= 0 else ""
        said = route[: max(0, at if exit_ip else at + 1)]
        return Seen(
            exit_ip, [*without_forwarded_for(headers), *(("X-Forwarded-For", entry) for entry in said)]
        )


def insist_on(nonce: str, query: str) -> None:
    """Insist on the nonce as a field `n` of the query that the judge saw.

    Raises:
        ProbeFailed: NOT_A_PROXY.
    """
    if f"n={nonce}" not in query.split("&"):
        raise ProbeFailed(Outcome.NOT_A_PROXY, "the nonce did not come back")


def forwarded_for(headers: Headers) -> list[str]:
    """The entries of X-Forwarded-For, in the order in which they were added."""
    values = [value for name, value in headers if name.lower() == FORWARDED_FOR]
    return [entry.strip() for value in values for entry in value.split(",")]


def without_forwarded_for(headers: Headers) -> Headers:
    """All headers but X-Forwarded-For."""
    return [(name, value) for name, value in headers if name.lower() != FORWARDED_FOR]
