"""What ends the ground."""

import os
import select
import signal
import socket
import threading
import time
from collections.abc import Iterable
from multiprocessing.context import ForkProcess
from signal import Signals

from eagleray.cluster.proving_ground.reactor import Reactor

GRACE = 1.0  # seconds for a clean end once stdin has ended


class Ends:
    """What ends the ground: a signal, or something that stands for one."""

    def __init__(self, reactor: Reactor) -> None:
        self.reason = Signals.SIGTERM
        self._reactor = reactor
        self._signals, writing = socket.socketpair()
        writing.setblocking(False)
        self._writing = writing  # kept open
        signal.set_wakeup_fd(writing.fileno())
        heeded = [Signals.SIGINT, Signals.SIGTERM]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as `nohup` has it
            heeded.append(Signals.SIGHUP)
        for number in heeded:
            signal.signal(number, lambda _number, _frame: None)  # the number comes through the socket
        reactor.watch(self._signals.fileno(), select.EPOLLIN, self._signalled)

    def watch(self, workers: Iterable[ForkProcess]) -> None:
        """End when one of the workers has ended."""
        for worker in workers:
            self._reactor.watch(worker.sentinel, select.EPOLLIN, lambda _: self._end(Signals.SIGCHLD))

    def watch_stdin(self) -> None:
        """Treat the end of stdin as SIGTERM: a parent that dies takes this process along."""

        def wait() -> None:
            while os.read(0, 4096):
                pass
            os.kill(os.getpid(), Signals.SIGTERM)
            time.sleep(GRACE)
            os._exit(1)  # it is busy with something else

        threading.Thread(target=wait, daemon=True).start()

    def _signalled(self, _events: int) -> None:
        self._end(Signals(self._signals.recv(1)[0]))

    def _end(self, reason: Signals) -> None:
        self.reason = reason
        self._reactor.stop()
