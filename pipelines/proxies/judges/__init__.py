"""The kinds of judges, one file each; the first that knows a direct answer as its own is the judge's kind."""

from eagleray.pipelines.proxies.judges.azenv import Azenv
from eagleray.pipelines.proxies.judges.base import UNREADABLE, JudgeError, Kind
from eagleray.pipelines.proxies.judges.eagleray import Eagleray
from eagleray.pipelines.proxies.judges.httpbin import Httpbin
from eagleray.pipelines.proxies.judges.ip import Ip

KINDS: tuple[type[Kind], ...] = (Eagleray, Httpbin, Azenv, Ip)


def recognized(body: bytes) -> Kind:
    """The kind of the judge that answers directly with `body`.

    Raises:
        JudgeError: none knows it, or the one that does has no use for it.
    """
    for kind in KINDS:
        try:
            return kind(body)
        except JudgeError:
            raise
        except UNREADABLE:
            continue
    raise JudgeError(f"its answer is of no known kind ({', '.join(kind.name for kind in KINDS)})")
