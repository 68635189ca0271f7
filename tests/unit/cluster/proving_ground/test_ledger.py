import multiprocessing

from eagleray.cluster.proving_ground.ledger import Tally
from eagleray.cluster.proving_ground.world import Kind


def test_a_parent_reads_what_a_forked_process_counts():
    tally = Tally()
    process = multiprocessing.get_context("fork").Process(target=tally.add, args=(Kind.HANG,))
    process.start()
    process.join()
    tally.add(Kind.CLOSE)
    assert tally.counts() == {Kind.HANG: 1, Kind.CLOSE: 1}
