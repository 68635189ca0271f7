import pytest

from eagleray.pipelines.proxies.judging import Judge, Judged, parse_judge_url
from eagleray.pipelines.proxies.model import Anonymity
from eagleray.pipelines.proxies.outcome import Outcome
from eagleray.pipelines.proxies.protocols.exchange import ProbeFailed
from eagleray.pipelines.proxies.protocols.http1 import Answer

OURS, PROXY, EXIT = "9.9.9.9", "8.8.4.4", "8.8.8.8"


@pytest.fixture
def judge():
    return Judge(parse_judge_url("http://judge.example/"), "192.0.2.1", Answer(200, OURS.encode()))


def test_a_bare_address_is_a_judge(judge):
    assert (judge.kind, judge.own, judge.nonce("abc")) == ("ip", {OURS}, "abc")


ANSWERS = {
    "another address": (EXIT.encode(), Judged(None, EXIT)),
    "with a line end": (f"{EXIT}\r\n".encode(), Judged(None, EXIT)),
    "IPv6": (b"2001:DB8:0::5", Judged(None, "2001:db8::5")),
    "mapped": (f"::ffff:{EXIT}".encode(), Judged(None, EXIT)),
    "ours": (OURS.encode(), Judged(Anonymity.TRANSPARENT, OURS)),
}


@pytest.mark.parametrize(("body", "judged"), ANSWERS.values(), ids=ANSWERS)
def test_answer(judge, body, judged):
    assert judge.read(Answer(200, body), "abc", PROXY) == judged


NO_ANSWERS = {
    "empty": b"",
    "HTML": b"<html>8.8.8.8</html>",
    "two addresses": b"8.8.8.8 9.9.9.9",
    "a number": b"134744072",
    "a zone": b"fe80::1%<script>",
    "not ASCII": "８.8.8.8".encode(),
    "long": b"8" * 60_000,
}


@pytest.mark.parametrize("body", NO_ANSWERS.values(), ids=NO_ANSWERS)
def test_another_page_is_no_answer(judge, body):
    with pytest.raises(ProbeFailed) as failed:
        judge.read(Answer(200, body), "abc", PROXY)
    assert failed.value.outcome is Outcome.NOT_A_PROXY
