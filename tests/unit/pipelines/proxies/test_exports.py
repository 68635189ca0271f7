import csv
import json
import pickle

import pytest

from eagleray.pipelines.proxies.exports import lists
from eagleray.pipelines.proxies.pipeline import ProxyPipeline
from eagleray.pipelines.proxies.tables import PROXIES

FIELDS = {
    "ip": "192.0.2.1", "port": 8080, "username": "", "password": "", "alive": True, "protocols": "http",
    "country": "NL", "anonymity": "elite", "exit_ip": "192.0.2.9", "reliability": 0.95, "latency_p50": 250.4,
    "score": 0.5,
}  # fmt: skip
BEST = {"ip": "192.0.2.2", "protocols": "http,https,socks5", "score": 0.9}
SECRET = {"ip": "2001:db8::1", "protocols": "socks5", "username": "us@r", "password": "p:w", "score": 0.4}
TLS = {"ip": "192.0.2.3", "protocols": "socks4,http+tls,https+tls", "score": 0.3}
ONLY_TLS = {"ip": "192.0.2.4", "protocols": "http+tls", "score": 0.2}


def row(**values: object) -> list[object]:
    given = FIELDS | values
    return [given.get(name) for name in PROXIES.names]


def files(*proxies: dict[str, object]) -> dict[str, str]:
    return lists([row(**proxy) for proxy in proxies])


@pytest.fixture
def found():
    return files({}, BEST, ONLY_TLS, SECRET, TLS)


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        (
            "all.txt",
            [
                "http://192.0.2.2:8080",
                "socks5://192.0.2.2:8080",
                "http://192.0.2.1:8080",
                "socks5://us%40r:p%3Aw@[2001:db8::1]:8080",
                "https://192.0.2.3:8080",
                "socks4://192.0.2.3:8080",
                "https://192.0.2.4:8080",
            ],
        ),
        ("http.txt", ["192.0.2.2:8080", "192.0.2.1:8080"]),
        ("https.txt", ["192.0.2.2:8080"]),
        ("socks4.txt", ["192.0.2.3:8080"]),
        ("socks5.txt", ["192.0.2.2:8080"]),
    ],
)
def test_lists_have_what_can_be_dialled_so_best_first(found, name, lines):
    assert found[name].splitlines() == lines
    assert found[name].endswith("\n")


def test_csv_in_the_words_of_proxybroker(found):
    rows = list(csv.DictReader(found["proxies.csv"].splitlines()))
    assert [row["host"] for row in rows] == ["192.0.2.2", "192.0.2.1", "192.0.2.3"]
    assert rows[0] == {
        "host": "192.0.2.2", "port": "8080", "protocols": "HTTP|HTTPS|SOCKS5", "anon": "High",
        "country": "NL", "resp_time": "0.25", "error_rate": "0.05",
    }  # fmt: skip
    assert rows[2]["protocols"] == "SOCKS4"


def test_json_has_the_fields_of_monosans(found):
    entries = json.loads(found["proxies.json"])
    assert [f"{entry['protocol']}://{entry['host']}" for entry in entries][:3] == [
        "http://192.0.2.2", "socks5://192.0.2.2", "http://192.0.2.1",
    ]  # fmt: skip
    assert entries[3] == {
        "protocol": "socks5", "username": "us@r", "password": "p:w", "host": "2001:db8::1", "port": 8080,
        "timeout": 0.25, "exit_ip": "192.0.2.9", "asn": None, "geolocation": {"country": {"iso_code": "NL"}},
    }  # fmt: skip


def test_what_is_unknown_is_empty_or_null():
    found = files({"country": "", "anonymity": "", "exit_ip": "", "latency_p50": None})
    [entry] = json.loads(found["proxies.json"])
    unknown = ("username", "password", "timeout", "exit_ip", "asn", "geolocation")
    assert [entry[name] for name in unknown] == [None] * 6
    assert found["proxies.csv"].splitlines()[1] == "192.0.2.1,8080,HTTP,,,,0.05"


def test_an_empty_pool_leaves_no_file_out():
    found = files()
    assert {name for name, text in found.items() if not text} == {
        "all.txt", "http.txt", "https.txt", "socks4.txt", "socks5.txt",
    }  # fmt: skip
    assert found["proxies.csv"] == "host,port,protocols,anon,country,resp_time,error_rate\n"
    assert json.loads(found["proxies.json"]) == []


def test_the_pipeline_hands_them_over():
    exports = ProxyPipeline().exports
    assert exports == {"proxies": lists}
    assert pickle.loads(pickle.dumps(exports)) == exports
