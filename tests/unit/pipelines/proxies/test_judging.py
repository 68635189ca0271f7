import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eagleray.pipelines.proxies.judging import Judge, Judged, JudgeError, JudgeUrl, parse_judge_url
from eagleray.pipelines.proxies.model import Anonymity
from eagleray.pipelines.proxies.outcome import Outcome
from eagleray.pipelines.proxies.proof import VERSION, known_page, prove, session_key
from eagleray.pipelines.proxies.protocols.exchange import ProbeFailed
from eagleray.pipelines.proxies.protocols.http1 import Answer

OURS, PROXY, EXIT = "9.9.9.9", "8.8.4.4", "8.8.8.8"
KEY = session_key(b"secret", "s1")
URL = parse_judge_url("http://judge.example/")
HEADERS = [["Host", "judge.example"], ["User-Agent", "Mozilla/5.0"], ["Accept", "*/*"]]


def eagleray(**fields) -> bytes:
    return json.dumps(
        {"judge": "eagleray", "version": VERSION, "client": EXIT, "headers": HEADERS, **fields}
    ).encode()


def httpbin(**fields) -> bytes:
    url = "http://judge.example/get"
    return json.dumps({"args": {}, "url": url, "headers": dict(HEADERS), "origin": EXIT, **fields}).encode()


def echoed(nonce: str, **fields) -> bytes:
    return httpbin(url=f"http://judge.example/get?n={nonce}", **fields)


def proof(nonce: str, key: bytes = KEY, client: str = EXIT, headers=HEADERS) -> str:
    return prove(key, nonce, client, headers)


def proven(nonce: str, **fields) -> bytes:
    return eagleray(nonce=nonce, proof=proof(nonce, **fields), **fields)


def our_judge(client: str = OURS) -> Judge:
    direct = eagleray(client=client, session="s1", key=KEY.hex())
    return Judge(URL, "192.0.2.1", Answer(200, direct))


def httpbin_judge(origin: str = OURS) -> Judge:
    return Judge(URL, "192.0.2.1", Answer(200, httpbin(origin=origin)))


def failure(judge: Judge, body: bytes, nonce: str, status: int = 200) -> Outcome:
    with pytest.raises(ProbeFailed) as failed:
        judge.read(Answer(status, body), nonce, PROXY)
    return failed.value.outcome


# Learning from the direct answer


def test_kinds_are_told_apart_by_the_direct_answer():
    assert (our_judge().kind, httpbin_judge().kind) == ("eagleray", "httpbin")


def test_our_judge_wants_its_session_in_the_nonce():
    assert (our_judge().nonce("abc"), httpbin_judge().nonce("abc")) == ("s1.abc", "abc")


NO_JUDGES = {
    "status 404": (404, eagleray(session="s1", key=KEY.hex())),
    "empty": (200, b""),
    "HTML": (200, b"<html>welcome</html>"),
    "nesting": (200, b"[" * 60_000),
    "nesting in a member": (200, b'{"x":' + b"[" * 60_000),
    "not UTF-8": (200, b"\xff\xfe"),
    "no session": (200, eagleray()),
    "no key": (200, eagleray(session="s1")),
    "key that is not hexadecimal": (200, eagleray(session="s1", key="xyz")),
    "session with a blank": (200, eagleray(session="a b", key=KEY.hex())),
    "session with a dot": (200, eagleray(session="s.1", key=KEY.hex())),
    "client that is a name": (200, eagleray(session="s1", key=KEY.hex(), client="proxy.example")),
    "origin that is a name": (200, httpbin(origin="proxy.example")),
    "no origin": (200, httpbin(origin="")),
    "headers as a list": (200, httpbin(headers=[])),
}


@pytest.mark.parametrize(("status", "body"), NO_JUDGES.values(), ids=NO_JUDGES)
def test_what_is_no_judge_is_refused(status, body):
    with pytest.raises(JudgeError):
        Judge(URL, "192.0.2.1", Answer(status, body))


def test_a_judge_of_another_version_is_refused_and_why_is_said():
    with pytest.raises(JudgeError, match=r"version 1, not 2: update"):
        Judge(URL, "192.0.2.1", Answer(200, eagleray(session="s1", key=KEY.hex(), version=1)))


# Reading answers that came through a proxy

