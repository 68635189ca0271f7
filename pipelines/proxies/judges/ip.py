"""Judges that answer with the client's address and nothing else: the exit, but no headers and no nonce."""

from eagleray.pipelines.addresses import canonical
from eagleray.pipelines.proxies.judges.base import Kind, Seen


class Ip(Kind):
    """Proves nothing at all: any page that is an address passes."""

    name = "ip"

    def __init__(self, body: bytes) -> None:
        """Learn our address."""
        self.own = frozenset({address_in(body)})

    def read(self, body: bytes, nonce: str) -> Seen:
        """The exit's address, whatever the nonce."""
        return Seen(address_in(body), None)


def address_in(body: bytes) -> str:
    """The address that a page consists of.

    Raises:
        ValueError: it is something else.
    """
    return canonical(body.strip().decode("ascii"))
