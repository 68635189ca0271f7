import pytest

from eagleray.pipelines.proxies.protocols.target import Target


@pytest.mark.parametrize(
    ("host", "packed", "text"),
    [
        ("192.0.2.7", b"\xc0\x00\x02\x07", "192.0.2.7:80"),
        ("::1", bytes(15) + b"\x01", "[::1]:80"),
        ("judge.example", None, "judge.example:80"),
        ("xn--bcher-kva.example", None, "xn--bcher-kva.example:80"),
    ],
)
def test_forms(host, packed, text):
    target = Target(host, 80)
    assert (target.packed, str(target)) == (packed, text)


@pytest.mark.parametrize(
    ("host", "port"),
    [
        ("", 80),
        ("a b", 80),
        ("judge.example\r\nX: y", 80),
        ("judge.example\n", 80),
        ("bücher.example", 80),
        ("n" * 254, 80),
        ("fe80::1%eth0", 80),
        ("judge.example", 0),
        ("judge.example", 65536),
        ("judge.example", -1),
    ],
    ids=["empty", "blank", "CRLF", "LF", "not ASCII", "too long", "zone", "port 0", "port 65536", "port -1"],
)
def test_what_no_protocol_can_carry_is_refused(host, port):
    with pytest.raises(ValueError, match=r"neither an address nor a name|is not a port"):
        Target(host, port)
