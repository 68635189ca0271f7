"""Looks up names in the DNS, past the system's hosts file. Takes 0.1 s to import: only for who needs it."""

import dns.asyncresolver
import dns.exception
import dns.resolver

from eagleray.pipelines.proxies.protocols.target import Target

TRY_SECONDS = 1.4  # until a question is sent again: UDP loses some, so twice
TIMEOUT = 3.0  # seconds for a name in all


class DnsClient:
    """Asks one nameserver, or those of the system in their order. Holds no sockets between questions."""

    def __init__(self, nameserver: Target | None) -> None:
        """Read the system's settings, unless `nameserver` is given.

        Raises:
            OSError: the system names no nameserver.
        """
        try:
            self._resolver = dns.asyncresolver.Resolver(configure=nameserver is None)
        except dns.resolver.NoResolverConfiguration as error:
            raise OSError("this system names no nameserver") from error
        if nameserver is not None:
            self._resolver.nameservers = [nameserver.host]
            self._resolver.port = nameserver.port
        self._resolver.timeout = TRY_SECONDS
        self._resolver.lifetime = TIMEOUT

    async def addresses(self, name: str) -> list[str]:
        """The A records of a full name, in the answer's order; none where it has none or does not exist.

        Raises:
            OSError: no answer in time, or one that is an error.
        """
        try:
            answer = await self._resolver.resolve(f"{name}.", "A", raise_on_no_answer=False, search=False)
        except dns.resolver.NXDOMAIN:
            return []
        except dns.exception.Timeout as error:
            raise OSError(f"no answer within {TIMEOUT:g} s") from error
        except dns.resolver.NoNameservers as error:
            raise OSError(last_problem(error)) from error
        except dns.exception.DNSException as error:
            raise OSError(str(error)) from error
        return [record.address for record in answer.rrset or ()]


def last_problem(error: dns.resolver.NoNameservers) -> str:
    """What the last nameserver did: the name of an error code such as SERVFAIL, or what went wrong."""
    problem = error.kwargs["errors"][-1][3]
    if isinstance(problem, str):
        return f"the nameserver answers {problem}"
    return f"the nameserver can't be asked: {problem}"
