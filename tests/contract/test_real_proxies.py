"""`eagleray check` finds real proxies as what they are."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest


class Case(NamedTuple):
    """A server, how it is started, and what a check must say of it."""

    binary: str
    configuration: Callable[[int], str]
    arguments: Callable[[Path], Sequence[str | Path]]
    protocols: set[str]
    anonymity: str
    credentials: str = ""
    outcome: str = "ok"


def squid(*lines: str) -> Callable[[int], str]:
    common = ["http_access allow all", "cache deny all", "access_log none", "cache_log /dev/null"]
    common += ["pid_filename none", "shutdown_lifetime 0 seconds", "visible_hostname eagleray.test"]
    return lambda port: "\n".join([f"http_port 127.0.0.1:{port}", *common, *lines, ""])


def tinyproxy(*lines: str) -> Callable[[int], str]:
    return lambda port: "\n".join([f"Port {port}", "Listen 127.0.0.1", "Timeout 30", *lines, ""])


def dante(port: int) -> str:
    everyone = "{ from: 0.0.0.0/0 to: 0.0.0.0/0 }"
    methods = "clientmethod: none\nsocksmethod: none\nuser.unprivileged: nobody\n"
    listen = f"logoutput: /dev/null\ninternal: 127.0.0.1 port = {port}\nexternal: lo\n"
    return f"{listen}{methods}client pass {everyone}\nsocks pass {everyone}\n"


def port_only(port: int) -> str:
    """microsocks has no file: the port stands in ours for its arguments to be read from."""
    return str(port)


def microsocks(*options: str) -> Callable[[Path], Sequence[str | Path]]:
    return lambda file: ["-i", "127.0.0.1", "-p", file.read_text(), *options]


def with_file(options: Sequence[str]) -> Callable[[Path], Sequence[str | Path]]:
    return lambda file: [*options, file]


HTTP = {"http", "https"}
CASES = {
    "squid": Case("squid", squid(), with_file(["-N", "-f"]), HTTP, "transparent"),
    "squid, forwarded_for delete": Case(
        "squid", squid("forwarded_for delete"), with_file(["-N", "-f"]), HTTP, "anonymous"
    ),
    "squid, via off": Case(
        "squid", squid("forwarded_for delete", "via off"), with_file(["-N", "-f"]), HTTP, "elite"
    ),
    "tinyproxy": Case("tinyproxy", tinyproxy(), with_file(["-d", "-c"]), HTTP, "anonymous"),
    "tinyproxy, no Via": Case(
        "tinyproxy", tinyproxy("DisableViaHeader Yes"), with_file(["-d", "-c"]), HTTP, "elite"
    ),
    "tinyproxy, XTinyproxy": Case(
        "tinyproxy", tinyproxy("XTinyproxy Yes"), with_file(["-d", "-c"]), HTTP, "transparent"
    ),
    "tinyproxy, password": Case(
        "tinyproxy", tinyproxy("BasicAuth u p"), with_file(["-d", "-c"]), HTTP, "anonymous", "u:p@"
    ),
    "tinyproxy, no password given": Case(
        "tinyproxy", tinyproxy("BasicAuth u p"), with_file(["-d", "-c"]), set(), "", "", "auth_required"
    ),
    "microsocks": Case("microsocks", port_only, microsocks(), {"socks5"}, "elite"),
    "microsocks, password": Case(
        "microsocks", port_only, microsocks("-u", "u", "-P", "p"), {"socks5"}, "elite", "u:p@"
    ),
    "microsocks, wrong password": Case(
        "microsocks", port_only, microsocks("-u", "u", "-P", "p"), set(), "", "u:x@", "auth_failed"
    ),
    "dante": Case("danted", dante, with_file(["-f"]), {"socks4", "socks5"}, "elite"),
}


def check(endpoint: str, judge: str) -> dict[str, Any]:
    """The one line that `eagleray check --all` writes."""
    command = [sys.executable, "-m", "eagleray", "check", endpoint, "--judge", judge]
    command += ["--allow", "127.0.0.0/8", "--all", "--format", "ndjson", "--timeout", "5"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (0 if report["alive"] else 1)
    return report


@pytest.mark.parametrize("kind", ["eagleray", "httpbin"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_verdict(case: Case, kind: str, judge: str, start: Callable[..., int]) -> None:
    port = start(case.binary, case.configuration, case.arguments)

    report = check(f"{case.credentials}127.0.0.1:{port}", judge if kind == "eagleray" else f"{judge}get")

    working = {name for name, result in report["protocols"].items() if result["outcome"] == "ok"}
    assert (report["outcome"], working) == (case.outcome, case.protocols)
    assert (report["anonymity"] or "") == case.anonymity
    assert (report["exit_ip"] or "") == ("127.0.0.1" if case.protocols else "")
    assert report["confirmed"] is bool(case.protocols)
