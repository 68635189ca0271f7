"""`eagleray doctor`: what this machine and the configuration lack, and what to do about it."""

import asyncio
import os
import resource
import shutil
import sys
from collections.abc import Sequence
from contextlib import suppress
from enum import StrEnum
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import typer

from eagleray.cluster.cli.config import ConfigOption, JsonOption, read_settings
from eagleray.cluster.cli.console import Exit, print_json
from eagleray.pipelines.addresses import Allowed
from eagleray.pipelines.proxies.judging import Judge, JudgeError
from eagleray.pipelines.secrets import hide_in_url

if TYPE_CHECKING:
    from eagleray.actors.sinks.registry import StoreUrl
    from eagleray.cluster.settings import Settings

# 15 000 connections in flight for each checker, and room for lists, stores and Ray's own.
WANTED_DESCRIPTORS = 20_000
LEAST_DESCRIPTORS = 1024
WANTED_PORTS = 20_000  # Linux's default range has 28 232
WANTED_CONNTRACK = 131_072  # a SYN without an answer stays for 120 s: a sweep of 100 000 leaves that many
WANTED_FREE = 1 << 30  # bytes: the log and a store of a million endpoints
LEAST_FREE = 64 << 20  # bytes: one segment of the log

PROC = Path("/proc/sys/net")


class Status(StrEnum):
    """How serious a finding is: `warn` makes Eagleray slower or less exact, `fail` keeps it from working."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Finding(NamedTuple):
    """One thing that was looked at."""

    name: str
    status: Status
    detail: str
    advice: str = ""  # what to do unless all is well


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor")(doctor)


def doctor(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Look for what keeps Eagleray from working well here: one line each, with what to do."""
    findings = examine(read_settings(config))
    if as_json:
        print_json({"findings": [finding._asdict() for finding in findings]})
    else:
        for finding in findings:
            sys.stdout.write(line(finding))
    failed = any(finding.status is Status.FAIL for finding in findings)
    raise typer.Exit(Exit.NOTHING_ALIVE if failed else Exit.DONE)


def line(finding: Finding) -> str:
    """A finding for people."""
    advice = f"; {finding.advice}" if finding.advice and finding.status is not Status.OK else ""
    return f"{finding.status:<4}  {finding.name}: {finding.detail}{advice}\n"


def examine(settings: "Settings") -> list[Finding]:
    """Everything that can be looked at without a cluster."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return [
        descriptors(soft, hard),
        ports(read_numbers("ipv4/ip_local_port_range")),
        reuse(read_numbers("ipv4/tcp_tw_reuse")),
        conntrack(read_numbers("netfilter/nf_conntrack_max")),
        directory(settings.data_dir),
        *map(store, settings.store_urls()),
        *asyncio.run(judges(settings.pipelines.proxies.judges, Allowed(settings.pipelines.proxies.allow))),
        library("ray", Status.FAIL),
        library("uvloop", Status.WARN),
    ]


def read_numbers(name: str) -> list[int] | None:
    """The numbers in a file below /proc/sys/net; None where the kernel has no such file."""
    try:
        return [int(word) for word in (PROC / name).read_text().split()]
    except (OSError, ValueError):
        return None


def descriptors(soft: int, hard: int) -> Finding:
    """Open files of a process: each connection in flight is one."""
    # Eagleray lifts its own soft limit as far as it may.
    reach = sys.maxsize if hard == resource.RLIM_INFINITY else hard
    status = Status.OK if reach >= WANTED_DESCRIPTORS else Status.WARN
    if reach < LEAST_DESCRIPTORS:
        status = Status.FAIL
    advice = (
        f"raise the hard limit to {WANTED_DESCRIPTORS} (`ulimit -Hn`, LimitNOFILE=, docker --ulimit nofile)"
    )
    shown = "unlimited" if hard == resource.RLIM_INFINITY else hard
    return Finding("descriptors", status, f"soft {soft}, hard {shown}, wanted {WANTED_DESCRIPTORS}", advice)


def ports(span: list[int] | None) -> Finding:
    """Local ports for outgoing connections; they bound the connections to one destination."""
    if span is None or len(span) != 2:
        return Finding(
            "ephemeral ports", Status.WARN, "the range is unknown", "look for your system's setting"
        )
    count = span[1] - span[0] + 1
    status = Status.OK if count >= WANTED_PORTS else Status.WARN
    advice = "`sysctl net.ipv4.ip_local_port_range='10240 65535'`"
    return Finding("ephemeral ports", status, f"{span[0]}-{span[1]}, {count} ports", advice)


def reuse(value: list[int] | None) -> Finding:
    """Reuse of ports in TIME_WAIT for outgoing connections (Linux ip-sysctl): 0 off, 1 on, 2 loopback."""
    if value is None:
        return Finding("tcp_tw_reuse", Status.OK, "not a setting of this system")
    status = Status.WARN if value == [0] else Status.OK
    return Finding("tcp_tw_reuse", status, str(value[0]), "`sysctl net.ipv4.tcp_tw_reuse=1`")


def conntrack(value: list[int] | None) -> Finding:
    """The firewall's table of connections: where it is full, SYNs are dropped and good proxies look dead."""
    if value is None:
        return Finding("conntrack", Status.OK, "no table of connections here")
    status = Status.OK if value[0] >= WANTED_CONNTRACK else Status.WARN
    advice = f"`sysctl net.netfilter.nf_conntrack_max={WANTED_CONNTRACK}`"
    return Finding("conntrack", status, f"room for {value[0]} connections, wanted {WANTED_CONNTRACK}", advice)


