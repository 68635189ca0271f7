import msgspec
import numpy as np
import pytest

from eagleray.pipelines.leases import Held, Lease, LeaseBook

SECONDS = 60.0


@pytest.fixture
def book():
    book = LeaseBook(SECONDS)
    for number, worker in ((1, "a"), (2, "b"), (3, "a")):
        book.sweep(worker, 7, 0.0)
        book.grant(Held(number, worker, 7, np.arange(2, dtype=np.uint32), 2), float(number))
    return book


def lost(book):
    numbers = []
    while held := book.take_lost():
        numbers.append(held.number)
    return numbers


@pytest.mark.parametrize(
    ("act", "numbers"),
    [
        (lambda book: None, []),
        (lambda book: book.sweep("c", 1, SECONDS), []),
        (lambda book: book.sweep("c", 1, SECONDS + 2), [1, 2]),
        (lambda book: (book.renew(1, 30.0), book.sweep("c", 1, SECONDS + 3)), [2, 3]),
        (lambda book: book.sweep("a", 7, 4.0), []),
        (lambda book: book.sweep("a", 8, 4.0), [1, 3]),
        (lambda book: book.sweep("new", 8, 4.0), []),
        (lambda book: (book.lose(2), book.lose(2), book.lose(99)), [2]),
        (lambda book: (book.lose(2), book.renew(2, 5.0)), [2]),
        (lambda book: (book.lose(2), book.settle(2, 2)), []),
        (lambda book: (book.settle(1, 2), book.renew(1, 5.0), book.sweep("c", 1, 1e9)), [2, 3]),
    ],
    ids=[
        "in time",
        "before the first deadline",
        "at the deadline",
        "renewed",
        "same incarnation",
        "another incarnation",
        "a new worker",
        "released twice",
        "renewed too late",
        "settled after its loss",
        "settled leases do not expire",
    ],
)
def test_which_leases_are_lost(book, act, numbers):
    act(book)
    assert lost(book) == numbers


def test_counts(book):
    book.settle(1, 1)
    book.lose(2)
    assert (len(book), book.leased, book.expired) == (3, 5, 0)
    book.settle(1, 1)
    book.sweep("c", 1, 1e9)
    assert (len(book), book.leased, book.expired) == (2, 4, 1)


def test_a_lease_survives_the_wire_and_names_its_items():
    slots = np.array([5, 70_000], "<u4").tobytes()
    lease = Lease(9, 1, 60.0, slots, [b"k1", b"key2"], b"abcd", b"uvwxyz")
    copy = msgspec.msgpack.decode(msgspec.msgpack.encode(lease), type=Lease)
    assert len(copy) == 2
    assert list(copy.items()) == [(5, b"k1", b"ab", b"uvw"), (70_000, b"key2", b"cd", b"xyz")]
