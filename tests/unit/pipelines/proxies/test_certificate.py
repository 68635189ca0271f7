import hashlib

from hypothesis import given
from hypothesis import strategies as st

from eagleray.pipelines.proxies.certificate import read_certificate
from eagleray.pipelines.proxies.model import Certificate


@given(st.binary(max_size=200) | st.binary(max_size=80).map(lambda rest: b"\x30\x82\x01\x00\x30" + rest))
def test_what_cannot_be_read_still_has_a_fingerprint(der):
    assert read_certificate(der) == Certificate(hashlib.sha256(der).hexdigest())
