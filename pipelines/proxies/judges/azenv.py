"""Judges like azenv.php: the server's variables as `REMOTE_ADDR = …` and `HTTP_… = …`, a line each.

They come as bare text, in `<pre>`, or each with a `<br>`. The nonce comes back in REQUEST_URI or
QUERY_STRING.
"""

import re
from html import unescape

from eagleray.pipelines.addresses import canonical
from eagleray.pipelines.proxies.judges.base import Headers, Kind, Seen, forwarded_for, insist_on

TAG = re.compile(r"<[^<>]*>")
NAME = re.compile(r"[A-Z][A-Z0-9_-]*")  # some write HTTP_USER-AGENT
HEADER = "HTTP_"  # begins the variables that are headers (RFC 3875 section 4.1.18)


class Azenv(Kind):
    """Proves nothing but that it saw the nonce."""

    name = "azenv"

    def __init__(self, body: bytes) -> None:
        """Learn our address; a page that would not show the nonce is of no use."""
        found = variables(body)
        self.learn(*told(found))
        if "REQUEST_URI" not in found and "QUERY_STRING" not in found:
            raise ValueError("no REQUEST_URI and no QUERY_STRING")

    def read(self, body: bytes, nonce: str) -> Seen:
        """What reached the judge."""
        found = variables(body)
        query = found.get("QUERY_STRING") or found.get("REQUEST_URI", "").partition("?")[2]
        insist_on(nonce, query)
        return self.seen(*told(found))


def variables(body: bytes) -> dict[str, str]:
    """Variables by name; of several with one name the first counts: a header may hold lines of its own."""
    found: dict[str, str] = {}
    for line in TAG.sub("\n", body.decode("latin-1")).split("\n"):
        name, equals, value = line.partition("=")
        if equals and NAME.fullmatch(name.strip()):
            found.setdefault(name.strip(), unescape(value.strip()))
    return found


def told(found: dict[str, str]) -> tuple[list[str], Headers]:
    """The route (see `Kind.seen`), and the variables that are headers, by the headers' names.

    Raises:
        ValueError: there is no address.
    """
    headers = [
        (name.removeprefix(HEADER).replace("_", "-"), value)
        for name, value in found.items()
        if name.startswith(HEADER)
    ]
    return [*forwarded_for(headers), canonical(found.get("REMOTE_ADDR", ""))], headers
