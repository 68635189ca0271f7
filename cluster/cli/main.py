"""The way in: finds the command's module and imports only that, so that the first output comes at once."""

import sys
from importlib import import_module
from importlib.metadata import version
from typing import Annotated

import typer

# Command -> module below cluster/cli that registers it, in the order in which `--help` lists them.
COMMANDS = {
    "demo": "demo",
    "run": "run",
    "check": "check",
    "collect": "collect",
    "sources": "collect",
    "list": "pool",
    "get": "pool",
    "explain": "pool",
    "judge": "judge",
    "proving-ground": "proving_ground",
    "store": "store",
    "log": "log",
    "config": "config",
    "doctor": "doctor",
}

EPILOG = (
    "Exit codes: 0 done, 1 nothing alive or not healthy, 2 wrong usage or input, "
    "3 cannot judge here, 130 interrupted."
)


def show_version(wanted: bool) -> None:
    """Print the version and stop."""
    if wanted:
        typer.echo(f"eagleray {version('eagleray')}")
        raise typer.Exit


def root(
    _version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Collect public proxies, check them over real sockets, score them, and serve the ones that work."""


def build(modules: list[str]) -> typer.Typer:
    """An application with the commands of these modules."""
    app = typer.Typer(
        no_args_is_help=True, add_completion=False, epilog=EPILOG, pretty_exceptions_enable=False
    )
    app.callback()(root)
    for module in modules:
        import_module(f"eagleray.cluster.cli.{module}").register(app)
    return app


def main() -> None:
    """Entry point of the `eagleray` command."""
    word = next((argument for argument in sys.argv[1:] if not argument.startswith("-")), "")
    modules = [COMMANDS[word]] if word in COMMANDS else list(dict.fromkeys(COMMANDS.values()))
    try:
        build(modules)(prog_name="eagleray")
    except KeyboardInterrupt:  # while modules are imported
        from eagleray.cluster.cli.console import Exit

        sys.exit(Exit.INTERRUPTED)


if __name__ == "__main__":
    main()
