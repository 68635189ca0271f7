"""What a certificate says of itself. It is the evidence of an interception, and may be made up."""

import hashlib
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

from eagleray.pipelines.proxies.model import Certificate

if TYPE_CHECKING:
    from cryptography.x509 import Certificate as Parsed
    from cryptography.x509 import Name

MAX_NAME = 256  # characters kept of a subject or an issuer


def read_certificate(der: bytes) -> Certificate:
    """The certificate in `der`: its fingerprint, and of the rest what can be read."""
    from cryptography import x509  # a tenth of a second, for what is rarely met

    sha256 = hashlib.sha256(der).hexdigest()
    with warnings.catch_warnings():  # the library warns of what is odd in it
        warnings.simplefilter("ignore")
        try:
            certificate = x509.load_der_x509_certificate(der)
        except BaseException as error:
            refuse_interruption(error)
            return Certificate(sha256)
        return Certificate(
            sha256,
            subject=said(certificate, lambda parsed: text_of(parsed.subject)),
            issuer=said(certificate, lambda parsed: text_of(parsed.issuer)),
            not_after=said(certificate, lambda parsed: parsed.not_valid_after_utc.isoformat()),
        )


def said(certificate: "Parsed", read: Callable[["Parsed"], str]) -> str:
    """One field as text; empty where it can't be read: OpenSSL is less strict than this parser."""
    try:
        return read(certificate)
    except BaseException as error:
        refuse_interruption(error)
        return ""


def refuse_interruption(error: BaseException) -> None:
    """Raise what is no fault of a certificate. A panic of the parser, which is written in Rust, is one."""
    if isinstance(error, KeyboardInterrupt | SystemExit):
        raise error


def text_of(name: "Name") -> str:
    """A name as RFC 4514 writes it, cut, without characters that do something to a terminal."""
    text = name.rfc4514_string()[:MAX_NAME]
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text
    )
