import pytest
from redis import exceptions
from redis.asyncio.connection import SSLConnection

from eagleray.actors.sinks.redis_connection import ADVICE, explain, parse_place

SECRET = "geheim"


@pytest.mark.parametrize(
    ("url", "identity"),
    [
        ("redis://h", "redis://h:6379/0"),
        ("valkey://h:7000/3", "redis://h:7000/3"),
        ("redis://h/?db=2", "redis://h:6379/2"),
        ("rediss://user:geheim@h/1", "redis://h:6379/1"),
        ("valkeys://[::1]:1/0?prefix={eagleray}:", "redis://::1:1/0?prefix=%7Beagleray%7D%3A"),
    ],
)
def test_which_store_it_is(url, identity):
    assert parse_place(url).identity == identity


def test_what_stands_in_a_url():
    place = parse_place("valkeys://user:ge%40heim@h:1/2?prefix=a:&ssl_ca_certs=/ca.pem&socket_timeout=3")
    options = place.options
    assert place.prefix == "a:"
    assert (options["host"], options["port"], options["db"]) == ("h", 1, 2)
    assert (options["username"], options["password"]) == ("user", "ge@heim")
    assert (options["connection_class"], options["ssl_ca_certs"]) == (SSLConnection, "/ca.pem")
    assert options["socket_timeout"] == 3.0


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("redis://h?max_connections=geheim", "no parameter max_connections"),
        ("redis://h?ssl_ca_certs=/geheim", "need rediss"),
        ("redis://h?prefix=a&prefix=geheim", "twice"),
        ("redis://h/geheim", "no number"),
        ("redis://h/1/2", "no number"),
        ("redis://h/?db=geheim", "no number"),
        ("redis://h:geheim/0", "no number"),
        ("redis://h/0?socket_timeout=geheim", "no number"),
        ("rediss://h/0?ssl_cert_reqs=geheim", "parameter of TLS"),
        ("unix:///geheim", "is one of: redis"),
    ],
)
def test_what_is_not_understood_is_said_without_values(url, problem):
    with pytest.raises(ValueError, match=problem) as caught:
        parse_place(url)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("kind", [kind for kind, _ in ADVICE if kind is not exceptions.AskError])
def test_an_answer_is_explained_and_not_repeated(kind):
    assert SECRET not in explain(kind(SECRET))


def test_where_other_nodes_have_the_keys():
    assert "prefix={NAME}:" in explain(exceptions.MovedError("12182 192.0.2.1:6379"))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("WRONGTYPE Operation against geheim", "another program uses these keys"),
        ("MISCONF geheim", "save to its disk"),
        ("Script attempted to access a non local key in a cluster node geheim", "other nodes"),
        ("unknown command geheim", "too old"),
    ],
)
def test_other_answers(answer, words):
    said = explain(exceptions.ResponseError(answer))
    assert words in said
    assert SECRET not in said
