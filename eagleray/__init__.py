"""Eagleray: a pool of live, proven public proxies.

`async for report in eagleray.check(["203.0.113.7:8080"], judge="http://judge.example/")` checks endpoints in
this process. Names are imported at their first use, so that `import eagleray` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eagleray.cluster.checking import check
    from eagleray.pipelines.proxies.check_rules import CheckRules, Depth
    from eagleray.pipelines.proxies.judging import JudgeError
    from eagleray.pipelines.proxies.model import (
        Anonymity,
        Candidate,
        CheckReport,
        Credentials,
        Endpoint,
        Protocol,
        ProtocolReport,
    )
    from eagleray.pipelines.proxies.outcome import Outcome

__all__ = [
    "Anonymity",
    "Candidate",
    "CheckReport",
    "CheckRules",
    "Credentials",
    "Depth",
    "Endpoint",
    "JudgeError",
    "Outcome",
    "Protocol",
    "ProtocolReport",
    "check",
]

HOMES = {
    "check": "cluster.checking",
    "CheckRules": "pipelines.proxies.check_rules",
    "Depth": "pipelines.proxies.check_rules",
    "JudgeError": "pipelines.proxies.judging",
    "Outcome": "pipelines.proxies.outcome",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'eagleray' has no attribute {name!r}")
    found = getattr(import_module(f"eagleray.{HOMES.get(name, 'pipelines.proxies.model')}"), name)
    globals()[name] = found  # so that it is asked for once
    return found
