import hmac
from hashlib import sha256

import pytest

from eagleray.pipelines.proxies.proof import VERSION, known_page, prove, session_key, session_of

# RFC 4231 section 4.3 (test case 2)
KEY, MESSAGE = b"Jefe", "what do ya want for nothing?"
MAC = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"

CLIENT, HEADERS = "192.0.2.7", [("Host", "judge.example"), ("X-Ä", 'a "b"')]


def test_a_session_key_is_a_whole_hmac_sha256():
    assert session_key(KEY, MESSAGE).hex() == MAC


def test_a_proof_is_a_truncated_hmac_sha256_of_compact_json():
    covered = """["a.1","192.0.2.7",[["Host","judge.example"],["X-Ä","a \\"b\\""]]]"""
    mac = hmac.new(KEY, covered.encode(), "sha256").hexdigest()
    assert prove(KEY, "a.1", CLIENT, HEADERS) == mac[:32]


@pytest.mark.parametrize(
    ("nonce", "session"),
    [("abc.123", "abc"), ("abc.1.2", "abc"), ("abc", "abc"), (".123", ""), ("", "")],
)
def test_session_of(nonce, session):
    assert session_of(nonce) == session


def test_a_proof_holds_for_one_nonce_of_one_session_of_one_secret():
    proofs = {
        prove(session_key(secret, session), nonce, CLIENT, HEADERS)
        for secret in (b"one", b"two")
        for session in ("a", "b")
        for nonce in ("a.1", "a.2")
    }
    assert len(proofs) == 8


@pytest.mark.parametrize(
    ("client", "headers"),
    [
        ("192.0.2.70", HEADERS),
        (CLIENT, HEADERS[:1]),
        (CLIENT, HEADERS[::-1]),
        (CLIENT, [("Host", "judge.example"), ('X-Ä","a', '"b"')]),
    ],
    ids=["another client", "a header less", "another order", "the same text, cut elsewhere"],
)
def test_a_proof_holds_for_one_client_and_its_headers(client, headers):
    assert prove(KEY, "a.1", client, headers) != prove(KEY, "a.1", CLIENT, HEADERS)


def test_a_known_page_is_html_of_some_kilobytes_that_its_key_and_nonce_give():
    page = known_page(b"key", "a.1")
    assert page == known_page(b"key", "a.1")
    assert 2_000 < len(page) < 4_000
    assert page.startswith(b"<!DOCTYPE html>\n<html>\n<head>")
    assert page.endswith(b"</p>\n</body>\n</html>\n")


def test_a_known_page_belongs_to_one_nonce_and_one_key_and_shows_no_proof():
    pages = {known_page(key, nonce) for key in (b"one", b"two") for nonce in ("a.1", "a.2")}
    assert len(pages) == 4
    proofs = [prove(key, "a.1", CLIENT, HEADERS).encode() for key in (b"one", b"two")]
    assert not any(proof in page for proof in proofs for page in pages)


def test_a_known_page_is_that_of_other_releases_with_this_version():
    """The judge may be an older or a newer one: whoever changes the page raises `VERSION`."""
    digest = "fa0d2688e3edd03b1c7dd019e5cded00a05fa26b3fe82a2ae0014fd5569bf37d"
    assert (VERSION, sha256(known_page(b"key", "a.1")).hexdigest()) == (2, digest)
