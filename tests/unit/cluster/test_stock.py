import threading
from itertools import count, islice, takewhile

import pytest

from eagleray.cluster.stock import Stock


@pytest.fixture
def stock():
    return Stock(8)


def taken_by(stock, takers):
    """All that so many threads take until the end, by thread."""
    lots = [[] for _ in range(takers)]

    def take(lot):
        while items := stock.take(3):
            lot += items

    threads = [threading.Thread(target=take, args=(lot,), daemon=True) for lot in lots]
    for thread in threads:
        thread.start()
    return threads, lots


@pytest.mark.parametrize("takers", [1, 2, 5])
def test_each_item_is_taken_once_and_in_order(stock, takers):
    threads, lots = taken_by(stock, takers)
    stock.fill(range(20_000))
    stock.end()
    for thread in threads:
        thread.join(10)
    assert sorted(item for lot in lots for item in lot) == list(range(20_000))
    assert all(lot == sorted(lot) for lot in lots)


def test_an_item_is_taken_while_the_next_is_awaited(stock):
    """As from a pipe into which somebody types."""
    taken, gate = threading.Event(), iter([1])

    def typed():
        yield from gate
        assert taken.wait(10)

    filler = threading.Thread(target=stock.fill, args=(typed(),), daemon=True)
    filler.start()
    assert stock.take(3) == [1]
    taken.set()
    filler.join(10)
    assert not filler.is_alive()


def test_a_source_without_end_is_read_only_as_far_as_needed(stock):
    read, enough = [], threading.Event()
    endless = (read.append(n) or n for n in takewhile(lambda _: not enough.is_set(), count()))
    filler = threading.Thread(target=stock.fill, args=(endless,), daemon=True)
    filler.start()
    lot = []
    while len(lot) < 100:
        lot += stock.take(3)
    assert lot == list(islice(count(), len(lot)))
    assert len(read) <= len(lot) + 8 + 1
    enough.set()
    stock.take(8)  # there is room again, and nothing more comes
    filler.join(10)
    assert not filler.is_alive()
