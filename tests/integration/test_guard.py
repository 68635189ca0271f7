"""The dial guard in the real engine: what it refuses is never dialled, whoever names it and when."""

import socket

import pytest

import eagleray
from eagleray.pipelines.proxies.outcome import Outcome

NAME = "judge.example"
RULES = eagleray.CheckRules(timeout=3.0, confirm_after=0.05)
HERE = "127.0.0.1"


@pytest.fixture
def resolving(monkeypatch):
    """`resolving(*answers)`: the judge's name means one list of addresses after the other.

    Stands in for a name server that changes its mind, which no real one can be made to do here.
    """
    real = socket.getaddrinfo

    def resolving(*answers: list[str]) -> list[str]:
        asked: list[str] = []

        def getaddrinfo(host, port, *rest, **options):
            if host != NAME:
                return real(host, port, *rest, **options)
            found = answers[min(len(asked), len(answers) - 1)]
            asked.append(host)
            return [answer(address, port) for address in found]

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        return asked

    return resolving


def answer(address: str, port: int):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return (family, socket.SOCK_STREAM, 6, "", (address, port))


async def check(endpoints, judge, allow, rules=RULES) -> list[eagleray.CheckReport]:
    reports = eagleray.check(endpoints, judge=judge, allow=allow, rules=rules, concurrency=4)
    return [report async for report in reports]


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "0.0.0.0",
        "169.254.169.254",
        "224.0.0.1",
        "::1",
        "::",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::1",
        "fe80::1",
        "fd00::1",
    ],
)
async def test_a_judge_whose_name_means_a_private_address_is_refused(resolving, hostile, address):
    resolving([address])
    port, before = hostile.ready.ports["good"], connections(hostile)
    with pytest.raises(eagleray.JudgeError, match="not a global address"):
        await check([], f"http://{NAME}:{port}/", [])
    assert connections(hostile) == before + 1


async def test_of_several_addresses_only_one_that_is_allowed_is_dialled(resolving, hostile):
    resolving(["10.0.0.1", HERE, "::1"])
    (report,) = await check([good(hostile)], named(hostile), [f"{HERE}/32"])
    assert report.outcome is Outcome.OK


async def test_a_name_that_changes_its_mind_changes_nothing(resolving, hostile):
    """Rebinding: only the first answer counts, and it alone was guarded."""
    asked = resolving([HERE], ["10.0.0.1"])
    reports = await check([good(hostile)] * 3, named(hostile), [f"{HERE}/32"])
    assert [report.outcome for report in reports] == [Outcome.OK] * 3
    assert asked == [NAME]


async def test_an_endpoint_outside_of_what_is_allowed_is_not_dialled(hostile):
    port, before = hostile.ready.ports["good"], connections(hostile)
    endpoints = [f"127.0.0.2:{port}", f"[::ffff:127.0.0.1]:{port}", f"[::1]:{port}", "169.254.169.254:80"]
    reports = await check(endpoints, hostile.ready.judge, [f"{HERE}/32"])
    assert [report.outcome for report in reports] == [Outcome.BLOCKED_ADDRESS] * len(endpoints)
    assert connections(hostile) == before + 1


async def test_a_redirect_is_not_followed(hostile):
    candidate, before = hostile.candidate("redirect_to_itself"), hostile.tallies()["redirect_to_itself"]
    rules = eagleray.CheckRules(types=frozenset({eagleray.Protocol.HTTP}))
    (report,) = await check([candidate], hostile.ready.judge, [hostile.ready.allow], rules)
    assert report.outcome is Outcome.NOT_A_PROXY
    assert hostile.tallies()["redirect_to_itself"].connections == before.connections + 1


def connections(hostile) -> int:
    """How many the good server has had up to now, with one more: it takes them in their order."""
    with socket.create_connection((HERE, hostile.ready.ports["good"])) as last:
        last.shutdown(socket.SHUT_WR)
        assert last.recv(1) == b""
    return hostile.tallies()["good"].connections


def good(hostile) -> str:
    return f"{HERE}:{hostile.ready.ports['good']}"


def named(hostile) -> str:
    """The judge's URL with a name for its address."""
    return hostile.ready.judge.replace(HERE, NAME)
