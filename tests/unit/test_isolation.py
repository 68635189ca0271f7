import asyncio
import socket

import pytest


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6], ids=["IPv4", "IPv6"])
def test_a_unit_test_cannot_make_a_network_socket(family):
    with pytest.raises(pytest.fail.Exception, match="network socket"):
        socket.socket(family)


async def test_a_unit_test_cannot_connect():
    with pytest.raises(pytest.fail.Exception, match="network socket"):
        await asyncio.open_connection("127.0.0.1", 9)
