"""How our own judge proves that an answer is its own.

A checker asks the judge directly for a session: a random name and `HMAC-SHA256(secret, name)`, its key. Each
request through a proxy then carries a fresh nonce `<session>.<random>`, and the answer carries
`HMAC-SHA256(key, nonce)`. The proxy sees the session's name but never its key, so no page can make up a
proof; a nonce is used once, so none can be replayed. The judge keeps no state: its secret gives every key.
The key and a nonce also give a page that both sides can write down: what differs in it, a proxy has changed.
"""

import hmac
from hashlib import shake_256

PROOF_BYTES = 16  # 128 bits, as RFC 2104 section 5 allows for a truncated SHA-256
PAGE_BYTES = 1024  # of random text in the known page, twice as many in hexadecimal
PAGE_LINE = 64  # characters


def session_key(secret: bytes, session: str) -> bytes:
    """The key of a session, derived from the judge's secret."""
    return hmac.digest(secret, session.encode(), "sha256")


def prove(key: bytes, nonce: str) -> str:
    """The proof for one nonce, in hexadecimal."""
    return hmac.digest(key, nonce.encode(), "sha256")[:PROOF_BYTES].hex()


def session_of(nonce: str) -> str:
    """The session's name in a nonce."""
    return nonce.partition(".")[0]


def known_page(key: bytes, nonce: str) -> bytes:
    """The known page of one nonce: plain HTML, since that is what injectors look for.

    The colon keeps its HMAC apart from every proof: no nonce has one.
    """
    text = shake_256(hmac.digest(key, b"known:" + nonce.encode(), "sha256")).hexdigest(PAGE_BYTES)
    lines = [f"<p>{text[at : at + PAGE_LINE]}</p>" for at in range(0, len(text), PAGE_LINE)]
    page = ["<!DOCTYPE html>", "<html>", "<head><title>Page</title></head>", "<body>", *lines, "</body>"]
    return "\n".join([*page, "</html>", ""]).encode()
