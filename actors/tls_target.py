"""Asks the TLS target directly: only a target that verifies without a proxy tells anything of one."""

from collections.abc import Callable
from functools import partial

import msgspec

from eagleray.actors.net.direct import ask
from eagleray.actors.net.engine import Engine
from eagleray.actors.net.names import NoAddress, resolve
from eagleray.actors.net.tls import peer_certificate, verifying
from eagleray.pipelines.addresses import Allowed
from eagleray.pipelines.proxies.check_rules import CheckRules, Depth
from eagleray.pipelines.proxies.outcome import Outcome
from eagleray.pipelines.proxies.protocols.target import Target

CONNECT_TIMEOUT = 3.0
TIMEOUT = 5.0


class TlsTargetError(Exception):
    """Raised where the TLS target can't be used."""


async def without_dead_target(
    rules: CheckRules, engine: Engine, allowed: Allowed, warn: Callable[[str], None] | None
) -> CheckRules:
    """The rules; without a TLS target that can't be used, and `warn` is told why.

    Raises:
        OSError: the file of certificates can't be read.
    """
    if rules.ca_file:
        verifying(rules.ca_file)
    if rules.tls_target is None or rules.depth is Depth.QUICK:
        return rules
    try:
        await ask_tls_target(rules.tls_target, rules.ca_file, engine, allowed)
    except TlsTargetError as error:
        if warn:
            warn(f"TLS target {rules.tls_target} is left out: {error}")
        return msgspec.structs.replace(rules, tls_target=None)
    return rules


async def ask_tls_target(target: Target, ca_file: str, engine: Engine, allowed: Allowed) -> None:
    """Make a verified handshake with the target, without a proxy.

    Raises:
        TlsTargetError: no address, one that may not be dialled, no answer, or not a trusted one.
        OSError: the file of certificates can't be read.
    """
    handshake = partial(peer_certificate, context=verifying(ca_file), server_name=target.host)
    try:
        address = await resolve(target.host, target.port, allowed)
    except NoAddress as error:
        raise TlsTargetError(str(error)) from error
    connection = await ask(engine, address, target.port, CONNECT_TIMEOUT, TIMEOUT, handshake)
    if connection.outcome is not Outcome.OK:
        raise TlsTargetError(f"{connection.outcome} {connection.detail}".rstrip())
