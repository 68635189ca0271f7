"""What a certificate says of itself. It is the evidence of an interception, and may be made up."""

import hashlib

from eagleray.pipelines.proxies.model import Certificate

MAX_NAME = 256  # characters kept of a subject or an issuer


def read_certificate(der: bytes) -> Certificate:
    """The certificate in `der`; only its fingerprint where the rest can't be read."""
    from cryptography import x509  # a tenth of a second, for what is rarely met

    sha256 = hashlib.sha256(der).hexdigest()
    try:
        certificate = x509.load_der_x509_certificate(der)
        return Certificate(
            sha256,
            subject=certificate.subject.rfc4514_string()[:MAX_NAME],
            issuer=certificate.issuer.rfc4514_string()[:MAX_NAME],
            not_after=certificate.not_valid_after_utc.isoformat(),
        )
    except ValueError:  # OpenSSL is less strict than this parser
        return Certificate(sha256)
