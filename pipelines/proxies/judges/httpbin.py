"""Judges like httpbin's `/get`: headers, origin and URL as JSON. The nonce comes back in the URL."""

import msgspec

from eagleray.pipelines.proxies.judges.base import Kind, Seen, canonical, holds, insist_on, names_of


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
    def origins(self) -> list[str]:
        """The addresses in `origin`: those of `X-Forwarded-For`, then the peer's."""
        if "," not in self.origin:
            return [self.origin]
        return [part.strip() for part in self.origin.split(",") if part.strip()]


decode = msgspec.json.Decoder(HttpbinAnswer).decode


class Httpbin(Kind):
    """Proves nothing but that it saw the nonce."""

    name = "httpbin"

    def __init__(self, body: bytes) -> None:
        """Learn our addresses; without one the answer says nothing of a client."""
        answer = decode(body)
        self.own = frozenset(canonical(origin) for origin in answer.origins)
        self.baseline = names_of(answer.pairs)
        if not self.own:
            raise ValueError("no origin")
        if not holds(answer.pairs, self.own):
            self.plain = answer.headers

    def read(self, body: bytes, nonce: str) -> Seen:
        """What reached the judge; it hides X-Forwarded-For from the headers and shows it in `origin`."""
        answer = decode(body)
        insist_on(nonce, answer.url.partition("?")[2])
        *forwarded, peer = answer.origins or [""]
        if answer.headers == self.plain and not forwarded:
            return Seen(canonical(peer), [])
        headers = [*answer.pairs, *(("X-Forwarded-For", address) for address in forwarded)]
        return Seen(canonical(peer), headers)
