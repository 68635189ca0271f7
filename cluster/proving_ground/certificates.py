"""Certificates for the ground's TLS servers, made anew at every start: nothing here outlives the process."""

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

LIFE = timedelta(days=30)  # longer than a ground runs
SKEW = timedelta(hours=1)  # for clocks that are set while it runs


class Authority(NamedTuple):
    """Who signs certificates."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    def pem(self) -> bytes:
        """What a client trusts."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)


def name(text: str) -> x509.Name:
    """A name of one field."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def unsigned(subject: str, issuer: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    """What all certificates have, valid from now on."""
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name(issuer), name(subject), key.public_key())
    return (
        builder.serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + LIFE)
    )


def authority(subject: str) -> Authority:
    """A new authority that vouches for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    constraints = x509.BasicConstraints(ca=True, path_length=0)
    builder = unsigned(subject, subject, key).add_extension(constraints, critical=True)
    return Authority(key, builder.sign(key, hashes.SHA256()))


def server_context(signer: Authority, host: str, folder: Path) -> ssl.SSLContext:
    """The context of a server at a literal address; its key and certificate pass through `folder`."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = signer.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))])
    builder = unsigned(host, str(issuer), key).add_extension(alternative, critical=False)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    certificate = builder.sign(signer.key, hashes.SHA256())
    file = folder / "server.pem"
    file.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    file.unlink()
    return context
