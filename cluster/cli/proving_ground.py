"""`eagleray proving-ground`: a world of proxies on loopback, to try Eagleray and other tools on."""

import sys
from signal import SIGCHLD, SIGINT
from typing import TYPE_CHECKING, Annotated

import typer

from eagleray.cluster.cli.console import Exit, fail
from eagleray.cluster.proving_ground.world import Mix

if TYPE_CHECKING:
    from eagleray.cluster.proving_ground import Ready

MAX_ENDPOINTS = 1_000_000  # some 500 bytes of memory each; 127.0.0.0/8 has room for 16 times as many


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("proving-ground")(proving_ground)


def proving_ground(
    endpoints: Annotated[int, typer.Option(min=1, max=MAX_ENDPOINTS, help="How many endpoints.")] = 400,
    seed: Annotated[int, typer.Option(help="The same seed gives the same world.")] = 1,
    mix: Annotated[
        Mix, typer.Option(help="demo: a quarter alive and quick. field: the proportions of public lists.")
    ] = Mix.DEMO,
    exit_with_stdin: Annotated[
        bool, typer.Option("--exit-with-stdin", help="End when stdin ends, so together with the parent.")
    ] = False,
) -> None:
    """Serve proxies of every kind, list sources and a judge on loopback; print one JSON line when ready."""
    if sys.platform != "linux":
        fail("the proving ground needs Linux", "It binds its listeners to the loopback device.")
    from eagleray.cluster.proving_ground.ground import serve

    try:
        stopped_by = serve(mix, endpoints, seed, announce, exit_with_stdin)
    except OSError as reason:
        advice = "It binds to the loopback device: that needs Linux 5.7 or newer, or root."
        fail(f"cannot set up the proving ground: {reason}", advice)
    if stopped_by is SIGCHLD:
        fail(
            "a process of the proving ground has died", "Look above for its traceback, or for lack of memory."
        )
    raise typer.Exit(Exit.INTERRUPTED if stopped_by is SIGINT else Exit.DONE)


def announce(ready: "Ready") -> None:
    """Write the ready line."""
    import msgspec

    sys.stdout.buffer.write(msgspec.json.encode(ready) + b"\n")
    sys.stdout.flush()
