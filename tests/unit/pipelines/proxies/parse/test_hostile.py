"""Bad input is ordinary: it ends as a count, in linear time, and never as an exception."""

import base64
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eagleray.pipelines.document import Document
from eagleray.pipelines.proxies.model import Candidate, Credentials, Endpoint
from eagleray.pipelines.proxies.parse import Labels, Parsed, parse, parse_lines
from eagleray.pipelines.proxies.parse.lines import MAX_LINE

TEXT = [
    "192.0.2.1",
    ":80",
    "http://",
    "user:pass@",
    "[2001:db8::1]",
    "/24",
    "@",
    "%00",
    "=",
    "é",
    "\0",
    "\ufeff",
]
JSON = ["[", "]", "{", "}", '"ip":', '"port":', "8080", '"', ",", "null", "1e999", "\\ud800"]
TABLE = ["ip,port\n", ";", "|", "\t", "\n", "\r"]
HTML = [
    "<table>",
    "<tr>",
    "<td>",
    "</td>",
    "<script>",
    "</script>",
    "<!--",
    "-->",
    "write(",
    "'.substr(8)",
    "&#0;",
]
FRAGMENTS = st.sampled_from(TEXT + JSON + TABLE + HTML)
ADDRESSES = st.ip_addresses().map(str)
SECRETS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
ENDPOINTS = st.builds(
    Endpoint,
    ADDRESSES,
    st.integers(1, 65_535),
    st.none() | st.builds(Credentials, SECRETS.filter(bool), SECRETS),
)


def of(body: bytes, content_type: str = "") -> Parsed:
    return parse(Document("list", "", body, content_type))


@given(st.binary(max_size=300) | st.lists(FRAGMENTS, max_size=30).map(lambda parts: "".join(parts).encode()))
def test_any_body_ends_as_counts(body: bytes) -> None:
    for content_type in ("", "text/html", "application/json"):
        result = of(body, content_type)
        assert result.entries == len(result.candidates) + result.refused.total()
        for candidate in result.candidates:
            assert reread(candidate.endpoint) == candidate.endpoint


@given(ENDPOINTS)
def test_endpoint_round_trips(endpoint: Endpoint) -> None:
    assert reread(endpoint) == endpoint


def reread(endpoint: Endpoint) -> Endpoint:
    (item,) = parse_lines([endpoint.authority], Labels())
    assert isinstance(item, Candidate)
    return item.endpoint


@pytest.mark.parametrize(
    ("body", "refused"),
    [
        (b"[" * 100_000, {"malformed": 1}),
        (b'{"data":' * 100_000, {"malformed": 1}),
        (b'[["192.0.2.1:80"' + b"," * 9, {"malformed": 1}),
        (b'[{"ip":"192.0.2.1","port":' + b"9" * 5000 + b"}]", {"malformed": 1}),
        (b'[{"ip":"192.0.2.1","port":99999999999999999999999}]', {"bad_port": 1}),
        (b'[{"ip":"192.0.2.1","port":true}]', {"bad_port": 1}),
        (b'[{"ip":"192.0.2.1","port":80.0}]', {"bad_port": 1}),
        (b'[{"ip":"192.0.2.1","port":[80]}]', {"bad_port": 1}),
        (b'[{"ip":"192.0.2.1"}]', {"bad_port": 1}),
        (b'[{"ip":3221225985,"port":80}]', {"not_an_address": 1}),
        (b'[{"ip":"proxy.example","port":80}]', {"not_an_address": 1}),
        (b'[{"ip":"192.0.2.1","port":80,"username":"' + b"u" * 256 + b'"}]', {"bad_credentials": 1}),
        (b"ip,port\n" + b'"192.0.2.1,80\n', {"not_an_address": 1}),
        (b"x" * 200_000, {"line_too_long": 1}),
        (b'{"a":1}\n{"a":' + b" " * 70_000 + b"}\n", {"line_too_long": 1}),
        (b'{"error":"rate limit","url":"http://192.0.2.1:80/help"}', {}),
        (b'{"error":"rate limit","url":"https://api.example/"}', {}),
        (b'{"endpoint":"/proxies","data":[]}', {}),
        (b'{"url":"http://proxy.example:80"}', {"not_an_address": 1}),
        (b"[" * 20 + b'"192.0.2.1:80"' + b"]" * 20, {}),
        (b"\x1f\x8b\x08\x00" + bytes(range(256)), {}),
        (b"", {}),
        (b"\xff\xfe", {}),
        (b"<html>", {}),
    ],
    ids=lambda value: repr(value)[:32],
)
def test_ends_as_a_refusal(body: bytes, refused: dict[str, int]) -> None:
    result = of(body)
    assert (result.candidates, dict(result.refused)) == ([], refused)


def test_fields_of_the_wrong_type_are_no_claims() -> None:
    fields = '"protocols":[1,null,{}],"country":{"code":7},"anonymity":[],"https":{"a":[]}'
    fields += ',"username":{"id":5},"password":true'
    (candidate,) = of(f'[{{"ip":"192.0.2.1","port":80,{fields}}}]'.encode()).candidates
    assert candidate == Candidate(Endpoint("192.0.2.1", 80), source="list")


def test_one_broken_row_costs_only_itself() -> None:
    result = of(b'ip,port\n192.0.2.1,80\n"192.0.2.2,80\n\0,\n192.0.2.3,80\n')
    assert [str(c.endpoint) for c in result.candidates] == ["192.0.2.1:80", "192.0.2.3:80"]


def test_what_is_as_long_as_may_be_is_read() -> None:
    longest = "u" * 255
    record = f'{{"ip":"192.0.2.1","port":80,"username":"{longest}"}}'
    (candidate,) = of(f"{record.ljust(MAX_LINE)}\n{{}}\n".encode()).candidates
    assert candidate.endpoint == Endpoint("192.0.2.1", 80, Credentials(longest))


def test_ranges_cannot_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eagleray.pipelines.proxies.parse.MAX_ENTRIES", 1500)
    result = of(b"192.0.0.0/22:80\n" * 1000)
    assert (len(result.candidates), dict(result.refused)) == (1500, {"too_many": 1})


MARKUP = [
    "<",
    "<a ",
    '<a x="',
    "<!--",
    "<script>",
    "<script",
    "</script",
    "<style>",
    "<tr><td>",
    "<td",
    "<br>",
    "&",
    "&#",
]
WORDS = [
    "@",
    "[@",
    "[",
    "a@",
    "a:",
    "1.",
    "1.1.1.1",
    ":",
    '"',
    "'",
    "\"'",
    "z=",
    "'.substr(",
    "}",
    "{",
    "{}\n",
    "\n{ ",
    " ",
]


@pytest.mark.timeout(20)  # quadratic time would take minutes here
@pytest.mark.parametrize("unit", MARKUP + WORDS)
def test_repetition_takes_linear_time(unit: str) -> None:
    tail = (unit * 300_000)[:300_000]
    for head in ("", "<html>", "<html><script>", "192.0.2.1:80 "):
        of((head + tail).encode(), "text/html" if head.startswith("<") else "")
        assert len(list(islice(parse_lines([(head + tail)[:65_536]], Labels()), 100_000))) < 100_000


def test_base64_that_hides_something_else_is_not_taken() -> None:
    secret = base64.b64encode(b"alert(1)").decode()
    assert of(f"<html><script>Proxy('{secret}')</script>".encode()).entries == 0
