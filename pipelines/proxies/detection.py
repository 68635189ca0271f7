"""Which protocols an endpoint may speak: what to try first, and what a failure says of the others."""

from functools import lru_cache

from eagleray.pipelines.charge import Charge
from eagleray.pipelines.proxies.attempt import Attempt
from eagleray.pipelines.proxies.check_rules import CheckRules, Depth
from eagleray.pipelines.proxies.model import Candidate, Protocol, ProtocolReport
from eagleray.pipelines.proxies.outcome import OK, Outcome
from eagleray.pipelines.proxies.protocols import http1, http_proxy

QUICK = Depth.QUICK
FIRST = {protocol: Attempt(protocol) for protocol in Protocol}
LIKELIHOOD = (Protocol.HTTP, Protocol.SOCKS5, Protocol.SOCKS4, Protocol.HTTPS)
USUAL_PORTS = {
    1080: Protocol.SOCKS5,
    1081: Protocol.SOCKS5,
    9050: Protocol.SOCKS5,
    9150: Protocol.SOCKS5,
    4145: Protocol.SOCKS4,
}

# The host or the port is dead, whatever is spoken to it.
DEAD = frozenset({Outcome.REFUSED, Outcome.UNREACHABLE, Outcome.CONNECT_TIMEOUT, Outcome.BLOCKED_ADDRESS})
# The server spoke HTTP, so CONNECT is worth a try and SOCKS is not, unless a source claims it.
SPOKE_HTTP = frozenset(
    {
        Outcome.NOT_A_PROXY,
        Outcome.AUTH_REQUIRED,
        Outcome.AUTH_FAILED,
        Outcome.FORBIDDEN,
        Outcome.REFUSED_BY_PROXY,
        Outcome.OVERSIZED,
    }
)
# What OpenSSL's servers make of it where they expect TLS; some send an alert first.
HUNG_UP = frozenset({Outcome.CLOSED, Outcome.RESET})

# Where a server that does not understand plain HTTP may want TLS. Elsewhere its alert or its 400 says so.
TLS_PORTS = frozenset({443, 8443})
SAY_TLS = frozenset({http1.TLS_ALERT, http_proxy.BAD_REQUEST})


def likely(candidate: Candidate, types: frozenset[Protocol]) -> tuple[Protocol, ...]:
    """The protocols to try, likeliest first: what sources claim, what the port suggests, then the field's."""
    return by_likelihood(candidate.protocols, USUAL_PORTS.get(candidate.endpoint.port), types)


def first_attempt(candidate: Candidate, types: frozenset[Protocol]) -> Attempt:
    """What a check begins with."""
    return FIRST[likely(candidate, types)[0]]


@lru_cache(maxsize=1024)  # every check asks, and there are few different questions
def by_likelihood(
    claimed: frozenset[Protocol], usual: Protocol | None, types: frozenset[Protocol]
) -> tuple[Protocol, ...]:
    """All protocols, or those of `types`, in the order in which to try them."""
    protocols = [p for p in LIKELIHOOD if not types or p in types]
    return tuple(sorted(protocols, key=lambda p: (p not in claimed, p is not usual)))


def settled(outcome: Outcome, candidate: Candidate, rules: CheckRules) -> bool:
    """True where the first attempt says all: the endpoint is dead, or a quick check has found it to work."""
    if outcome is OK:
        return rules.depth is QUICK
    return outcome in DEAD and not candidate.promising


def wants_tls(port: int, attempt: Attempt, report: ProtocolReport) -> bool:
    """True for a failure of plain HTTP or CONNECT that is what a server gives that expects TLS."""
    if attempt.tls_to_proxy or attempt.protocol not in (Protocol.HTTP, Protocol.HTTPS):
        return False
    if report.outcome in DEAD or report.outcome.charge is Charge.SELF:
        return False
    return port in TLS_PORTS or report.detail in SAY_TLS
