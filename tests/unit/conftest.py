"""Unit tests can start neither Ray nor a network, and feed parsers in every chunking."""

import socket
import sys
from collections.abc import Iterator

import pytest
import urllib3  # noqa: F401 (ClickHouse's client brings it; it tries out a socket when it is first imported)
from hypothesis import settings

# A busy machine is no failure, and nothing is kept between runs.
settings.register_profile("eagleray", deadline=None, database=None, max_examples=100)
settings.load_profile("eagleray")


class NoNetwork(socket.socket):
    """A socket class for local pairs only: an event loop wakes itself up through one."""

    def __init__(self, family=-1, *arguments, **options):
        if family in (-1, socket.AF_INET, socket.AF_INET6):
            pytest.fail("a unit test made a network socket")
        super().__init__(family, *arguments, **options)


@pytest.fixture(autouse=True)
def _neither_ray_nor_network(monkeypatch):
    monkeypatch.setattr(socket, "socket", NoNetwork)
    if ray := sys.modules.get("ray"):
        monkeypatch.setattr(ray, "init", lambda *_, **__: pytest.fail("a unit test started Ray"))


def whole(data: bytes) -> Iterator[bytes]:
    if data:
        yield data


def byte_by_byte(data: bytes) -> Iterator[bytes]:
    return (data[at : at + 1] for at in range(len(data)))


@pytest.fixture(params=[whole, byte_by_byte], ids=["whole", "byte by byte"])
def chunking(request):
    """Cuts bytes into the chunks in which they arrive."""
    return request.param
