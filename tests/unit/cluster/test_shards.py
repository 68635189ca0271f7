from eagleray.cluster import shards
from eagleray.cluster.shards import Workers


class Deaf:
    """A process that ends by SIGKILL alone."""

    def __init__(self) -> None:
        self.alive = True

    def terminate(self) -> None:
        pass

    def kill(self) -> None:
        self.alive = False

    def join(self, seconds: float | None = None) -> None:
        assert not self.alive or seconds is not None, "waits for ever"


def test_a_worker_that_does_not_end_when_asked_to_is_killed(monkeypatch):
    process = Deaf()
    monkeypatch.setattr(shards, "start", lambda *_: shards.Worker(process, None, None))
    with Workers(1, everything=False, concurrency=None):
        pass
    assert not process.alive