def directory(path: Path) -> Finding:
    """The data directory, or the nearest folder above it that exists: writable, with room."""
    existing = next(
        folder for folder in (path.absolute(), *path.absolute().parents) if os.access(folder, os.F_OK)
    )
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        advice = f"make {existing} a folder that you may write to, or set data_dir"
        return Finding("data directory", Status.FAIL, f"{path} can't be written", advice)
    free = shutil.disk_usage(existing).free
    status = Status.OK if free >= WANTED_FREE else Status.WARN if free >= LEAST_FREE else Status.FAIL
    return Finding(
        "data directory", status, f"{path}, {free >> 20} MiB free", "free some space, or set data_dir"
    )


def store(where: "StoreUrl") -> Finding:
    """Whether a store answers; a file that is not there yet is made by the first run."""
    from eagleray.actors.sinks.base import StoreUnavailable
    from eagleray.cluster.stores import health, is_there

    name = f"store {where.name}"
    with suppress(StoreUnavailable):  # `health` says it
        if not is_there(where):
            return Finding(name, Status.OK, "the first run makes it")
    found = health(where)
    if found.error:
        return Finding(
            name, Status.FAIL, found.error.rstrip("."), "its rows wait in the log until it answers"
        )
    return Finding(name, Status.OK, f"answers in {found.milliseconds:.0f} ms")


async def judges(urls: Sequence[str], allowed: Allowed) -> list[Finding]:
    """Whether each judge answers us directly, and as what. Checks do without some of them, not all."""
    from eagleray.actors.judge_requests import ask_directly
    from eagleray.actors.net.engine import Engine

    if not urls:
        return [Finding("judges", Status.FAIL, "none is configured", "set pipelines.proxies.judges")]
    engine = Engine(allowed, len(urls))
    asked = [ask_directly(url, engine, allowed) for url in urls]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    engine.close()
    worst = Status.FAIL if all(isinstance(answer, JudgeError) for answer in answers) else Status.WARN
    return [judge(url, answer, worst) for url, answer in zip(urls, answers, strict=True)]


def judge(url: str, answer: Judge | BaseException, worst: Status) -> Finding:
    """One judge, by its answer or the lack of one."""
    name = f"judge {hide_in_url(url)}"
    if isinstance(answer, JudgeError):
        advice = "look at your network, or run `eagleray judge` and configure that one"
        return Finding(name, worst, str(answer).removeprefix(f"{name}: "), advice)
    if isinstance(answer, BaseException):
        raise answer
    return Finding(name, Status.OK, f"answers (kind {answer.kind})")


def library(name: str, missing: Status) -> Finding:
    """Whether a library can be imported, and its version."""
    try:
        import_module(name)
        return Finding(name, Status.OK, version(name))
    except (ImportError, PackageNotFoundError) as error:
        return Finding(
            name, missing, f"can't be imported ({error})", "install Eagleray again: `make install`"
        )
