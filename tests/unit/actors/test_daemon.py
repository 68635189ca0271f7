import asyncio
import threading

import pytest

from eagleray.actors import daemon
from eagleray.actors.daemon import in_daemon_thread


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    monkeypatch.setattr(daemon, "_room", threading.Semaphore(1))


async def test_calls_that_never_come_back_are_bounded():
    begun, go = threading.Event(), threading.Event()

    def stuck() -> bool:
        begun.set()
        return go.wait(60)

    call = asyncio.create_task(in_daemon_thread(stuck))
    assert await asyncio.to_thread(begun.wait, 60)
    with pytest.raises(OSError, match="have not come back"):
        await in_daemon_thread(str)
    go.set()
    assert await call
    assert await in_daemon_thread(lambda: 5) == 5  # there is room again


async def test_a_call_that_fails_gives_its_place_back():
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            await in_daemon_thread(lambda: 1 // 0)