EAGLERAY_ANSWERS = {
    "nothing added": (OURS, {}, Judged(Anonymity.ELITE, EXIT)),
    "Via": (OURS, {"headers": [*HEADERS, ["Via", "1.1 x"]]}, Judged(Anonymity.ANONYMOUS, EXIT)),
    "our address": (OURS, {"headers": [["X-Real-IP", OURS]]}, Judged(Anonymity.TRANSPARENT, EXIT)),
    "exit by IPv6": (OURS, {"client": "2001:DB8:0::5"}, Judged(Anonymity.ELITE, "2001:db8::5")),
    "exit mapped": (OURS, {"client": f"::ffff:{EXIT}"}, Judged(Anonymity.ELITE, EXIT)),
    "exit is ours": (OURS, {"client": OURS}, Judged(Anonymity.TRANSPARENT, OURS)),
    "exit is ours, mapped": (OURS, {"client": f"::ffff:{OURS}"}, Judged(Anonymity.TRANSPARENT, OURS)),
    "exit is ours, as all is on loopback": (
        "127.0.0.1",
        {"client": "127.0.0.1"},
        Judged(Anonymity.ELITE, "127.0.0.1"),
    ),
    "our address on loopback": (
        "127.0.0.1",
        {"client": "127.0.0.1", "headers": [["X-Forwarded-For", "127.0.0.1"]]},
        Judged(Anonymity.TRANSPARENT, "127.0.0.1"),
    ),
}

HTTPBIN_ANSWERS = {
    "nothing added": (OURS, {}, Judged(Anonymity.ELITE, EXIT)),
    "headers as lists": (
        OURS,
        {"headers": {"Host": ["x"], "Via": ["1", "2"]}},
        Judged(Anonymity.ANONYMOUS, EXIT),
    ),
    "our address in a list": (OURS, {"headers": {"Via": ["1", OURS]}}, Judged(Anonymity.TRANSPARENT, EXIT)),
    "forwarded for us": (OURS, {"origin": f"{OURS}, {EXIT}"}, Judged(Anonymity.TRANSPARENT, EXIT)),
    "forwarded for us, mapped": (
        OURS,
        {"origin": f"::ffff:{OURS}, {EXIT}"},
        Judged(Anonymity.TRANSPARENT, EXIT),
    ),
    "forwarded for another": (OURS, {"origin": f"10.0.0.1, {EXIT}"}, Judged(Anonymity.ANONYMOUS, EXIT)),
    "forwarded for unknown": (OURS, {"origin": f"unknown,{EXIT}"}, Judged(Anonymity.ANONYMOUS, EXIT)),
    "origin is ours": (OURS, {"origin": OURS}, Judged(Anonymity.TRANSPARENT, OURS)),
    "we by IPv6": ("2001:db8::5", {"origin": f"2001:db8::5, {EXIT}"}, Judged(Anonymity.TRANSPARENT, EXIT)),
    "origin is ours, as all is on loopback": (
        "127.0.0.1",
        {"origin": "127.0.0.1"},
        Judged(Anonymity.ELITE, "127.0.0.1"),
    ),
    "forwarded for unknown, on loopback": (
        "127.0.0.1",
        {"origin": "unknown, 127.0.0.1"},
        Judged(Anonymity.ANONYMOUS, "127.0.0.1"),
    ),
    "forwarded for us, on loopback": (
        "127.0.0.1",
        {"origin": "127.0.0.1, 127.0.0.1"},
        Judged(Anonymity.TRANSPARENT, "127.0.0.1"),
    ),
}


# An origin that does not tell who connected
HTTPBIN_ANSWERS |= {
    "bare httpbin, forwarded for another": (
        OURS,
        {"headers": {**dict(HEADERS), "X-Forwarded-For": "10.0.0.1"}, "origin": "10.0.0.1"},
        Judged(Anonymity.ANONYMOUS, ""),
    ),
    "bare httpbin, forwarded for us": (
        OURS,
        {"headers": {**dict(HEADERS), "X-Forwarded-For": f"10.0.0.1,{OURS}"}, "origin": f"10.0.0.1,{OURS}"},
        Judged(Anonymity.TRANSPARENT, ""),
    ),
    "bare httpbin, forwarded for unknown": (
        OURS,
        {"headers": {**dict(HEADERS), "X-Forwarded-For": "unknown"}, "origin": "unknown"},
        Judged(Anonymity.ANONYMOUS, ""),
    ),
    "go-httpbin, the first of those forwarded for": (
        OURS,
        {"headers": {**dict(HEADERS), "X-Forwarded-For": ["10.0.0.1, 10.0.0.2"]}, "origin": "10.0.0.1"},
        Judged(Anonymity.ANONYMOUS, ""),
    ),
    "origin is always who connected": (
        OURS,
        {"headers": {**dict(HEADERS), "X-Forwarded-For": ["10.0.0.1"]}, "origin": EXIT},
        Judged(Anonymity.ANONYMOUS, EXIT),
    ),
    "without show_env, forwarded for unknown": (OURS, {"origin": "unknown"}, Judged(Anonymity.ANONYMOUS, "")),
    "without show_env, forwarded for nobody": (OURS, {"origin": ""}, Judged(Anonymity.ANONYMOUS, "")),
    "no address": (OURS, {"origin": "<script>"}, Judged(Anonymity.ANONYMOUS, "")),
}


