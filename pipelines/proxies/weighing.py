"""How the ends of several attempts weigh against each other, and which of them a judge may have caused."""

from collections.abc import Iterable

from eagleray.pipelines.charge import Charge
from eagleray.pipelines.proxies.detection import DEAD
from eagleray.pipelines.proxies.model import Anonymity
from eagleray.pipelines.proxies.outcome import Outcome

# Of the outcomes of several protocols the first in this order is the check's. What works, works; else, where
# an attempt failed by our own fault, nothing can be said of the endpoint; else what tells most about it.
TELLING = (
    Outcome.OK,
    Outcome.JUDGE_UNAVAILABLE,
    Outcome.LOCAL_RESOURCE,
    Outcome.SUSPENDED,
    Outcome.INTERNAL_ERROR,
    Outcome.BLOCKED_ADDRESS,
    Outcome.TAMPERED,
    Outcome.TLS_INTERCEPTED,
    Outcome.UNCONFIRMED,
    Outcome.AUTH_FAILED,
    Outcome.AUTH_REQUIRED,
    Outcome.NOT_A_PROXY,
    Outcome.FORBIDDEN,
    Outcome.REFUSED_BY_PROXY,
    Outcome.TARGET_MISMATCH,
    Outcome.OVERSIZED,
    Outcome.TLS_FAILED,
    Outcome.TIMEOUT,
    Outcome.MALFORMED,
    Outcome.RESET,
    Outcome.CLOSED,
    Outcome.CONNECT_TIMEOUT,
    Outcome.UNREACHABLE,
    Outcome.REFUSED,
)

# A tarpit's first byte is nonsense to SOCKS, and who speaks nonsense in HTTP may be silent to SOCKS: neither
# tells more than the other.
WEIGHTS = {outcome: weight for weight, outcome in enumerate(TELLING)}
WEIGHTS[Outcome.MALFORMED] = WEIGHTS[Outcome.TIMEOUT]

# Ends that no judge has a part in. Every other failure could as well be that of the judge that was asked.
WITHOUT_JUDGE = DEAD | {Outcome.OK, Outcome.AUTH_REQUIRED, Outcome.AUTH_FAILED}


def most_telling(outcomes: Iterable[Outcome]) -> Outcome:
    """The check's outcome, of those of its protocols; of equal ones the first: let it be the likeliest's."""
    return min(outcomes, key=WEIGHTS.__getitem__)


def most_revealing(*levels: Anonymity | None) -> Anonymity | None:
    """The level that says most of the client: who takes an endpoint by it must not be surprised."""
    return min((level for level in levels if level), key=list(Anonymity).index, default=None)


def doubtful(outcome: Outcome) -> bool:
    """True for a failure that counts only if the judge was up."""
    return outcome.charge is Charge.SUBJECT and outcome not in WITHOUT_JUDGE
