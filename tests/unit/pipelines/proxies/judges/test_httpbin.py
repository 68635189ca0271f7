import json

import pytest

from eagleray.pipelines.proxies.judges.httpbin import decode


@pytest.mark.parametrize(
    ("origin", "forwarded", "route"),
    [
        ("192.0.2.9", "", ["192.0.2.9"]),
        ("198.51.100.7, 192.0.2.9", "198.51.100.7", ["198.51.100.7", "192.0.2.9"]),
        ("192.0.2.9", "198.51.100.7", ["198.51.100.7", "192.0.2.9"]),
        ("198.51.100.7", "198.51.100.7", ["198.51.100.7", ""]),
        (
            "198.51.100.7, 192.0.2.9",
            "198.51.100.7, 203.0.113.5",
            ["198.51.100.7", "203.0.113.5", "192.0.2.9"],
        ),
    ],
    ids=["peer alone", "header and peer", "peer in its place", "header alone", "a part and the peer"],
)
def test_route(origin, forwarded, route):
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    answer = {"url": "http://judge.example/get", "origin": origin, "headers": headers}
    assert decode(json.dumps(answer)).route == route
