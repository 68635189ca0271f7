"""The exchanges of a check's last steps, through TLS where that is wanted."""

from functools import partial
from typing import Any

from eagleray.actors.net.tls import over_tls, peer_certificate, unverified, verifying
from eagleray.pipelines.proxies.attempt import Attempt, Step
from eagleray.pipelines.proxies.certificate import read_certificate
from eagleray.pipelines.proxies.check_rules import CheckRules
from eagleray.pipelines.proxies.model import Certificate, Endpoint
from eagleray.pipelines.proxies.protocols.exchange import Exchange, Stream
from eagleray.pipelines.proxies.targets import fetch, open_tunnel


def final_exchange(stream: Stream, endpoint: Endpoint, attempt: Attempt, rules: CheckRules) -> Exchange[Any]:
    """The exchange of one of the last steps."""
    if attempt.page is None:
        return through_tunnel(stream, endpoint, attempt, rules)
    context = verifying(rules.ca_file) if attempt.page.tls else unverified()
    name = attempt.page.target.host
    secure = partial(over_tls, stream=stream, context=context, server_name=name)
    return fetch(stream, endpoint, attempt.protocol, attempt.page, secure)


def through_tunnel(
    stream: Stream, endpoint: Endpoint, attempt: Attempt, rules: CheckRules
) -> Exchange[Certificate | None]:
    """A TLS handshake with the TLS target, verified; or unverified, for the certificate that it shows."""
    assert rules.tls_target is not None
    yield from open_tunnel(stream, endpoint, attempt.protocol, rules.tls_target)
    if attempt.step is Step.TLS:
        yield from peer_certificate(stream, verifying(rules.ca_file), rules.tls_target.host)
        return None
    der = yield from peer_certificate(stream, unverified(), rules.tls_target.host)
    return read_certificate(der)
