import pytest

from eagleray.cluster.pool import COLUMNS, alive, proxy_row
from eagleray.pipelines.proxies.model import Anonymity, Protocol
from eagleray.pipelines.proxies.tables import PROXIES
from eagleray.pipelines.tables import Filter, Op


def row(**values: object) -> list[object]:
    given = {"ip": "192.0.2.1", "port": 8080, "username": "", "password": "", "protocols": "http"} | values
    return [given.get(name) for name in PROXIES.names]


@pytest.mark.parametrize(
    ("values", "wanted", "urls"),
    [
        ({"protocols": "http"}, [], ["http://192.0.2.1:8080"]),
        ({"protocols": "socks5,http"}, [], ["http://192.0.2.1:8080", "socks5://192.0.2.1:8080"]),
        ({"protocols": "http,https"}, [], ["http://192.0.2.1:8080"]),
        ({"protocols": "https"}, [], ["http://192.0.2.1:8080"]),
        ({"protocols": "http,socks5"}, [Protocol.SOCKS5], ["socks5://192.0.2.1:8080"]),
        ({"ip": "2001:db8::1"}, [], ["http://[2001:db8::1]:8080"]),
        ({"username": "us:er", "password": "p@ss/"}, [], ["http://us%3Aer:p%40ss%2F@192.0.2.1:8080"]),
        ({"protocols": ""}, [], []),
        ({"protocols": "http+tls"}, [], ["https://192.0.2.1:8080"]),
        ({"protocols": "socks5,http+tls"}, [Protocol.HTTP], ["https://192.0.2.1:8080"]),
    ],
    ids=[
        "one",
        "two",
        "https is spoken over http",
        "https",
        "one wanted",
        "IPv6",
        "credentials",
        "none",
        "over TLS",
        "over TLS wanted",
    ],
)
def test_urls(values, wanted, urls):
    shown = proxy_row(row(**values), wanted)
    assert shown["urls"] == urls
    assert shown["url"] == (urls[0] if urls else "")


def test_a_row_has_every_column_and_its_endpoint_no_secret():
    shown = proxy_row(row(username="user", password="hunter2", score=0.5))
    assert tuple(shown) == COLUMNS
    assert shown["endpoint"] == "192.0.2.1:8080"
    assert shown["score"] == 0.5


def test_only_the_filters_that_were_given_count():
    assert alive(10).where == (Filter("alive", Op.EQ, True),)
    query = alive(10, [Protocol.HTTP], ["NL"], [Anonymity.ELITE], 0.0, 0.0)
    assert query.where == (
        Filter("alive", Op.EQ, True),
        Filter("protocols", Op.HAS, ["http", "http+tls"]),
        Filter("country", Op.IN, ["NL"]),
        Filter("anonymity", Op.IN, [Anonymity.ELITE]),
        Filter("latency_p50", Op.LE, 0.0),
        Filter("score", Op.GE, 0.0),
    )
    assert (query.order, query.limit) == (("-score",), 10)
