"""What must not be shown: credentials in URLs and in request headers."""

import re
from urllib.parse import urlsplit

HIDDEN = "***"

# Everything else may carry a key under a name that nobody foresaw.
PLAIN_HEADERS = frozenset({"accept", "accept-language", "referer", "user-agent"})

_USERINFO = re.compile(r"^((?:[^/?#]*//)?)[^/?#]*@")
_SECRET_PARAMETER = re.compile(
    r"(?i)([?&;][^=&;#]*(?:key|token|secret|pass|pwd|auth|sig|user)[^=&;#]*=)[^&;#]*"
)


def hide_in_url(url: str) -> str:
    """The URL with user, password and the values of parameters that sound secret replaced by `***`."""
    try:
        _ = urlsplit(url).port
    except ValueError:  # a slash in a password, say: where the secret ends can't be told
        return HIDDEN
    shown = _USERINFO.sub(rf"\1{HIDDEN}@", url)
    if "//" not in url and "@" in shown.removeprefix(f"{HIDDEN}@"):  # `redis:/user:password@host`
        return HIDDEN
    return _SECRET_PARAMETER.sub(rf"\1{HIDDEN}", shown)


def hide_in_header(name: str, value: str) -> str:
    """The value of a request header where it is one that carries no secret, else `***`."""
    return value if name.lower() in PLAIN_HEADERS else HIDDEN
