"""A small DNS server on loopback, for what asks block lists: it answers by a table, over UDP."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.reversename
import dns.rrset

SILENCE = "silence"  # no answer at all
TTL = 60  # seconds
# What every list holds (RFC 5782 section 5): 127.0.0.2, and ::ffff:7f00:2.
IPV4_TEST = "2.0.0.127"
IPV6_TEST = "2.0.0.0.0.0.f.7.f.f.f.f." + ".".join("0" * 20)
TEST_NAMES = (IPV4_TEST, IPV6_TEST)

Answer = list[str] | dns.rcode.Rcode | str  # A records, an error, or SILENCE


class DnsServer(asyncio.DatagramProtocol):
    """Answers with the table's entry for a name; what has none does not exist."""

    def __init__(self) -> None:
        self.table: dict[str, Answer] = {}
        self.asked: Counter[str] = Counter()
        self._transport: Any = None
        self._news = asyncio.Event()

    async def asked_for(self, name: str) -> None:
        """Wait until somebody has asked for a name."""
        while not self.asked[name]:
            self._news.clear()
            await self._news.wait()

    @property
    def port(self) -> int:
        return int(self._transport.get_extra_info("sockname")[1])

    def add_list(self, zone: str, answers: dict[str, Answer], tests: tuple[str, ...] = TEST_NAMES) -> None:
        """A block list with its test entries, and answers by address."""
        self.table |= {f"{test}.{zone}": ["127.0.0.2"] for test in tests}
        self.table |= {name_of(address, zone): answer for address, answer in answers.items()}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, peer: Any) -> None:
        query = dns.message.from_wire(data)
        name = query.question[0].name
        text = name.to_text(omit_final_dot=True)
        self.asked[text] += 1
        self._news.set()
        answer = self.table.get(text, dns.rcode.NXDOMAIN)
        if answer == SILENCE:
            return
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        if isinstance(answer, dns.rcode.Rcode):
            response.set_rcode(answer)
        elif answer:
            response.answer.append(dns.rrset.from_text(name, TTL, "IN", "A", *answer))
        self._transport.sendto(response.to_wire(), peer)


def name_of(address: str, zone: str) -> str:
    """The name of an address in a zone, as the DNS library makes it."""
    origin = dns.name.from_text(zone)
    return dns.reversename.from_address(address, origin, origin).to_text(omit_final_dot=True)


@asynccontextmanager
async def serving_dns(host: str = "127.0.0.1") -> AsyncIterator[DnsServer]:
    """A server that lasts as long as the context."""
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(DnsServer, local_addr=(host, 0))
    try:
        yield server
    finally:
        transport.close()
