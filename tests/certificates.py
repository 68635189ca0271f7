"""X.509 certificates that no library would make, each odd in one way.

Written by hand in DER (ITU-T X.690) after RFC 5280 section 4.1; the signatures are nonsense.
Most have a key, so that a server can show them; the others travel in a flight that ends with them.
"""

import ssl
from base64 import encodebytes
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519

Key = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey

BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING, NULL, OID, SEQUENCE, SET = 1, 2, 3, 4, 5, 6, 0x30, 0x31
UTC_TIME, GENERALIZED_TIME = 23, 24
# Of all string types, those of X.680 that a DirectoryString may not have, too.
STRINGS = {
    "UTF8String": (12, "prøxy".encode()),
    "NumericString": (18, b"123 456"),
    "PrintableString": (19, b"proxy"),
    "TeletexString": (20, b"pr\xf8xy"),
    "VideotexString": (21, b"\x00\xff"),
    "IA5String": (22, b"proxy@example"),
    "GraphicString": (25, b"proxy"),
    "VisibleString": (26, b"proxy"),
    "GeneralString": (27, b"\x1b[31mred"),
    "UniversalString": (28, "proxy".encode("utf-32-be")),
    "BMPString": (30, "proxy".encode("utf-16-be")),
    "BIT STRING": (BIT_STRING, b"\x00proxy"),
    "OCTET STRING": (OCTET_STRING, b"proxy"),
    "INTEGER": (INTEGER, b"\x2a"),
    "NULL": (NULL, b""),
    "UTF8String that is none": (12, b"\xff\xfe"),
    "BMPString of three bytes": (30, b"abc"),
    "BMPString with half a pair": (30, b"\xd8\x00"),
    "terminal sequences": (12, b"\x1b]0;owned\x07\x1b[2J"),
}
RECORD = 16 * 1024  # bytes of a TLS record at most
COMMON_NAME, COUNTRY = bytes.fromhex("550403"), bytes.fromhex("550406")
NEVER = (UTC_TIME, b"490101000000Z")
TIMES = {
    "month 13": (UTC_TIME, b"491301000000Z"),
    "no time at all": (UTC_TIME, b"tomorrow"),
    "empty": (UTC_TIME, b""),
    "year 9999": (GENERALIZED_TIME, b"99991231235959Z"),
    "year 0": (GENERALIZED_TIME, b"00000101000000Z"),
    "with an offset": (UTC_TIME, b"4901010000+0100"),
    "an INTEGER": (INTEGER, b"\x01"),
}


def tlv(tag: int, *contents: bytes) -> bytes:
    """Tag, length and contents."""
    body = b"".join(contents)
    if len(body) < 128:
        return bytes([tag, len(body)]) + body
    length = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + body


def name(tag: int = 12, value: bytes = b"proxy", attribute: bytes = COMMON_NAME, times: int = 1) -> bytes:
    """A name of so many equal attributes."""
    return tlv(SEQUENCE, *[tlv(SET, tlv(SEQUENCE, tlv(OID, attribute), tlv(tag, value)))] * times)


