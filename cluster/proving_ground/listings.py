"""The lists that the proving ground's sources serve: the world's endpoints as public lists name them.

Labels are wrong at times, entries come twice, and among them are rubbish and addresses that nobody may dial.
"""

import json
import random
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from eagleray.cluster.proving_ground.world import Truth
from eagleray.pipelines.proxies.model import Protocol

WRONG_LABEL = 0.15  # share of live endpoints whose label names a protocol that they do not speak
SECOND_LIST = 0.3  # share of the endpoints that a second list names too
TWICE = 0.05  # share of a list's entries that it names again

CLAIMS_OF_DEAD = {Protocol.HTTP: 60, Protocol.HTTPS: 10, Protocol.SOCKS4: 15, Protocol.SOCKS5: 15}

# Private, link-local, documentation: never to be dialled. And what is no address with a port at all.
FORBIDDEN = ("10.0.0.1:8080", "192.168.1.1:3128", "172.16.0.5:1080", "169.254.169.254:80", "192.0.2.1:8080")
RUBBISH = (
    "<td>n/a</td>",
    "127.1.2.300:8080",
    "127.1.2.3:99999",
    "127.1.2.3",
    "proxy.invalid",
    ":8080",
    "-----",
)
COMMENTS = ("# free proxies, checked every hour", "", "// see also the other lists")


class Entry(NamedTuple):
    """An endpoint as a list names it."""

    ip: str
    port: int
    claim: Protocol


class Listing(NamedTuple):
    """One list, as one source serves it."""

    name: str
    path: str
    protocols: tuple[Protocol, ...]  # what the whole list is said to hold; empty where entries say it
    content_type: str
    body: bytes


class Style(NamedTuple):
    """How a list is written and which entries belong in it."""

    name: str
    path: str
    protocols: tuple[Protocol, ...]
    takes: frozenset[Protocol]
    write: Callable[[random.Random, Sequence[Entry]], str]


def claim_for(rng: random.Random, truth: Truth) -> Protocol:
    """The label of an endpoint: for a live one mostly a protocol that works, for a dead one any."""
    if truth.alive and rng.random() >= WRONG_LABEL:
        return rng.choice(sorted(truth.protocols))
    return rng.choices(list(CLAIMS_OF_DEAD), list(CLAIMS_OF_DEAD.values()))[0]


def mingled(rng: random.Random, lines: Sequence[str]) -> str:
    """Lines with comments, rubbish, forbidden addresses and repetitions at random places among them."""
    extra = [*RUBBISH, *FORBIDDEN, *COMMENTS, *rng.sample(lines, int(TWICE * len(lines)))]
    mixed = [*lines, *extra]
    rng.shuffle(mixed)
    return "\n".join(mixed) + "\n"


def plain(rng: random.Random, entries: Sequence[Entry]) -> str:
    """`ip:port` a line."""
    return mingled(rng, [f"{entry.ip}:{entry.port}" for entry in entries])


def labelled(rng: random.Random, entries: Sequence[Entry]) -> str:
    """`scheme://ip:port` a line."""
    return mingled(rng, [f"{entry.claim}://{entry.ip}:{entry.port}" for entry in entries])


def objects(rng: random.Random, entries: Sequence[Entry], write: Callable[[Entry], Any]) -> list[Any]:
    """Entries as JSON objects, some twice, with forbidden ones and things that are no entries among them."""
    forbidden = [
        Entry(host, int(port), Protocol.HTTP) for host, port in (text.split(":") for text in FORBIDDEN)
    ]
    again = rng.sample(entries, int(TWICE * len(entries)))
    mixed = [*map(write, [*entries, *again, *forbidden]), {"ip": "127.1.2.3"}, {"port": 80}, None, "-----"]
    rng.shuffle(mixed)
    return mixed


def geonode(rng: random.Random, entries: Sequence[Entry]) -> str:
    """The shape of geonode's API: ports as text, a list of protocols."""
    data = objects(rng, entries, lambda e: {"ip": e.ip, "port": str(e.port), "protocols": [e.claim]})
    return json.dumps({"data": data, "total": len(data), "page": 1})


def proxyscrape(rng: random.Random, entries: Sequence[Entry]) -> str:
    """The shape of ProxyScrape's API, version 4: one protocol and a flag for TLS."""

    def write(entry: Entry) -> dict[str, object]:
        tls = entry.claim is Protocol.HTTPS
        return {"ip": entry.ip, "port": entry.port, "protocol": entry.claim, "ssl": tls}

    return json.dumps({"proxies": objects(rng, entries, write)})


def proxifly(rng: random.Random, entries: Sequence[Entry]) -> str:
    """The shape of proxifly's list: an array whose members also hold the URL."""

    def write(entry: Entry) -> dict[str, object]:
        url = f"{entry.claim}://{entry.ip}:{entry.port}"
        return {"proxy": url, "protocol": entry.claim, "ip": entry.ip, "port": entry.port}

    return json.dumps(objects(rng, entries, write))


ANY = frozenset(Protocol)
SOCKS = frozenset({Protocol.SOCKS4, Protocol.SOCKS5})
STYLES = (
    Style("plain", "/http.txt", (Protocol.HTTP,), ANY - SOCKS, plain),
    Style("labelled", "/socks.txt", (), SOCKS, labelled),
    Style("geonode", "/data.json", (), ANY, geonode),
    Style("proxyscrape", "/proxies.json", (), ANY, proxyscrape),
    Style("proxifly", "/list.json", (), ANY, proxifly),
)


def listings(world: Sequence[Truth], seed: int) -> list[Listing]:
    """The lists of a world: every endpoint is in one of them, some are in two."""
    rng = random.Random(seed)  # noqa: S311 - a reproducible world, not a secret
    entries: dict[str, list[Entry]] = {style.name: [] for style in STYLES}
    for truth in world:
        for _ in range(2 if rng.random() < SECOND_LIST else 1):
            claim = claim_for(rng, truth)
            style = rng.choice([style for style in STYLES if claim in style.takes])
            entries[style.name].append(Entry(truth.ip, truth.port, claim))
    return [listing(rng, style, entries[style.name]) for style in STYLES]


def listing(rng: random.Random, style: Style, entries: Sequence[Entry]) -> Listing:
    """One list, written in its style."""
    content_type = "application/json" if style.path.endswith(".json") else "text/plain"
    body = style.write(rng, entries).encode()
    return Listing(style.name, style.path, style.protocols, content_type, body)
