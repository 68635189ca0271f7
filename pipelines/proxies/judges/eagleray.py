"""Our own judge: all headers, the client's address, and a proof that no page can make up (see proof.py)."""

import hmac
import re

import msgspec

from eagleray.pipelines.addresses import canonical
from eagleray.pipelines.proxies.judges.base import JudgeError, Kind, Seen, forwarded_for
from eagleray.pipelines.proxies.outcome import Outcome
from eagleray.pipelines.proxies.proof import VERSION, known_page, prove
from eagleray.pipelines.proxies.protocols.exchange import ProbeFailed

SESSION = re.compile(r"[A-Za-z0-9_~-]{1,64}")  # unreserved in a URL; the dot ends it in a nonce


class EaglerayAnswer(msgspec.Struct):
    """The body of our own judge."""

    judge: str
    client: str
    headers: list[tuple[str, str]]
    version: int = 0
    nonce: str = ""
    proof: str = ""
    session: str = ""
    key: str = ""

    @property
    def route(self) -> list[str]:
        """See `Kind.seen`."""
        return [*forwarded_for(self.headers), canonical(self.client)]


decode = msgspec.json.Decoder(EaglerayAnswer).decode


class Eagleray(Kind):
    """Proves each answer by the key of a session."""

    name = "eagleray"

    def __init__(self, body: bytes) -> None:
        """Learn session and key; without them its proofs would prove nothing.

        Raises:
            JudgeError: its proofs are of another version.
        """
        answer = decode(body)
        if answer.judge == self.name and answer.version != VERSION:
            raise JudgeError(f"it is of version {answer.version}, not {VERSION}: update the older Eagleray")
        if not SESSION.fullmatch(answer.session) or not answer.key:
            raise ValueError("no session")
        self.learn(answer.route, answer.headers, answer.headers)
        self.session, self._key = answer.session, bytes.fromhex(answer.key)

    def read(self, body: bytes, nonce: str) -> Seen:
        """What reached the judge, its proof verified."""
        answer = decode(body)
        proof = prove(self._key, nonce, answer.client, answer.headers)
        if answer.nonce != nonce or not hmac.compare_digest(answer.proof.encode(), proof.encode()):
            raise ProbeFailed(Outcome.NOT_A_PROXY, "the judge's proof is missing or wrong")
        if answer.headers == self.plain:
            return Seen(canonical(answer.client), [])
        return self.seen(answer.route, answer.headers)

    def known_page(self, nonce: str) -> bytes:
        """What the judge serves as its known page for `nonce`."""
        return known_page(self._key, nonce)
