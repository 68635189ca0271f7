"""DNS block lists, asked of a real small nameserver on loopback."""

import asyncio
import socket

import dns.rcode
import pytest
import uvloop

import eagleray
from eagleray import CheckRules
from eagleray.actors import dns_client, dnsbl
from eagleray.actors.dnsbl import BlockLists, Kept, open_block_lists
from eagleray.cluster.proving_ground import read_truth
from eagleray.cluster.proving_ground.world import Kind
from eagleray.pipelines.addresses import Allowed
from eagleray.pipelines.proxies.check_rules import Depth
from eagleray.pipelines.proxies.protocols.target import Target
from tests.dns_server import IPV4_TEST, IPV6_TEST, SILENCE, name_of, serving_dns

A, B = "1.1.1.1", "2606:4700::1111"  # global ones; nobody but the server on loopback hears of them
GLOBAL = Allowed()
NO_IPV4 = "it does not list 127.0.0.2, as each list of IPv4 addresses does"
NO_IPV6 = "it does not list ::ffff:127.0.0.2, as each list of IPv6 addresses does"


@pytest.fixture
async def server():
    async with serving_dns() as serving:
        yield serving


@pytest.fixture
async def opened(server):
    """`await opened(*zones)`: block lists that ask the server."""
    made = []

    async def start(*zones, allowed=GLOBAL, warn=None):
        lists = BlockLists(zones, Target("127.0.0.1", server.port), allowed)
        made.append(lists)
        await lists.start(warn)
        return lists

    yield start
    for lists in made:
        await lists.close()


@pytest.fixture
def impatient(monkeypatch):
    """Silence is known after 1 s."""
    monkeypatch.setattr(dns_client, "TRY_SECONDS", 0.25)
    monkeypatch.setattr(dns_client, "TIMEOUT", 1.0)


