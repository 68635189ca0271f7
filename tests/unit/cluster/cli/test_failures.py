"""Exceptions of every kind as one sentence."""

import pickle

import pytest
from ray.exceptions import ActorDiedError, RayTaskError

from eagleray.actors.sinks.base import StoreUnavailable
from eagleray.cluster.cli.failures import sentence

FULL = OSError(28, "No space left on device", "/data/fence")
OURS = StoreUnavailable("the store is down")
TEXT = "Traceback (most recent call last):\n  File x\n"


def in_actor(cause: Exception, text: str = TEXT) -> RayTaskError:
    """What Ray brings from an actor's method."""
    return RayTaskError("Sink.start", text, cause, proctitle="", pid=1, ip="127.0.0.1")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (FULL, "/data/fence: No space left on device"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (pickle.loads(pickle.dumps(FULL)), "/data/fence: No space left on device"),
        (OURS, "the store is down"),
        (MemoryError(), "out of memory"),
        (KeyError("hunter2"), "unexpected KeyError"),
        (ExceptionGroup("many", [ExceptionGroup("more", [OURS]), KeyError()]), "the store is down"),
        (in_actor(OURS), "the store is down"),
        (in_actor(OURS).as_instanceof_cause(), "the store is down"),
        (in_actor(ExceptionGroup("many", [OURS])).as_instanceof_cause(), "the store is down"),
        (ActorDiedError(in_actor(OURS, TEXT + "eagleray.x.LogLocked: it is taken: /d")), "it is taken: /d"),
        (
            ActorDiedError(in_actor(FULL, TEXT + "FileExistsError: [Errno 17] File exists: '/d'")),
            "File exists: '/d'",
        ),
        (ActorDiedError(), "The actor died unexpectedly before finishing this task"),
    ],
    ids=[
        "of the system",
        "of the system without a file",
        "from another process",
        "ours",
        "memory",
        "unexpected",
        "groups",
        "in an actor",
        "in an actor, of both kinds",
        "in an actor, a group",
        "an actor does not start",
        "an actor does not start, of the system",
        "an actor died",
    ],
)
def test_sentence(error, said):
    assert sentence(error) == said
