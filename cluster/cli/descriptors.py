"""How many descriptors (open files, sockets) commands need: who has fewer is told before work begins."""

from eagleray.actors.process import raise_descriptor_limit
from eagleray.cluster.cli.console import fail

# The fewest that were seen to do are 128 for a run on two cores, 32 for a check or a proving ground, 66 for a
# judge with two connections, and 10 for what only reads; this is twice that, because cores add to it.
LEAST = {"run": 256, "demo": 256, "judge": 128, "check": 64, "proving-ground": 64}
LEAST_OF_OTHERS = 20


def require_descriptors(command: str) -> None:
    """Raise the soft limit to the hard one, and end a command that could not work with so few.

    Raises:
        typer.Exit: with code 2.
    """
    needed, has = LEAST.get(command, LEAST_OF_OTHERS), raise_descriptor_limit()
    if has < needed:
        fail(
            f"{command or 'eagleray'} needs {needed} descriptors, has {has}",
            f"Raise the hard limit: `ulimit -n {needed}` or more (LimitNOFILE=, docker --ulimit nofile).",
        )