@pytest.mark.parametrize(("own", "fields", "judged"), EAGLERAY_ANSWERS.values(), ids=EAGLERAY_ANSWERS)
def test_our_judges_answer(own, fields, judged):
    assert our_judge(own).read(Answer(200, proven("s1.a", **fields)), "s1.a", PROXY) == judged


def test_an_answer_that_a_proxy_says_it_has_transformed_must_be_whole_like_any():
    assert our_judge().read(Answer(203, proven("s1.a")), "s1.a", PROXY).exit_ip == EXIT
    assert failure(our_judge(), b"<html>", "s1.a", status=203) is Outcome.NOT_A_PROXY


@pytest.mark.parametrize(("own", "fields", "judged"), HTTPBIN_ANSWERS.values(), ids=HTTPBIN_ANSWERS)
def test_httpbins_answer(own, fields, judged):
    assert httpbin_judge(own).read(Answer(200, echoed("a", **fields)), "a", PROXY) == judged


# Judges behind a front end of their own

FRONT = "10.1.1.1"
FORWARDED = {
    "nothing added": (EXIT, Judged(Anonymity.ELITE, EXIT)),
    "forwarded for us": (f"{OURS}, {EXIT}", Judged(Anonymity.TRANSPARENT, EXIT)),
    "forwarded for us and another": (f"{OURS}, 10.0.0.1,{EXIT}", Judged(Anonymity.TRANSPARENT, EXIT)),
    "forwarded for another": (f"10.0.0.1, {EXIT}", Judged(Anonymity.ANONYMOUS, EXIT)),
    "forwarded for unknown": (f"unknown, {EXIT}", Judged(Anonymity.ANONYMOUS, EXIT)),
    "forwarded for nobody": (f", {EXIT}", Judged(Anonymity.ANONYMOUS, EXIT)),
    "forwarded for our exit": (f"{EXIT}, {EXIT}", Judged(Anonymity.ANONYMOUS, EXIT)),
    "exit is ours": (OURS, Judged(Anonymity.TRANSPARENT, OURS)),
    "front end without an address": ("unknown", Judged(Anonymity.ANONYMOUS, "")),
}
SHAPES = {  # origin by X-Forwarded-For, and whether that stands among the headers
    "httpbin with show_env": (lambda forwarded: forwarded, True),
    "httpbin without it": (lambda forwarded: forwarded, False),
    "ours, as httpbin": (lambda forwarded: f"{forwarded}, {FRONT}", True),
    "hides what it shows in origin": (lambda forwarded: f"{forwarded}, {FRONT}", False),
}


