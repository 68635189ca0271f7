"""An endpoint as a set of named fields: what JSON objects and table rows have in common."""

import re
from collections.abc import Iterator, Mapping

from eagleray.pipelines.proxies.model import Candidate
from eagleray.pipelines.proxies.parse.endpoint import read_credentials, read_endpoint
from eagleray.pipelines.proxies.parse.labels import (
    HTTPS,
    SOCKS4,
    SOCKS5,
    Labels,
    anonymity_in,
    candidate,
    overruled,
    protocols_in,
)
from eagleray.pipelines.proxies.parse.refusal import Refusal
from eagleray.pipelines.proxies.parse.text import match_entry, read_entry

MAX_NESTING = 4  # `ip_data.country.iso_code` is the deepest that lists have

# Names of fields in their normal form (lower case, letters only), the most telling first.
ADDRESS = ("ip", "ipaddress", "ipadress", "host", "address", "addr", "server", "proxy", "ipport")
URL = ("endpoint", "url")  # the address of an entry where the record holds no other
PORT = ("port", "proxyport")
PROTOCOL = ("protocols", "protocol", "type", "types", "scheme", "version")
ANONYMITY = ("anonymity", "anonymitylevel", "anonlevel", "anon")
COUNTRY = ("countrycode", "isocode", "cc", "code", "country", "geolocation", "ipdata", "geo")
CONNECT = ("https", "ssl")
USERNAME = ("username", "user", "login")
PASSWORD = ("password", "pass")

Record = dict[str, object]

_not_letter = re.compile(r"[^a-z]+")
_country = re.compile(r"[A-Za-z]{2}")


def normal(name: str) -> str:
    """The normal form of a field's name: `IP Address`, `ip_address` and `ipAddress` are one."""
    return _not_letter.sub("", name.lower())


def normalised(fields: Mapping[str, object]) -> Record:
    """The fields under their normal names."""
    return {normal(name): value for name, value in fields.items()}


def first(record: Record, names: tuple[str, ...]) -> object:
    """The first value among `names` that says anything, else None."""
    return next((record[name] for name in names if record.get(name) not in (None, "")), None)


def parse_record(record: Record, labels: Labels) -> Iterator[Candidate | Refusal]:
    """The candidate of one record. An address that already holds its port, as docip's do, is read as text."""
    address, port = first(record, ADDRESS), first(record, PORT)
    labels = labelled(record, labels)
    credentials = read_credentials(credential(first(record, USERNAME)), credential(first(record, PASSWORD)))
    if isinstance(address, str) and (match := match_entry(address.strip())):
        yield from read_entry(match, (), labels, credentials)
        return
    endpoint = credentials if isinstance(credentials, Refusal) else read_endpoint(address, port, credentials)
    yield endpoint if isinstance(endpoint, Refusal) else candidate(endpoint, labels)


def labelled(record: Record, labels: Labels) -> Labels:
    """The labels, overruled by the record's own fields."""
    named = (protocols_in(record.get(name)) for name in PROTOCOL)
    protocols = next(filter(None, named), labels.protocols)
    if says_yes(first(record, CONNECT)) and not protocols & (SOCKS4 | SOCKS5):
        protocols |= HTTPS
    return overruled(labels, protocols, country_in(record), anonymity_in(first(record, ANONYMITY)))


def country_in(value: object, depth: int = MAX_NESTING) -> str:
    """The ISO 3166-1 code in a field or in the objects nested in it, else empty."""
    if isinstance(value, str):
        return value.upper() if _country.fullmatch(value) else ""
    if not isinstance(value, dict) or depth == 0:
        return ""
    record = normalised(value)
    return next(
        (code for name in COUNTRY if name in record and (code := country_in(record[name], depth - 1))), ""
    )


def says_yes(value: object) -> bool:
    """True for the ways in which a field says yes."""
    return value is True or value == 1 or text_of(value).lower() in ("yes", "true", "1", "+")


def credential(value: object) -> str:
    """The value where it is text or a whole number, else empty."""
    return str(value) if type(value) is int else text_of(value)


def text_of(value: object) -> str:
    """The value where it is text, else empty."""
    return value if isinstance(value, str) else ""
