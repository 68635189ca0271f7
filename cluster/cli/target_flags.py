"""The flags of `check` that name what is asked beyond the judge: targets and block lists."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from eagleray.cluster.cli.console import fail
from eagleray.pipelines.proxies.check_rules import CheckRules
from eagleray.pipelines.proxies.dnsbl import MAX_ZONES, parse_nameserver, parse_zone
from eagleray.pipelines.proxies.targets import MAX_PAGES, parse_target_page, parse_tls_target

TlsTarget = Annotated[
    str | None,
    typer.Option(
        "--tls-target",
        metavar="HOST:PORT|off",
        help="Site to make a verified TLS handshake with, through each proxy; finds interception.",
    ),
]
Targets = Annotated[
    list[str] | None,
    typer.Option(
        "--target",
        metavar="URL",
        help="Page to fetch through each proxy; rules in its fragment: #status=200&contains=Hi. Repeatable.",
    ),
]
CaFile = Annotated[
    Path | None, typer.Option("--ca-file", help="PEM file of certificates to trust beside the system's.")
]
BlockListZones = Annotated[
    list[str] | None,
    typer.Option(
        "--dnsbl",
        metavar="ZONE",
        help="DNS block list to ask about the exit address of each proxy that works; repeatable.",
    ),
]
Nameserver = Annotated[
    str | None,
    typer.Option(
        "--nameserver",
        metavar="ADDRESS[:PORT]",
        help="Nameserver to ask for block lists instead of the system's: many refuse public resolvers.",
    ),
]


def with_targets(
    rules: CheckRules, tls_target: str | None, targets: Sequence[str], ca_file: Path | None
) -> CheckRules:
    """The rules with what the flags say; a wrong one ends the command."""
    if ca_file or rules.ca_file:
        rules = msgspec.structs.replace(rules, ca_file=readable(ca_file or Path(rules.ca_file)))
    try:
        if tls_target:
            target = None if tls_target == "off" else parse_tls_target(tls_target)
            rules = msgspec.structs.replace(rules, tls_target=target)
    except ValueError as error:
        fail(f"--tls-target: {error}", "It looks like www.example.com:443; `off` leaves it out.")
    try:
        pages = tuple(parse_target_page(url) for url in targets) or rules.pages
    except ValueError as error:
        fail(f"--target: {error}", "It looks like https://www.example.com/#status=200&contains=Welcome.")
    if len(pages) > MAX_PAGES:
        fail(
            f"--target: {len(pages)} of them", f"Each costs every proxy a connection: give up to {MAX_PAGES}."
        )
    return msgspec.structs.replace(rules, pages=pages)


def with_block_lists(rules: CheckRules, zones: Sequence[str], nameserver: str | None) -> CheckRules:
    """The rules with what the flags say; a wrong one ends the command."""
    try:
        found = tuple(map(parse_zone, zones)) or rules.dnsbl
    except ValueError as error:
        fail(f"--dnsbl: {error}", "It looks like zen.spamhaus.org.")
    if len(found) > MAX_ZONES:
        fail(f"--dnsbl: {len(found)} of them", f"Each is asked about every proxy: give up to {MAX_ZONES}.")
    try:
        if nameserver:
            parse_nameserver(nameserver)
    except ValueError as error:
        fail(f"--nameserver: {error}", "It looks like 192.0.2.53, 192.0.2.53:5353 or [2001:db8::53]:53.")
    return msgspec.structs.replace(rules, dnsbl=found, nameserver=nameserver or rules.nameserver)


def readable(ca_file: Path) -> str:
    """The path of a file of certificates; one that is none ends the command."""
    from eagleray.actors.net.tls import verifying

    try:
        verifying(str(ca_file))
    except OSError as error:
        fail(f"{ca_file}: {error.strerror}", "Give a file of certificates in PEM with --ca-file.")
    return str(ca_file)
