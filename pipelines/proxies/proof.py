"""How our own judge proves that an answer is its own.

A checker asks the judge directly for a session: a random name and `HMAC-SHA256(secret, name)`, its key. Each
request through a proxy then carries a fresh nonce `<session>.<random>`, and the answer carries an
HMAC-SHA256 by the key over the nonce, the client and the headers that it tells. The proxy sees the session's
name but never its key, so no page can make up a proof, and no proxy can change what the judge saw; a nonce is
used once, so none can be replayed. The judge keeps no state: its secret gives every key.
The key and a nonce also give a page that both sides can write down: what differs in it, a proxy has changed.
"""

import hmac
from collections.abc import Sequence
from hashlib import shake_256

import msgspec

VERSION = 2  # of our judge's answers and of what their proof covers
PROOF_BYTES = 16  # 128 bits, as RFC 2104 section 5 allows for a truncated SHA-256
PAGE_BYTES = 1024  # of random text in the known page, twice as many in hexadecimal
PAGE_LINE = 64  # characters

encode = msgspec.json.Encoder().encode


def session_key(secret: bytes, session: str) -> bytes:
    """The key of a session, derived from the judge's secret."""
    return hmac.digest(secret, session.encode(), "sha256")


def prove(key: bytes, nonce: str, client: str, headers: Sequence[tuple[str, str]]) -> str:
    """The proof for one answer, in hexadecimal: over its nonce, client and headers as compact JSON.

    What is covered are the values, so that an answer that was only written down anew keeps its proof.
    """
    return hmac.digest(key, encode((nonce, client, headers)), "sha256")[:PROOF_BYTES].hex()


def session_of(nonce: str) -> str:
    """The session's name in a nonce."""
    return nonce.partition(".")[0]


def known_page(key: bytes, nonce: str) -> bytes:
    """The known page of one nonce: plain HTML, since that is what injectors look for.

    Its HMAC is kept apart from every proof: those are over a JSON array.
    """
    text = shake_256(hmac.digest(key, b"known:" + nonce.encode(), "sha256")).hexdigest(PAGE_BYTES)
    lines = [f"<p>{text[at : at + PAGE_LINE]}</p>" for at in range(0, len(text), PAGE_LINE)]
    page = ["<!DOCTYPE html>", "<html>", "<head><title>Page</title></head>", "<body>", *lines, "</body>"]
    return "\n".join([*page, "</html>", ""]).encode()