ANSWERS = {
    "listed": (["127.0.0.2"], "127.0.0.2"),
    "several codes": (["127.0.0.11", "127.0.0.4"], "127.0.0.4,127.0.0.11"),
    "no such name": (dns.rcode.NXDOMAIN, ""),
    "no A record": ([], ""),
    "failure": (dns.rcode.SERVFAIL, "unknown: the nameserver answers SERVFAIL"),
    "refused": (dns.rcode.REFUSED, "unknown: the nameserver answers REFUSED"),
    "silence": (SILENCE, "unknown: no answer within 1 s"),
    "public resolver": (
        ["127.255.255.254"],
        "unknown: the list refuses to answer, 127.255.255.254: it was asked through a public resolver",
    ),
    "made up": (
        ["198.51.100.1"],
        "unknown: 198.51.100.1 is no list's answer: the resolver makes up its own",
    ),
}


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("address", [A, B], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize(("answer", "said"), ANSWERS.values(), ids=ANSWERS)
async def test_what_a_list_answers(server, opened, answer, said, address):
    server.add_list("bl.example", {address: answer})
    lists = await opened("bl.example")
    assert await lists.look_up(address) == {"bl.example": said}


async def test_all_lists_are_asked_in_their_order(server, opened):
    server.add_list("b.example", {A: ["127.0.0.3"]})
    server.add_list("a.example", {})
    lists = await opened("B.example.", "a.example", "b.example")
    assert list((await lists.look_up(A)).items()) == [("b.example", "127.0.0.3"), ("a.example", "")]


@pytest.mark.usefixtures("impatient")
async def test_lists_that_fail_their_test_are_left_out(server, opened):
    server.add_list("good.example", {A: ["127.0.0.2"]})
    server.add_list("wild.example", {"127.0.0.1": ["127.0.0.2"]}, (IPV4_TEST,))
    server.add_list("broken.example", {"127.0.0.2": dns.rcode.SERVFAIL})
    server.table[f"{IPV6_TEST}.broken.example"] = dns.rcode.SERVFAIL
    server.add_list("silent.example", {"127.0.0.2": SILENCE}, ())
    said = []
    lists = await opened(
        "gone.example", "wild.example", "good.example", "broken.example", "silent.example", warn=said.append
    )
    assert said == [
        f"DNS block list gone.example is left out: {NO_IPV4}",
        "DNS block list wild.example is left out: it lists 127.0.0.1, so probably everything",
        "DNS block list broken.example is left out: the nameserver answers SERVFAIL",
        "DNS block list silent.example is left out: no answer within 1 s",
    ]
    assert await lists.look_up(A) == {"good.example": "127.0.0.2"}


async def test_a_list_says_nothing_of_addresses_that_it_does_not_hold(server, opened):
    server.add_list("four.example", {}, (IPV4_TEST,))
    server.add_list("six.example", {}, (IPV6_TEST,))
    said = []
    lists = await opened("four.example", "six.example", warn=said.append)
    assert await lists.look_up(A) == {"four.example": "", "six.example": f"unknown: {NO_IPV4}"}
    assert await lists.look_up(B) == {"four.example": f"unknown: {NO_IPV6}", "six.example": ""}
    assert said == []


@pytest.mark.parametrize(
    "address", ["10.0.0.1", "192.168.1.1", "fe80::1", "::ffff:10.0.0.1", "not an address"]
)
async def test_nobody_is_asked_about_what_is_not_global(server, opened, address):
    server.add_list("bl.example", {})
    lists = await opened("bl.example")
    tested = server.asked.total()
    assert await lists.look_up(address) == {"bl.example": "unknown: not a global address"}
    assert server.asked.total() == tested == 4


async def test_an_allowed_range_is_asked_about(server, opened):
    server.add_list("bl.example", {"10.0.0.1": ["127.0.0.2"]})
    lists = await opened("bl.example", allowed=Allowed(["10.0.0.0/8"]))
    assert await lists.look_up("10.0.0.1") == {"bl.example": "127.0.0.2"}


async def test_an_address_is_asked_about_once(server, opened):
    server.add_list("bl.example", {A: ["127.0.0.2"]})
    lists = await opened("bl.example")
    answers = await asyncio.gather(*(lists.look_up(A) for _ in range(50)))
    answers.append(await lists.look_up(A))
    assert answers == [{"bl.example": "127.0.0.2"}] * 51
    answers[0].clear()  # each has its own
    assert await lists.look_up(A) == {"bl.example": "127.0.0.2"}
    assert server.asked[name_of(A, "bl.example")] == 1


async def test_answers_are_kept_for_their_time_and_unknowns_for_less(server, opened, monkeypatch):
    monkeypatch.setattr(dnsbl, "KEEP_UNKNOWN_SECONDS", 0.0)
    server.add_list("bl.example", {A: dns.rcode.SERVFAIL})
    lists = await opened("bl.example")
    assert (await lists.look_up(A))["bl.example"].startswith("unknown")
    server.add_list("bl.example", {A: ["127.0.0.2"]})
    assert await lists.look_up(A) == {"bl.example": "127.0.0.2"}
    server.add_list("bl.example", {A: ["127.0.0.3"]})
    assert await lists.look_up(A) == {"bl.example": "127.0.0.2"}


def test_what_is_kept_is_bounded_in_number_and_time():
    kept = Kept(2)
    for at, address in enumerate("abca"):
        kept.put(address, {"zone": address}, 10.0 + at)
    assert kept.get("b", 0.0) is None  # the oldest made room
    assert kept.get("c", 0.0) == {"zone": "c"}
    assert kept.get("a", 12.9) == {"zone": "a"}
    assert kept.get("a", 13.0) is None


async def test_one_who_waits_no_longer_takes_the_answer_from_nobody(server, opened):
    server.add_list("bl.example", {A: ["127.0.0.2"]})
    lists = await opened("bl.example")
    first, second = (asyncio.create_task(lists.look_up(A)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == {"bl.example": "127.0.0.2"}


@pytest.mark.usefixtures("impatient")
async def test_questions_in_flight_are_bounded_and_none_waits_for_long(server, opened, monkeypatch):
    monkeypatch.setattr(dnsbl, "IN_FLIGHT", 4)
    monkeypatch.setattr(dnsbl, "LINE_SECONDS", 0.2)
    addresses = [f"1.1.1.{number}" for number in range(12)]
    server.add_list("bl.example", dict.fromkeys(addresses, SILENCE))
    lists = await opened("bl.example")
    answers = await asyncio.gather(*map(lists.look_up, addresses))
    said = [answer["bl.example"] for answer in answers]
    assert said.count("unknown: no answer within 1 s") == 4
    assert said.count("unknown: too many questions at a time") == 8


@pytest.mark.usefixtures("impatient")
async def test_a_lost_question_is_sent_again(server, opened, monkeypatch):
    monkeypatch.setattr(dns_client, "TIMEOUT", 3.0)
    server.add_list("bl.example", {A: SILENCE})
    lists = await opened("bl.example")
    asking = asyncio.create_task(lists.look_up(A))
    await server.asked_for(name_of(A, "bl.example"))
    server.add_list("bl.example", {A: ["127.0.0.2"]})
    assert await asking == {"bl.example": "127.0.0.2"}


async def test_closing_cancels_what_is_asked(server, opened):
    server.add_list("bl.example", {A: SILENCE})
    lists = await opened("bl.example")
    asking = asyncio.create_task(lists.look_up(A))
    await server.asked_for(name_of(A, "bl.example"))
    await lists.close()
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_a_nameserver_on_ipv6(opened):
    async with serving_dns("::1") as server:
        server.add_list("bl.example", {A: ["127.0.0.2"]})
        lists = await open_block_lists(
            CheckRules(dnsbl=("bl.example",), nameserver=f"[::1]:{server.port}"), GLOBAL, None
        )
        assert await lists.look_up(A) == {"bl.example": "127.0.0.2"}
        await lists.close()


@pytest.mark.parametrize("rules", [CheckRules(), CheckRules(dnsbl=("bl.example",), depth=Depth.QUICK)])
async def test_nothing_is_asked_unless_it_is_wanted(rules):
    said = []
    lists = await open_block_lists(rules, GLOBAL, said.append)
    assert await lists.look_up(A) == {}
    assert said == []
    await lists.close()


@pytest.mark.parametrize("rules", [CheckRules(dnsbl=("b l",)), CheckRules(nameserver="dns.example")])
async def test_rules_that_name_no_zone_or_no_nameserver(rules):
    with pytest.raises(ValueError, match="is not"):
        await open_block_lists(rules, GLOBAL, None)


async def test_a_nameserver_that_the_system_cannot_send_to():
    said = []
    lists = BlockLists(["bl.example"], Target("255.255.255.255", 53), GLOBAL)  # broadcasts are refused
    await lists.start(said.append)
    assert said == [
        "DNS block list bl.example is left out: the nameserver can't be asked: [Errno 13] Permission denied"
    ]


async def test_a_system_without_nameservers(monkeypatch):
    def missing(*_, **__):
        raise dns_client.dns.resolver.NoResolverConfiguration

    monkeypatch.setattr(dns_client.dns.asyncresolver, "Resolver", missing)
    said = []
    lists = await open_block_lists(CheckRules(dnsbl=("bl.example",)), GLOBAL, said.append)
    assert said == ["DNS block lists are left out: this system names no nameserver"]
    assert await lists.look_up(A) == {}


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
@pytest.mark.usefixtures("impatient")
def test_a_nameserver_that_is_not_there(run):
    async def scenario(port):
        said = []
        rules = CheckRules(dnsbl=("bl.example",), nameserver=f"127.0.0.1:{port}")
        lists = await open_block_lists(rules, GLOBAL, said.append)
        await lists.close()
        return said

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    [warning] = run(scenario(port))
    assert warning.startswith("DNS block list bl.example is left out: ")


def test_it_works_in_uvloop():
    async def scenario():
        async with serving_dns() as server:
            server.add_list("bl.example", {A: ["127.0.0.2"]})
            lists = BlockLists(["bl.example"], Target("127.0.0.1", server.port), GLOBAL)
            await lists.start()
            answer = await lists.look_up(A)
            await lists.close()
            return answer

    assert uvloop.run(scenario()) == {"bl.example": "127.0.0.2"}


async def test_a_check_asks_about_the_exit_address_of_what_lives(server, ground):
    alive = next(truth for truth in read_truth(ground.truth) if truth.alive and truth.kind is Kind.HTTP)
    dead = next(truth for truth in read_truth(ground.truth) if truth.kind is Kind.REFUSED)
    server.add_list("bl.example", {alive.exit_ip: ["127.0.0.4"]})
    server.add_list("white.example", {})
    rules = CheckRules(
        confirm_after=0.05, dnsbl=("bl.example", "white.example"), nameserver=f"127.0.0.1:{server.port}"
    )
    checking = eagleray.check(
        [alive.address, dead.address], judge=ground.judge, allow=ground.allow, rules=rules
    )
    reports = {str(report.endpoint): report async for report in checking}
    assert reports[alive.address].dnsbl == {"bl.example": "127.0.0.4", "white.example": ""}
    assert reports[dead.address].dnsbl == {}
