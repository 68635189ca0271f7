"""What every kind of judge has in common."""

from abc import ABC, abstractmethod
from ipaddress import IPv6Address, ip_address
from typing import ClassVar

import msgspec

from eagleray.pipelines.addresses import IPV4
from eagleray.pipelines.proxies.outcome import Outcome
from eagleray.pipelines.proxies.protocols.exchange import ProbeFailed

# What decoding makes of a hostile page: wrong JSON, types, UTF-8 or addresses, and nesting without end.
UNREADABLE = (msgspec.DecodeError, ValueError, RecursionError)


class JudgeError(ValueError):
    """Raised where a URL or an answer is not that of a judge."""


Headers = list[tuple[str, str]]


class Seen(msgspec.Struct):
    """What reached a judge: the client's address, and the headers.

    No headers where those of our direct request came, which tell nothing; None where the kind tells none.
    """

    client: str
    headers: Headers | None


class Kind(ABC):
    """Reads the answers of one judge, once its direct answer is known as one of this kind."""

    name: ClassVar[str]
    session = ""  # what a nonce has to begin with, where the kind wants that
    own: frozenset[str]  # our addresses, as the judge sees them
    baseline: frozenset[str] = frozenset()  # headers that reach it without a proxy, in lower case
    plain: object = (
        None  # all headers of our direct request as `read` decodes them; None if they hold our address
    )

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


def insist_on(nonce: str, query: str) -> None:
    """Insist on the nonce as a field `n` of the query that the judge saw.

    Raises:
        ProbeFailed: NOT_A_PROXY.
    """
    if f"n={nonce}" not in query.split("&"):
        raise ProbeFailed(Outcome.NOT_A_PROXY, "the nonce did not come back")


def holds(headers: Headers, own: frozenset[str]) -> bool:
    """True where one of our addresses stands in a header, as behind a judge's own front end."""
    return any(address in value for _, value in headers for address in own)


def names_of(headers: Headers) -> frozenset[str]:
    """The names of headers in lower case."""
    return frozenset(name.lower() for name, _ in headers)


def canonical(text: str) -> str:
    """A literal address in its canonical form; IPv4 out of IPv6, as dual-stack servers see it.

    Raises:
        ValueError: `text` is not an address, or one with a zone: any text may stand there.
    """
    if IPV4.fullmatch(text):
        return text
    if "%" in text:
        raise ValueError("an address with a zone")
    address = ip_address(text)
    return str((isinstance(address, IPv6Address) and address.ipv4_mapped) or address)
