"""How a check ended: a closed vocabulary. A dead proxy is a value, not an exception."""

from enum import StrEnum

from eagleray.pipelines.charge import UNDECIDED, Charge


class Outcome(StrEnum):
    """One way for a check to end, with whom it is charged to."""

    charge: Charge
    meaning: str
    code: int  # by which the frontier counts it: not kept anywhere, so that members may be added

    def __new__(cls, value: str, charge: Charge, meaning: str) -> "Outcome":
        """Build a member that is its own name on the wire and carries its charge, meaning and code."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.charge = charge
        member.meaning = meaning
        member.code = len(cls.__members__) + (UNDECIDED if charge is Charge.SELF else 1)
        return member

    OK = (
        "ok",
        Charge.SUBJECT,
        "The judge saw our request through the proxy and its answer came back whole.",
    )
    REFUSED = "refused", Charge.SUBJECT, "Nothing listens on the port: the connection was refused."
    UNREACHABLE = (
        "unreachable",
        Charge.SUBJECT,
        "The network says that there is no way to the host.",
    )
    CONNECT_TIMEOUT = (
        "connect_timeout",
        Charge.SUBJECT,
        "No answer to the SYN within the connect timeout.",
    )
    RESET = "reset", Charge.SUBJECT, "The connection was reset after it had been made."
    CLOSED = "closed", Charge.SUBJECT, "The connection was closed before the answer was whole."
    TIMEOUT = "timeout", Charge.SUBJECT, "Connected, but the answer did not come in time."
    MALFORMED = "malformed", Charge.SUBJECT, "The answer breaks the protocol that was spoken."
    OVERSIZED = "oversized", Charge.SUBJECT, "The answer exceeds a bound on headers or body."
    NOT_A_PROXY = (
        "not_a_proxy",
        Charge.SUBJECT,
        "A well-formed answer, but not our judge's: the nonce or the proof is missing, "
        "or something was changed that the proof covers.",
    )
    AUTH_REQUIRED = (
        "auth_required",
        Charge.SUBJECT,
        "The proxy asks for credentials and we have none.",
    )
    AUTH_FAILED = "auth_failed", Charge.SUBJECT, "The proxy turned our credentials down."
    FORBIDDEN = "forbidden", Charge.SUBJECT, "The proxy's rules forbid this request."
    REFUSED_BY_PROXY = (
        "refused_by_proxy",
        Charge.SUBJECT,
        "The proxy speaks the protocol but did not reach the judge.",
    )
    UNCONFIRMED = (
        "unconfirmed",
        Charge.SUBJECT,
        "The first request succeeded, the second on a new connection did not.",
    )
    TAMPERED = (
        "tampered",
        Charge.SUBJECT,
        "The proxy changed the judge's known page on its way; what it put in is kept.",
    )
    TLS_FAILED = (
        "tls_failed",
        Charge.SUBJECT,
        "The TLS handshake failed, with the proxy itself or with a target through it.",
    )
    TLS_INTERCEPTED = (
        "tls_intercepted",
        Charge.SUBJECT,
        "Through the proxy the TLS target shows a certificate that is not its own; the certificate is kept.",
    )
    TARGET_MISMATCH = (
        "target_mismatch",
        Charge.SUBJECT,
        "One of the user's own targets answered, but not as its rules want it.",
    )
    BLOCKED_ADDRESS = (
        "blocked_address",
        Charge.SOURCE,
        "The dial guard refused the address: not global and not allowed.",
    )
    JUDGE_UNAVAILABLE = (
        "judge_unavailable",
        Charge.SELF,
        "The judge does not answer directly, so nothing can be said.",
    )
    LOCAL_RESOURCE = (
        "local_resource",
        Charge.SELF,
        "This machine ran short of descriptors, ports or memory.",
    )
    SUSPENDED = (
        "suspended",
        Charge.SELF,
        "This process stood still for some seconds, again and again: its connections tell nothing.",
    )
    INTERNAL_ERROR = (
        "internal_error",
        Charge.SELF,
        "Eagleray itself failed in the middle of the check.",
    )


OK = (
    Outcome.OK
)  # for what every check passes through: a member looked up in its class costs ten times as much
