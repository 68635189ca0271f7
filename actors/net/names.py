"""The look-up of a name by the system's resolver, for what is dialled without a proxy."""

import asyncio
import socket
from functools import partial

from eagleray.actors.daemon import in_daemon_thread
from eagleray.pipelines.addresses import Allowed

LOOKUP_TIMEOUT = 3.0  # seconds; without a network some resolvers try for half a minute


class NoAddress(Exception):
    """Raised where a name has no address that may be dialled; says why."""


async def resolve(host: str, port: int, allowed: Allowed) -> str:
    """An address of `host` that may be dialled, IPv4 first: SOCKS4 knows nothing else.

    Raises:
        NoAddress: there is none, or the resolver does not answer.
    """
    look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    try:
        async with asyncio.timeout(LOOKUP_TIMEOUT):
            found = await in_daemon_thread(look_up)
    except TimeoutError as error:
        raise NoAddress(f"the resolver has not answered within {LOOKUP_TIMEOUT:g} s") from error
    except (OSError, UnicodeError) as error:  # a label beyond 63 characters is the codec's error
        raise NoAddress(f"no address for this name ({getattr(error, 'strerror', 'not a name')})") from error
    addresses = sorted({str(info[4][0]) for info in found}, key=lambda address: ":" in address)
    for address in addresses:
        if allowed(address):
            return address
    raise NoAddress(f"{addresses[0]} is not a global address; `--allow {addresses[0]}` allows it")
