import pytest

from eagleray.pipelines.proxies.outcome import Outcome
from eagleray.pipelines.proxies.protocols.exchange import Stream


@pytest.mark.parametrize("count", [0, 1, 5, 6])
def test_exactly_takes_what_was_asked_and_leaves_the_rest(play, count):
    played = play(lambda stream: stream.exactly(count, b"go"), [b"abcdef"])
    assert (played.value, played.rest) == (b"abcdef"[:count], b"abcdef"[count:])


def test_exactly_names_the_step_in_which_the_stream_ended(play):
    played = play(lambda stream: stream.exactly(7, b"go", "the reply"), [b"abcdef"])
    assert (played.outcome, played.detail) == (Outcome.CLOSED, "closed in the reply")


def test_a_message_is_sent_once(play):
    assert play(lambda stream: stream.exactly(6, b"go"), [b"abcdef"]).sent == [b"go"]


@pytest.mark.parametrize(
    ("chunks", "outcome", "sent"),
    [([b"ab", b"cd"], Outcome.OK, [b"1", b"2"]), ([b"abcd"], Outcome.MALFORMED, [b"1"])],
    ids=["in turn", "both answers at once"],
)
def test_nothing_is_sent_past_bytes_left_over(play_chunks, chunks, outcome, sent):
    def two_steps(stream: Stream):
        yield from stream.exactly(2, b"1")
        yield from stream.exactly(2, b"2")

    played = play_chunks(two_steps, chunks)
    assert (played.outcome, played.sent) == (outcome, sent)


def test_the_end_of_the_stream_leaves_the_buffer(play):
    def read_all(stream: Stream):
        while (yield from stream.receive(b"" if stream.buffer else b"go")):
            pass

    assert play(read_all, [b"abc"]).rest == b"abc"