def public_key(key: Key) -> bytes:
    """Its SubjectPublicKeyInfo."""
    return key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def rsa_key(bits: int) -> bytes:
    """The SubjectPublicKeyInfo of an RSA key of so few bits that no library makes it."""
    numbers = tlv(
        SEQUENCE, tlv(INTEGER, ((1 << bits) - 1).to_bytes(bits // 8 + 1, "big")), tlv(INTEGER, b"\x03")
    )
    algorithm = tlv(SEQUENCE, tlv(OID, bytes.fromhex("2a864886f70d010101")), tlv(NULL))
    return tlv(SEQUENCE, algorithm, tlv(BIT_STRING, b"\x00", numbers))


def certificate(
    public: bytes,
    version: bytes = b"\x02",
    serial: bytes = b"\x01",
    issuer: bytes = name(),
    subject: bytes = name(),
    not_after: tuple[int, bytes] = NEVER,
) -> bytes:
    """The DER of a certificate for a public key."""
    algorithm = tlv(SEQUENCE, tlv(OID, bytes.fromhex("2a8648ce3d040302")))  # ecdsa-with-SHA256
    validity = tlv(SEQUENCE, tlv(UTC_TIME, b"200101000000Z"), tlv(*not_after))
    signed = (
        tlv(0xA0, tlv(INTEGER, version)),
        tlv(INTEGER, serial),
        algorithm,
        issuer,
        validity,
        subject,
        public,
    )
    return tlv(SEQUENCE, tlv(SEQUENCE, *signed), algorithm, tlv(BIT_STRING, b"\x00nonsense"))


class Odd(NamedTuple):
    """A certificate, what is odd about it, and its key where there is one."""

    what: str
    der: bytes
    key: Key | None

    def context(self, folder: Path) -> ssl.SSLContext:
        """The context of a server that shows it.

        Raises:
            ssl.SSLError: OpenSSL does not read it.
        """
        if self.key is None:
            raise ssl.SSLError("no key")
        private = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        begin, end = b"-----BEGIN CERTIFICATE-----\n", b"-----END CERTIFICATE-----\n"
        (file := folder / "odd.pem").write_bytes(private + begin + encodebytes(self.der) + end)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def flight(self) -> bytes:
        """A server's first flight that shows it, up to the certificate (RFC 5246 section 7.4), in records."""
        hello = (
            b"\x03\x03" + bytes(32) + b"\x00" + b"\xc0\x2b" + b"\x00"
        )  # TLS 1.2, ECDHE-ECDSA-AES128-GCM-SHA256
        messages = message(2, hello) + message(11, vector(vector(self.der)))
        return b"".join(
            b"\x16\x03\x03" + len(piece).to_bytes(2, "big") + piece
            for piece in (messages[at : at + RECORD] for at in range(0, len(messages), RECORD))
        )


def vector(body: bytes) -> bytes:
    """With its length in three bytes."""
    return len(body).to_bytes(3, "big") + body


def message(kind: int, body: bytes) -> bytes:
    """A handshake message."""
    return bytes([kind]) + vector(body)


def odd() -> Iterator[Odd]:
    """Every kind that this module can make."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = public_key(key)
    ders = {f"version {number + 1}": certificate(public, bytes([number])) for number in (1, 4, 127)}
    for what, serial in {"zero": b"\x00", "negative": b"\xff", "of 4 KB": b"\x7f" * 4096}.items():
        ders[f"serial number {what}"] = certificate(public, serial=serial)
    for what, string in STRINGS.items():
        ders[f"subject: {what}"] = certificate(public, subject=name(*string))
        ders[f"issuer: {what}"] = certificate(public, issuer=name(*string))
    ders["empty names"] = certificate(public, issuer=tlv(SEQUENCE), subject=tlv(SEQUENCE))
    ders["an empty common name"] = certificate(public, subject=name(value=b""))
    ders["a name of 60 KB"] = certificate(public, subject=name(value=b"x" * 60_000))
    ders["a name of 1 000 parts"] = certificate(public, subject=name(times=1000))
    ders["a country of 30 letters"] = certificate(public, subject=name(19, b"x" * 30, COUNTRY))
    for what, time in TIMES.items():
        ders[f"not after: {what}"] = certificate(public, not_after=time)
    yield from (Odd(what, der, key) for what, der in ders.items())
    for other in (ed25519.Ed25519PrivateKey.generate(), ed448.Ed448PrivateKey.generate()):
        yield Odd(type(other).__name__.removesuffix("PrivateKey"), certificate(public_key(other)), other)
    yield Odd("RSA of 16 bits", certificate(rsa_key(16)), None)
    yield Odd("a key of nothing", certificate(tlv(SEQUENCE)), None)
    yield Odd("no certificate", b"\x30\x03\x02\x01\x00", None)
