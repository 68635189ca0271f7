"""Judges like httpbin's `/get`: headers, origin and URL as JSON. The nonce comes back in the URL.

httpbin itself hides `Via`, `X-Real-Ip`, `X-Forwarded-For` and others unless `show_env` stands in the query.
"""

import msgspec

from eagleray.pipelines.addresses import IPV4
from eagleray.pipelines.proxies.judges.base import Kind, Seen, forwarded_for, insist_on


class HttpbinAnswer(msgspec.Struct):
    """The body of `/get` and of those like it; some give each header as a list."""

    url: str
    headers: dict[str, str | list[str]]
    origin: str = ""

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The headers as (name, value)."""
        return [(name, v if isinstance(v, str) else ", ".join(v)) for name, v in self.headers.items()]

    @property
    def route(self) -> list[str]:
        """See `Kind.seen`; an empty entry at the end where nothing tells who connected.

        Some give the peer as `origin`, some X-Forwarded-For and then the peer, and httpbin either one: with
        X-Forwarded-For, even a client's own, it hides the peer.
        """
        origins = [origin.strip() for origin in self.origin.split(",")]
        forwarded = forwarded_for(self.pairs)
        if len(origins) > len(forwarded):
            return origins
        return [*forwarded, "" if origins[-1] in forwarded else origins[-1]]


decode = msgspec.json.Decoder(HttpbinAnswer).decode


class Httpbin(Kind):
    """Proves nothing but that it saw the nonce."""

    name = "httpbin"

    def __init__(self, body: bytes) -> None:
        """Learn our address; without one the answer says nothing of a client."""
        answer = decode(body)
        self.learn(answer.route, answer.pairs, answer.headers)

    def read(self, body: bytes, nonce: str) -> Seen:
        """What reached the judge."""
        answer = decode(body)
        insist_on(nonce, answer.url.partition("?")[2])
        if answer.headers == self.plain and IPV4.fullmatch(answer.origin):
            return Seen(answer.origin, [])
        return self.seen(answer.route, answer.pairs)
