"""The one place where a socket to a proxy or a judge is made: guarded, non-blocking, its errors named."""

import errno
import socket

from eagleray.pipelines.addresses import Allowed
from eagleray.pipelines.proxies.outcome import Outcome

STREAM = socket.SOCK_STREAM | socket.SOCK_NONBLOCK
BEGUN = (0, errno.EINPROGRESS)
Socket = socket.SocketType  # without what `socket.socket` adds in Python, which costs as much as the call

LOCAL = {
    errno.EMFILE: "no file descriptor left: raise `ulimit -n`",
    errno.ENFILE: "no file descriptor left on this machine",
    errno.EADDRNOTAVAIL: "no local port left",
    errno.ENOBUFS: "no buffer space left",
    errno.ENOMEM: "no memory left",
    errno.ENETUNREACH: "no route from this machine",
    errno.EACCES: "this machine's firewall refuses",
    errno.EPERM: "this machine's firewall refuses",
}
REMOTE = {
    errno.ECONNREFUSED: Outcome.REFUSED,
    errno.EHOSTUNREACH: Outcome.UNREACHABLE,
    errno.EHOSTDOWN: Outcome.UNREACHABLE,
    errno.ETIMEDOUT: Outcome.CONNECT_TIMEOUT,
}
SHORTAGE = frozenset({errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM})


class DialFailed(Exception):
    """Raised where no connection could be begun."""

    def __init__(self, outcome: Outcome, detail: str, shortage: bool = False) -> None:
        super().__init__(outcome, detail)
        self.outcome = outcome
        self.detail = detail
        self.shortage = shortage  # it may work once other connections have ended


def dial(host: str, port: int, allowed: Allowed) -> Socket:
    """Begin a connection to a literal address; it is made, or fails, later.

    Raises:
        DialFailed: BLOCKED_ADDRESS before a socket exists, or what `connect` said at once.
    """
    if not allowed(host):
        raise DialFailed(Outcome.BLOCKED_ADDRESS, "not a global address, and no allowed range holds it")
    try:
        sock = Socket(socket.AF_INET6 if ":" in host else socket.AF_INET, STREAM)
    except OSError as error:
        raise failed(error.errno or 0) from error
    code = sock.connect_ex((host, port))
    if code not in BEGUN:
        sock.close()
        raise failed(code)
    return sock


def failed(code: int) -> DialFailed:
    """The failure of a call with this errno."""
    return DialFailed(*meaning(code), shortage=code in SHORTAGE)


def meaning(code: int) -> tuple[Outcome, str]:
    """What an errno of `socket` or `connect` means: an outcome, and a word on it."""
    if code in LOCAL:
        return Outcome.LOCAL_RESOURCE, LOCAL[code]
    return REMOTE.get(code, Outcome.RESET), errno.errorcode.get(code, str(code))
