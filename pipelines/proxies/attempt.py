"""One connection of a check: what it is to do, decided by the plan, carried out by the engine."""

from enum import StrEnum

import msgspec

from eagleray.pipelines.proxies.model import Protocol
from eagleray.pipelines.proxies.targets import TargetPage


class Step(StrEnum):
    """What a connection is for."""

    JUDGE = "judge"  # the judge's page
    KNOWN_PAGE = "known_page"  # the page of the judge's that must come back unchanged
    TLS = "tls"  # a verified TLS handshake with the TLS target
    CERTIFICATE = "certificate"  # the same without verification: what an interceptor shows
    PAGE = "page"  # one of the user's own targets


class Attempt(msgspec.Struct, frozen=True):
    """One connection to make."""

    protocol: Protocol
    after: float = 0.0  # seconds to wait first
    timeout: float | None = None  # seconds for the whole answer, where it is less than the usual
    beside: bool = False  # made beside one that is silent: both end together
    patient: bool = False  # a second try, with a longer limit on the TCP handshake
    confirming: bool = False
    ahead: bool = False  # asks again while the first answer is awaited: it counts once that has come
    step: Step = Step.JUDGE
    page: TargetPage | None = None  # of Step.PAGE
    tls_to_proxy: bool = False
