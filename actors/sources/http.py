"""A document by GET over HTTP(S), bounded in time, in size and in where it may lead."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from eagleray.actors.daemon import in_daemon_thread
from eagleray.actors.sources.base import (
    BadStatus,
    BlockedAddress,
    Dialable,
    SourceSettings,
    TimedOut,
    TooLarge,
    TooManyRedirects,
    Unreachable,
)
from eagleray.pipelines.document import Document
from eagleray.pipelines.secrets import hide_in_url

MAX_REDIRECTS = 5  # browsers follow 20; a list that needs more than 5 is broken
CHUNK = 1 << 16  # bytes by which a body is read and counted
REDIRECTS = frozenset({301, 302, 303, 307, 308})
LOOPBACK = ("127.0.0.1", "::1")
USER_AGENT = {"User-Agent": "eagleray"}


class HttpSource:
    """Fetches one URL.

    Every dial is guarded. The address that the configured URL names literally is the user's own wish and is
    allowed at its port; what a name resolves to and where a redirect leads is not.
    """

    def __init__(self, settings: SourceSettings, allowed: Dialable) -> None:
        assert settings.url is not None
        self._settings = settings
        self._url = settings.url
        self._allowed = allowed

    async def documents(self) -> AsyncIterator[Document]:
        """The body that the URL answers with.

        Raises:
            SourceError: BlockedAddress, Unreachable, TimedOut, BadStatus, TooLarge or TooManyRedirects.
        """
        guard: Guard | None = None
        try:
            guard = Guard(URL(self._url), self._allowed)
            async with asyncio.timeout(self._settings.timeout):
                document = await self._fetch(guard)
        except TimeoutError:
            raise TimedOut(f"no whole answer within {self._settings.timeout:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            if guard and guard.refused:
                raise BlockedAddress(
                    f"{guard.refused} is not a global address; --allow opens a range"
                ) from None
            raise Unreachable(reason(error)) from None
        yield document

    async def _fetch(self, guard: "Guard") -> Document:
        connector = aiohttp.TCPConnector(
            resolver=DaemonResolver(), socket_factory=guard, use_dns_cache=False, force_close=True
        )
        unlimited = aiohttp.ClientTimeout(total=None)  # documents() bounds the whole
        async with aiohttp.ClientSession(connector=connector, timeout=unlimited) as session:
            url, headers = URL(self._url), USER_AGENT | self._settings.headers
            for _ in range(MAX_REDIRECTS + 1):
                async with session.get(url, headers=headers, allow_redirects=False) as response:
                    if response.status not in REDIRECTS:
                        return await self._document(response)
                    target = url.join(URL(response.headers.get("Location", "")))
                # aiohttp would send an API key on to whoever the server points at.
                url, headers = target, headers if target.origin() == url.origin() else USER_AGENT
            raise TooManyRedirects(f"more than {MAX_REDIRECTS} redirects")

    async def _document(self, response: aiohttp.ClientResponse) -> Document:
        if response.status != 200:
            raise BadStatus(f"HTTP status {response.status}")
        body = bytearray()
        async for chunk in response.content.iter_chunked(CHUNK):
            body += chunk
            if len(body) > self._settings.max_bytes:
                raise TooLarge(f"more than {self._settings.max_bytes} bytes")
        return Document(
            self._settings.name, hide_in_url(self._url), bytes(body), response.content_type, time.time()
        )


class DaemonResolver(AbstractResolver):
    """Looks names up in daemon threads: a silent name server delays neither others nor the exit."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a host.

        Raises:
            OSError: it has none.
        """
        infos = await in_daemon_thread(
            lambda: socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
        )
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=port,
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST,
            )
            for kind, _, protocol, _, address in infos
        ]

    async def close(self) -> None:
        """Nothing is held."""


class Guard:
    """Makes the sockets of a fetch: only for addresses that may be dialled, so that no other sees a SYN."""

    def __init__(self, url: URL, allowed: Dialable) -> None:
        hosts = LOOPBACK if url.host == "localhost" else (url.host,)
        self._own = {(host, url.port) for host in hosts}
        self._allowed = allowed
        self.refused = ""  # the last address that was refused

    def __call__(self, info: tuple[Any, ...]) -> socket.socket:
        """A socket for an entry of `getaddrinfo`.

        Raises:
            PermissionError: its address may not be dialled.
        """
        family, kind, protocol, _, (host, port, *_) = info
        if (host, port) not in self._own and not self._allowed(host):
            self.refused = host
            raise PermissionError("blocked address")
        return socket.socket(family, kind, protocol)


def reason(error: Exception) -> str:
    """What went wrong, without the URL: it may hold a secret."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return "the server's certificate is not to be trusted"
    if isinstance(error, aiohttp.ClientConnectorError):
        return error.os_error.strerror or "the connection failed"
    if isinstance(error, aiohttp.InvalidURL):
        return "the server redirects to what is no http:// or https:// URL"
    return getattr(error, "strerror", None) or f"the exchange failed ({type(error).__name__})"
