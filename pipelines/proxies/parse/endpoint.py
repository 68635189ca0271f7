"""The parts of an endpoint, checked: every format builds its endpoints here."""

import re

from eagleray.pipelines.addresses import IPV4
from eagleray.pipelines.proxies.model import Credentials, Endpoint, canonical_host
from eagleray.pipelines.proxies.parse.refusal import Refusal

MAX_PORT = 65_535
MAX_CREDENTIAL = 255  # bytes of a user name or a password: RFC 1929 section 2 counts them in one byte

PORT = r"[1-9][0-9]{0,4}"

_ipv6 = re.compile(r"\[?([0-9a-fA-F:.]*:[0-9a-fA-F:.]*)\]?")  # no zone: it means nothing elsewhere
_port = re.compile(PORT)


def read_host(text: str) -> str | None:
    """A literal address in its canonical form, None where `text` is none; IPv6 with or without brackets."""
    if IPV4.fullmatch(text):
        return text
    if match := _ipv6.fullmatch(text):
        try:
            return canonical_host(match[1])
        except ValueError:
            return None
    return None


def read_port(value: object) -> int | None:
    """A port 1..65535 from a number or its digits, else None."""
    if isinstance(value, str):
        value = int(value) if _port.fullmatch(value) else None
    return value if type(value) is int and 0 < value <= MAX_PORT else None


def read_endpoint(host: object, port: object, credentials: Credentials | None = None) -> Endpoint | Refusal:
    """An endpoint from the fields of a record, or why it is none."""
    address = read_host(host.strip()) if isinstance(host, str) else None
    if address is None:
        return Refusal.NOT_AN_ADDRESS
    number = read_port(port.strip() if isinstance(port, str) else port)
    if number is None:
        return Refusal.BAD_PORT
    return Endpoint(address, number, credentials)


def read_credentials(username: str, password: str) -> Credentials | Refusal | None:
    """Credentials within the bounds of RFC 1929; None where both are empty."""
    if not username and not password:
        return None
    if max(len(username.encode()), len(password.encode())) > MAX_CREDENTIAL:
        return Refusal.BAD_CREDENTIALS
    return Credentials(username, password)
