import pytest

from eagleray.pipelines.proxies.judges import recognized
from eagleray.pipelines.proxies.judging import Judge, Judged, JudgeError, parse_judge_url
from eagleray.pipelines.proxies.model import Anonymity
from eagleray.pipelines.proxies.outcome import Outcome
from eagleray.pipelines.proxies.protocols.exchange import ProbeFailed
from eagleray.pipelines.proxies.protocols.http1 import Answer

OURS, PROXY, EXIT = "9.9.9.9", "8.8.4.4", "8.8.8.8"

# As azenv.php 1.04 writes them, with a nonce asked for.
PAGE = """<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 4.01 Transitional//EN">
<html>
<head>
<title>AZ Environment variables 1.04</title>
</head>
<body>
<pre>
REMOTE_ADDR = {client}
REMOTE_PORT = 51234
REQUEST_METHOD = GET
REQUEST_URI = /azenv.php{query}
REQUEST_TIME_FLOAT = 1400000000.123
REQUEST_TIME = 1400000000
HTTP_HOST = judge.example
HTTP_USER-AGENT = Mozilla/5.0
HTTP_ACCEPT = */*
HTTP_CONNECTION = close
{more}</pre>
</body>
</html>
"""
BARE = "REMOTE_ADDR={client}\nHTTP_HOST=judge.example\nQUERY_STRING={bare}\nREQUEST_URI=/\n{more}"
BREAKS = "<html>REMOTE_ADDR = {client}<br>\r\nREQUEST_URI = /{query}<br />HTTP_VIA_NOT = 1<br>{more}</html>"
SHAPES = {"in pre": PAGE, "bare text": BARE, "with br": BREAKS}


def page(shape=PAGE, client=EXIT, nonce="", more=""):
    query = f"?n={nonce}" if nonce else ""
    return shape.format(client=client, query=query, bare=query[1:], more=more).encode()


def judge_of(shape=PAGE, more=""):
    url = parse_judge_url("http://judge.example/azenv.php")
    return Judge(url, "192.0.2.1", Answer(200, page(shape, OURS, more=more)))


def read(judge, body):
    return judge.read(Answer(200, body), "abc", PROXY)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_every_shape_is_known_and_read(shape):
    judge = judge_of(shape)
    assert (judge.kind, judge.own) == ("azenv", {OURS})
    assert read(judge, page(shape, nonce="abc")) == Judged(Anonymity.ELITE, EXIT)


LEVELS = {
    "nothing added": ("", Anonymity.ELITE),
    "Via": ("HTTP_VIA = 1.1 squid\n", Anonymity.ANONYMOUS),
    "forwarded for another": ("HTTP_X_FORWARDED_FOR = 10.0.0.1\n", Anonymity.ANONYMOUS),
    "forwarded for us": (f"HTTP_X_FORWARDED_FOR = {OURS}\n", Anonymity.TRANSPARENT),
    "forwarded for us, escaped": ("HTTP_FORWARDED = for=&quot;9.9.9.9&quot;\n", Anonymity.TRANSPARENT),
    "our address in any header": (f"HTTP_X_WHATEVER = {OURS}\n", Anonymity.TRANSPARENT),
    "no header": (f"SERVER_NOTE = {OURS}\n", Anonymity.ELITE),
}


@pytest.mark.parametrize(("more", "level"), LEVELS.values(), ids=LEVELS)
def test_levels(more, level):
    assert read(judge_of(), page(nonce="abc", more=more)) == Judged(level, EXIT)


def test_what_reaches_the_judge_without_a_proxy_betrays_none():
    more = "HTTP_X_FORWARDED_PROTO = http\n"
    assert read(judge_of(more=more), page(nonce="abc", more=more)).anonymity is Anonymity.ELITE


BEHIND = {
    "nothing added": (EXIT, Judged(Anonymity.ELITE, EXIT)),
    "forwarded for us": (f"{OURS}, {EXIT}", Judged(Anonymity.TRANSPARENT, EXIT)),
    "forwarded for another": (f"10.0.0.1,{EXIT}", Judged(Anonymity.ANONYMOUS, EXIT)),
}


@pytest.mark.parametrize(("forwarded", "judged"), BEHIND.values(), ids=BEHIND)
def test_behind_a_front_end_its_entry_is_the_exit(forwarded, judged):
    line = "HTTP_X_FORWARDED_FOR = {}\n"
    direct = Answer(200, page(client="10.1.1.1", more=line.format(OURS)))
    judge = Judge(parse_judge_url("http://judge.example/azenv.php"), "192.0.2.1", direct)
    assert judge.own == {OURS}
    assert read(judge, page(client="10.1.1.1", nonce="abc", more=line.format(forwarded))) == judged


FORGED = {
    "no nonce": page(),
    "another nonce": page(nonce="before"),
    "nonce as part of a longer one": page(nonce="abc0"),
    "nonce under another name": page().replace(b"/azenv.php", b"/azenv.php?xn=abc"),
    "no address": page(nonce="abc").replace(b"REMOTE_ADDR", b"REMOTE_PLACE"),
    "address that is none": page(client="&lt;script&gt;", nonce="abc"),
    "page that echoes the query": b"<html>You searched for ?n=abc</html>",
    "a bare address": EXIT.encode(),
    "empty": b"",
    "not UTF-8": b"\xff\xfe",
}


@pytest.mark.parametrize("body", FORGED.values(), ids=FORGED)
def test_what_does_not_answer_the_nonce_is_no_answer(body):
    with pytest.raises(ProbeFailed) as failed:
        read(judge_of(), body)
    assert failed.value.outcome is Outcome.NOT_A_PROXY


def test_of_several_lines_the_first_counts():
    more = f"HTTP_X = 1<br>REMOTE_ADDR = {OURS}\nREQUEST_URI = /?n=zzz\n"
    assert read(judge_of(), page(nonce="abc", more=more)).exit_ip == EXIT


@pytest.mark.parametrize(
    "body",
    [b"REMOTE_ADDR = 9.9.9.9\nHTTP_HOST = x\n", b"REQUEST_URI = /\nHTTP_HOST = x\n"],
    ids=["shows no URL", "shows no address"],
)
def test_a_page_of_no_use_is_no_judge(body):
    with pytest.raises(JudgeError):
        recognized(body)
