"""The processes of the ground that serve its endpoints: each has ports of its own, so endpoints of its own.

They are forked before the parent serves anything, and end with it, however it ends.
"""

import multiprocessing
import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.context import ForkProcess

from eagleray.actors.process import end_with_parent
from eagleray.cluster.proving_ground.doors import Doors
from eagleray.cluster.proving_ground.ledger import Ledger
from eagleray.cluster.proving_ground.listener import Listener
from eagleray.cluster.proving_ground.reactor import Reactor
from eagleray.cluster.proving_ground.world import Truth

fork = multiprocessing.get_context("fork")


@contextmanager
def serving(
    groups: Sequence[Sequence[socket.socket]], world: Sequence[Truth], ledgers: Sequence[Ledger], nap: float
) -> Iterator[list[ForkProcess]]:
    """Serve each group of bound sockets in a process of its own, with its own ledger and `nap`."""
    workers: list[ForkProcess] = []
    try:
        for group, ledger in zip(groups, ledgers, strict=True):
            for sock in group:
                sock.listen()  # from now on clients may come; the worker makes the queue longer
            workers.append(fork.Process(target=work, args=(group, world, ledger, nap)))
            workers[-1].start()
        yield workers
    finally:
        for worker in workers:
            worker.kill()  # it has nothing to put in order
        for worker in workers:
            worker.join()


def work(sockets: Sequence[socket.socket], world: Sequence[Truth], ledger: Ledger, nap: float) -> None:
    """Serve the endpoints at some sockets until the parent ends."""
    end_with_parent()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for number in (signal.SIGINT, signal.SIGHUP):  # a terminal sends them to all; the parent decides
        signal.signal(number, signal.SIG_IGN)
    reactor = Reactor(nap)
    doors = Doors(world, sockets, ledger)
    for sock in sockets:
        Listener(reactor, sock, doors.peer_at)
    reactor.run()