@pytest.mark.parametrize(("origin", "shown"), SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize(("forwarded", "judged"), FORWARDED.values(), ids=FORWARDED)
def test_behind_a_front_end_httpbins_exit_is_whom_that_serves(forwarded, judged, origin, shown):
    def seen(forwarded):
        more = {"X-Forwarded-For": forwarded} if shown else {}
        return {"headers": {**dict(HEADERS), **more}, "origin": origin(forwarded)}

    judge = Judge(URL, "192.0.2.1", Answer(200, httpbin(**seen(OURS))))
    assert judge.own == {OURS}
    assert judge.read(Answer(200, echoed("a", **seen(forwarded))), "a", PROXY) == judged


@pytest.mark.parametrize(("forwarded", "judged"), FORWARDED.values(), ids=FORWARDED)
def test_behind_a_front_end_our_judges_exit_is_whom_that_serves(forwarded, judged):
    def seen(forwarded):
        return {"client": FRONT, "headers": [*HEADERS, ["X-Forwarded-For", forwarded], ["X-Real-IP", EXIT]]}

    judge = Judge(URL, "192.0.2.1", Answer(200, eagleray(session="s1", key=KEY.hex(), **seen(OURS))))
    assert judge.own == {OURS}
    assert judge.read(Answer(200, proven("s1.a", **seen(forwarded))), "s1.a", PROXY) == judged


def test_behind_two_front_ends_the_first_ones_word_counts():
    headers = {**dict(HEADERS), "X-Forwarded-For": f"{OURS}, {FRONT}"}
    judge = Judge(URL, "192.0.2.1", Answer(200, httpbin(headers=headers, origin=OURS)))
    headers["X-Forwarded-For"] = f"{EXIT}, {FRONT}"
    body = echoed("a", headers=headers, origin=EXIT)
    assert judge.read(Answer(200, body), "a", PROXY) == Judged(Anonymity.ELITE, EXIT)


def test_less_of_a_route_than_a_direct_requests_tells_no_exit():
    judge = httpbin_judge(f"{OURS}, {FRONT}")
    assert judge.read(Answer(200, echoed("a")), "a", PROXY) == Judged(Anonymity.ELITE, "")
    assert judge.confirms(Answer(200, echoed("a")), "a")
    assert judge.own == {OURS}


def test_a_judge_on_the_internet_that_does_not_tell_our_address_there_is_refused():
    with pytest.raises(JudgeError, match=r"sees us at 10\.1\.1\.1, .* must append to X-Forwarded-For"):
        Judge(URL, "8.8.8.8", Answer(200, httpbin(origin=FRONT)))


def test_an_answer_that_was_only_written_down_anew_keeps_its_proof():
    body = json.dumps(json.loads(proven("s1.a")), indent=2, sort_keys=True).encode()
    assert our_judge().read(Answer(200, body), "s1.a", PROXY) == Judged(Anonymity.ELITE, EXIT)


def test_a_proxy_on_our_own_address_leaks_nothing_by_its_exit():
    assert (
        our_judge().read(Answer(200, proven("s1.a", client=OURS)), "s1.a", OURS).anonymity is Anonymity.ELITE
    )


@pytest.mark.parametrize(
    ("forwarded", "level"),
    [("2001:db8::5", Anonymity.TRANSPARENT), ("2001:db8::55", Anonymity.ANONYMOUS)],
    ids=["ours", "another's"],
)
def test_our_address_on_the_connection_to_the_proxy_is_ours_whatever_the_judge_was_told(forwarded, level):
    answer = Answer(200, proven("s1.a", headers=[["X-Forwarded-For", forwarded]]))
    assert our_judge().read(answer, "s1.a", PROXY, local="2001:db8::5").anonymity is level


def test_the_nonce_may_stand_anywhere_in_the_query():
    body = httpbin(url="http://judge.example/get?a=b&n=abc&c=d")
    assert httpbin_judge().read(Answer(200, body), "abc", PROXY).exit_ip == EXIT


# Forged answers

FORGED_EAGLERAY = {
    "wrong proof": eagleray(nonce="s1.a", proof="0" * 32),
    "proof with another key": eagleray(nonce="s1.a", proof=proof("s1.a", b"")),
    "proof not ASCII": eagleray(nonce="s1.a", proof="ä"),
    "replayed nonce": proven("s1.before"),
    "replayed proof under our nonce": eagleray(nonce="s1.a", proof=proof("s1.before")),
    "another client": eagleray(nonce="s1.a", proof=proof("s1.a", client=OURS)),
    "a header less": eagleray(nonce="s1.a", proof=proof("s1.a"), headers=HEADERS[1:]),
    "a header more": eagleray(nonce="s1.a", proof=proof("s1.a"), headers=[*HEADERS, ["X-A", "b"]]),
    "a header's value": eagleray(nonce="s1.a", proof=proof("s1.a"), headers=[["Host", "x"], *HEADERS[1:]]),
    "right shape, no nonce": eagleray(),
    "the direct answer": eagleray(session="s1", key=KEY.hex()),
    "page that echoes the query": b"<html>You searched for n=s1.a</html>",
    "httpbin's shape": echoed("s1.a"),
    "exit that is no address": proven("s1.a", client="<script>"),
    "exit with a zone": proven("s1.a", client="fe80::1%<script>"),
}

FORGED_HTTPBIN = {
    "no nonce": httpbin(),
    "another nonce": echoed("before"),
    "nonce as part of a longer one": echoed("abc0"),
    "nonce under another name": httpbin(url="http://judge.example/get?xn=abc"),
    "nonce in the path": httpbin(url="http://judge.example/n=abc"),
    "page that echoes the query": b"<html>You searched for ?n=abc</html>",
    "our judge's shape": proven("abc"),
}

HOSTILE = {
    "empty": b"",
    "null": b"null",
    "array": b"[]",
    "types": b'{"judge":1,"url":2,"client":3,"origin":4,"headers":5}',
    "headers of numbers": b'{"judge":"","url":"","client":"","headers":{"a":1}}',
    "deep nesting": b"[" * 60_000,
    "deep nesting in a member": b'{"x":' + b"[" * 60_000,
    "lone surrogate": b'{"judge":"\\ud800","url":"\\ud800","client":"","headers":[]}',
    "not UTF-8": b'{"judge":"\xff","url":"\xff","client":"","headers":[]}',
    "cut short": proven("s1.a")[:-1],
}


@pytest.mark.parametrize(
    "body", [*FORGED_EAGLERAY.values(), *HOSTILE.values()], ids=[*FORGED_EAGLERAY, *HOSTILE]
)
def test_forged_answer_of_our_judge(body):
    assert failure(our_judge(), body, "s1.a") is Outcome.NOT_A_PROXY


@pytest.mark.parametrize(
    "body", [*FORGED_HTTPBIN.values(), *HOSTILE.values()], ids=[*FORGED_HTTPBIN, *HOSTILE]
)
def test_forged_answer_of_httpbin(body):
    assert failure(httpbin_judge(), body, "abc") is Outcome.NOT_A_PROXY


def test_another_status_is_no_answer_of_a_judge():
    assert failure(our_judge(), proven("s1.a"), "s1.a", status=206) is Outcome.NOT_A_PROXY


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
MEMBERS = st.sampled_from(["judge", "client", "headers", "nonce", "proof", "url", "origin"])
PAGES = st.binary(max_size=200) | st.dictionaries(MEMBERS, JSON).map(lambda page: json.dumps(page).encode())


@given(body=PAGES)
def test_any_page_is_not_the_judges(body):
    for judge in (our_judge(), httpbin_judge()):
        assert failure(judge, body, "s1.a") is Outcome.NOT_A_PROXY


# Direct answers, again and again

CONFIRMATIONS = {
    "as it was": (proven("s1.a", client=OURS), True),
    "we come from elsewhere": (proven("s1.a"), True),
    "another secret": (eagleray(nonce="s1.a", proof=proof("s1.a", b"another", OURS), client=OURS), False),
    "another page": (b"<html>", False),
}


@pytest.mark.parametrize(("body", "confirmed"), CONFIRMATIONS.values(), ids=CONFIRMATIONS)
def test_a_direct_answer_confirms_the_judge_or_not(body, confirmed):
    assert our_judge().confirms(Answer(200, body), "s1.a") is confirmed


def test_where_a_direct_answer_sees_us_is_ours():
    judge = our_judge()
    assert judge.confirms(Answer(200, proven("s1.a")), "s1.a")
    assert judge.own == {OURS, EXIT}


def test_addresses_of_ours_are_bounded():
    judge = our_judge()
    for at in range(300):
        assert judge.confirms(Answer(200, proven("s1.a", client=f"9.9.{at // 256}.{at % 256}")), "s1.a")
    assert len(judge.own) == 256


def test_a_judge_that_is_full_is_not_confirmed():
    assert not our_judge().confirms(Answer(503, proven("s1.a", client=OURS)), "s1.a")


def test_an_address_that_another_judge_sees_leaks_too():
    judge = our_judge()
    body = proven("s1.a", headers=[["X-Note", "9.9.9.10"]])
    levels = [judge.read(Answer(200, body), "s1.a", PROXY).anonymity]
    judge.share_own(frozenset({OURS, "9.9.9.10"}))
    levels.append(judge.read(Answer(200, body), "s1.a", PROXY).anonymity)
    assert levels == [Anonymity.ELITE, Anonymity.TRANSPARENT]


# The known page

PAGE = known_page(KEY, "s1.a")
SCRIPT = b"<script src='http://ads.example/'></script>"
CHANGED = {
    "before the end": (PAGE.replace(b"</body>", SCRIPT + b"</body>"), SCRIPT.decode()),
    "behind the end": (PAGE + SCRIPT, SCRIPT.decode()),
    "before all": (SCRIPT + PAGE, SCRIPT.decode()),
    "in the head": (PAGE.replace(b"</head>", SCRIPT + b"</head>"), SCRIPT.decode()),
    "cut": (PAGE[:-100], "100 bytes are missing"),
    "a byte": (PAGE.replace(b"<title>Page", b"<title>Cage"), "C"),
    "no text": (PAGE.replace(b"<title>", b"\xff"), "\\xff"),
    "much": (PAGE + b"x" * 10_000, "x" * 256),
    "another page": (b"welcome", "welcome"),
}


@pytest.mark.parametrize(("page", "evidence"), CHANGED.values(), ids=CHANGED)
def test_a_changed_page_is_found_and_what_was_put_in_is_kept(page, evidence):
    with pytest.raises(ProbeFailed) as failed:
        our_judge().refuse_tampered(Answer(200, page), "s1.a")
    assert (failed.value.outcome, failed.value.detail) == (Outcome.TAMPERED, evidence)


def test_the_page_as_it_is_passes():
    assert our_judge().refuse_tampered(Answer(200, PAGE), "s1.a") is None  # and raises nothing


def test_only_our_judge_has_a_known_page():
    assert our_judge().known_url == parse_judge_url("http://judge.example/known")
    assert httpbin_judge().known_url is None


@given(page=st.binary(max_size=300), at=st.integers(0, len(PAGE)))
def test_any_change_is_found(page, at):
    changed = PAGE[:at] + page + PAGE[at:]
    if changed != PAGE:
        with pytest.raises(ProbeFailed) as failed:
            our_judge().refuse_tampered(Answer(200, changed), "s1.a")
        assert 0 < len(failed.value.detail) <= 4 * 256


# URLs


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://judge.example", JudgeUrl("judge.example", 80, "/")),
        ("http://Judge.Example:8080/get?a=b#c", JudgeUrl("judge.example", 8080, "/get?a=b")),
        ("http://[::1]:8080/x", JudgeUrl("::1", 8080, "/x")),
    ],
    ids=["host only", "everything", "IPv6"],
)
def test_url(text, url):
    assert parse_judge_url(text) == url


