import gzip
import zlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eagleray.pipelines.proxies.outcome import Outcome
from eagleray.pipelines.proxies.protocols import coding
from eagleray.pipelines.proxies.protocols.exchange import ProbeFailed

PAGE = b"a page of a judge"
MOST = 4096


def bare_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=coding.RAW)
    return packer.compress(data) + packer.flush()


def head(*values: bytes) -> bytes:
    return b"http/1.1 200 ok\n" + b"".join(b"content-encoding: " + value + b"\n" for value in values)


DECODED = {
    "none": ([], PAGE, PAGE),
    "identity": ([b"identity"], PAGE, PAGE),
    "empty value": ([b""], PAGE, PAGE),
    "gzip": ([b"gzip"], gzip.compress(PAGE), PAGE),
    "x-gzip": ([b" x-gzip\t"], gzip.compress(PAGE), PAGE),
    "gzip, something behind": ([b"gzip"], gzip.compress(PAGE) + bytes(9), PAGE),
    "deflate": ([b"deflate"], zlib.compress(PAGE), PAGE),
    "deflate without zlib's wrapper": ([b"deflate"], bare_deflate(PAGE), PAGE),
    "two in one field": ([b"deflate, gzip"], gzip.compress(zlib.compress(PAGE)), PAGE),
    "two fields": ([b"deflate", b"gzip"], gzip.compress(zlib.compress(PAGE)), PAGE),
    "empty body": ([b"gzip"], b"", b""),
    "unknown": ([b"br"], b"\x0b\x02", b"\x0b\x02"),
    "gzip of what is unknown": ([b"br, gzip"], gzip.compress(b"\x0b\x02"), b"\x0b\x02"),
    "as large as allowed": ([b"gzip"], gzip.compress(bytes(MOST)), bytes(MOST)),
}

FAILURES = {
    "not gzip": ([b"gzip"], PAGE, Outcome.MALFORMED),
    "zlib called gzip": ([b"gzip"], zlib.compress(PAGE), Outcome.MALFORMED),
    "not deflate": ([b"deflate"], b"\xff" + PAGE, Outcome.MALFORMED),
    "cut": ([b"gzip"], gzip.compress(PAGE)[:-1], Outcome.MALFORMED),
    "wrong checksum": ([b"gzip"], gzip.compress(PAGE)[:-5] + bytes(5), Outcome.MALFORMED),
    "three deep": ([b"gzip, gzip", b"gzip"], PAGE, Outcome.MALFORMED),
    "one byte too much": ([b"gzip"], gzip.compress(bytes(MOST + 1)), Outcome.OVERSIZED),
    "bomb": ([b"deflate"], zlib.compress(bytes(20_000_000)), Outcome.OVERSIZED),
    "bomb in a bomb": ([b"gzip, gzip"], gzip.compress(gzip.compress(bytes(2_000_000))), Outcome.OVERSIZED),
}


@pytest.mark.parametrize(("codings", "body", "decoded"), DECODED.values(), ids=DECODED)
def test_decoded(codings, body, decoded):
    assert coding.decode(head(*codings), body, MOST) == decoded


@pytest.mark.parametrize(("codings", "body", "outcome"), FAILURES.values(), ids=FAILURES)
def test_failure(codings, body, outcome):
    with pytest.raises(ProbeFailed) as failure:
        coding.decode(head(*codings), body, MOST)
    assert failure.value.outcome is outcome


def test_a_bomb_takes_no_memory_beyond_the_bound(monkeypatch):
    taken = []

    class Measured:
        def __init__(self, wbits):
            self._stream = real(wbits)

        def decompress(self, body, most):
            taken.append(most)
            return self._stream.decompress(body, most)

    real = zlib.decompressobj
    monkeypatch.setattr(coding.zlib, "decompressobj", Measured)
    with pytest.raises(ProbeFailed):
        coding.decode(head(b"gzip"), gzip.compress(bytes(20_000_000)), MOST)
    assert taken == [MOST + 1]


@given(
    codings=st.lists(st.sampled_from([b"gzip", b"deflate", b"br", b"identity", b","]), max_size=4),
    body=st.binary(max_size=64) | st.binary(max_size=64).map(gzip.compress) | st.binary().map(zlib.compress),
)
def test_any_body_ends_within_the_bound(codings, body):
    with suppress(ProbeFailed):
        assert len(coding.decode(head(*codings), body, 64)) <= max(64, len(body))
