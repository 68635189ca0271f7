"""The look-up of names that are dialled without a proxy: bounded, guarded, and its failures named."""

import socket
import threading

import pytest

from eagleray.actors.judge_requests import ask_directly
from eagleray.actors.net import names
from eagleray.actors.net.engine import Engine
from eagleray.actors.tls_target import TlsTargetError, ask_tls_target
from eagleray.pipelines.addresses import Allowed
from eagleray.pipelines.proxies.judging import JudgeError
from eagleray.pipelines.proxies.protocols.target import Target

ALLOWED = Allowed(["127.0.0.0/8"])


@pytest.fixture
def silent_resolver(monkeypatch):
    """A resolver that says nothing for as long as the test lasts."""
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait())
    monkeypatch.setattr(names, "LOOKUP_TIMEOUT", 0.1)
    yield
    over.set()


@pytest.fixture
async def engine():
    engine = Engine(ALLOWED, 10)
    yield engine
    engine.close()


@pytest.mark.usefixtures("silent_resolver")
async def test_a_resolver_that_says_nothing_is_not_waited_for(engine):
    said = r"the resolver has not answered within 0.1 s$"
    with pytest.raises(JudgeError, match=f"^judge http://judge.example/: {said}"):
        await ask_directly("http://judge.example/", engine, ALLOWED)
    with pytest.raises(TlsTargetError, match=f"^{said}"):
        await ask_tls_target(Target("site.example", 443), "", engine, ALLOWED)


@pytest.mark.parametrize("name", ["a" * 64 + ".example", "ü" * 64])
async def test_what_is_no_name(name):
    with pytest.raises(names.NoAddress, match=r"no address for this name \(not a name\)"):
        await names.resolve(name, 80, ALLOWED)


async def test_a_name_without_an_address(monkeypatch):
    def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(names.NoAddress, match=r"no address for this name \(Name or service not known\)"):
        await names.resolve("gone.example", 80, ALLOWED)


async def test_an_address_that_may_not_be_dialled():
    with pytest.raises(names.NoAddress, match=r"`--allow 10\.0\.0\.1` allows it"):
        await names.resolve("10.0.0.1", 80, ALLOWED)


async def test_ipv4_comes_first(monkeypatch):
    found = [(0, 0, 0, "", (address, 80)) for address in ("::1", "127.0.0.9", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    assert await names.resolve("x.example", 80, Allowed(["127.0.0.0/8", "::1/128"])) == "127.0.0.9"