NO_URLS = {
    "empty": "",
    "no scheme": "judge.example",
    "https": "https://judge.example/",
    "no host": "http://",
    "port 0": "http://h:0/",
    "port of letters": "http://h:x/",
    "port too high": "http://h:65536/",
    "bracket left open": "http://[::1/",
    "blank": "http://h/a b",
    "path not ASCII": "http://h/ä",
    "host not ASCII": "http://ä.example/",
    "NUL": "http://h/\x00",
}


@pytest.mark.parametrize("text", NO_URLS.values(), ids=NO_URLS)
def test_what_is_no_judges_url_is_refused(text):
    with pytest.raises(JudgeError):
        parse_judge_url(text)


@pytest.mark.parametrize(
    "text", ["http://user:secret@h/", "https://user:secret@h/", "http://user:secret@h:x/"]
)
def test_credentials_in_a_url_are_refused_and_not_shown(text):
    with pytest.raises(JudgeError) as refused:
        parse_judge_url(text)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "absolute", "first_lines"),
    [
        ("http://h/", False, b"GET /?n=s1.a HTTP/1.1\r\nHost: h\r\n"),
        ("http://h/get?a=b", False, b"GET /get?a=b&n=s1.a HTTP/1.1\r\nHost: h\r\n"),
        ("http://h:81/", True, b"GET http://h:81/?n=s1.a HTTP/1.1\r\nHost: h:81\r\n"),
        ("http://[::1]:81/", True, b"GET http://[::1]:81/?n=s1.a HTTP/1.1\r\nHost: [::1]:81\r\n"),
    ],
    ids=["origin form", "query", "absolute form", "IPv6"],
)
def test_request(text, absolute, first_lines):
    request = parse_judge_url(text).request("s1.a", absolute, extra=b"X: y\r\n")
    assert request.startswith(first_lines)
    assert request.endswith(b"Connection: close\r\nX: y\r\n\r\n")
