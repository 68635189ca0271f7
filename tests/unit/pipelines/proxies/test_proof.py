import pytest

from eagleray.pipelines.proxies.proof import known_page, prove, session_key, session_of

# RFC 4231 section 4.3 (test case 2), cut to 128 bits as section 4.6 does
KEY, MESSAGE, MAC = b"Jefe", "what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c7"


def test_a_proof_is_a_truncated_hmac_sha256():
    assert prove(KEY, MESSAGE) == MAC


def test_a_session_key_is_a_whole_hmac_sha256():
    assert session_key(KEY, MESSAGE).hex() == MAC + "5a003f089d2739839dec58b964ec3843"


@pytest.mark.parametrize(
    ("nonce", "session"),
    [("abc.123", "abc"), ("abc.1.2", "abc"), ("abc", "abc"), (".123", ""), ("", "")],
)
def test_session_of(nonce, session):
    assert session_of(nonce) == session


def test_a_proof_holds_for_one_nonce_of_one_session_of_one_secret():
    proofs = {
        prove(session_key(secret, session), nonce)
        for secret in (b"one", b"two")
        for session in ("a", "b")
        for nonce in ("a.1", "a.2")
    }
    assert len(proofs) == 8


def test_a_known_page_is_html_of_some_kilobytes_that_its_key_and_nonce_give():
    page = known_page(b"key", "a.1")
    assert page == known_page(b"key", "a.1")
    assert 2_000 < len(page) < 4_000
    assert page.startswith(b"<!DOCTYPE html>\n<html>\n<head>")
    assert page.endswith(b"</p>\n</body>\n</html>\n")


def test_a_known_page_belongs_to_one_nonce_and_one_key_and_shows_no_proof():
    pages = {known_page(key, nonce) for key in (b"one", b"two") for nonce in ("a.1", "a.2")}
    assert len(pages) == 4
    assert not any(prove(key, "a.1").encode() in page for key in (b"one", b"two") for page in pages)
