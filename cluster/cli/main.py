"""The way in: finds the command's module and imports only that, so that the first output comes at once."""

import sys
import warnings
from importlib import import_module
from importlib.metadata import version
from typing import Annotated

import typer

from eagleray.cluster.cli import streams

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
    if not sys.warnoptions:  # what libraries say of a stranger's certificate is not for users
        warnings.simplefilter("ignore")
    streams.prepare()
    word = next((argument for argument in sys.argv[1:] if not argument.startswith("-")), "")
    try:
        run(word)
    except KeyboardInterrupt:  # while modules are imported
        from eagleray.cluster.cli.console import Exit

        sys.exit(Exit.INTERRUPTED)
    except Exception as error:
        sys.exit(give_up(word, error))


def run(word: str) -> None:
    """Run the command `word`; all that it writes is written when this ends.

    Raises:
        SystemExit: always, unless something fails.
    """
    from eagleray.cluster.cli.descriptors import require_descriptors

    modules = [COMMANDS[word]] if word in COMMANDS else list(dict.fromkeys(COMMANDS.values()))
    try:
        require_descriptors(word)
        build(modules)(prog_name="eagleray")
    except typer.Exit as ended:  # outside of the application nobody else takes it
        sys.exit(ended.exit_code)
    finally:
        sys.stdout.flush()


def give_up(command: str, error: Exception) -> int:
    """Say what failed in one sentence; the exit code."""
    from eagleray.cluster.cli import failures
    from eagleray.cluster.cli.console import Exit, note

    streams.drop_output()
    if isinstance(error, streams.OutputError):
        note(f"eagleray: {error}")
    elif not isinstance(error, BrokenPipeError):  # with that, whoever read the output has enough
        note(f"eagleray: {command or 'the command'} failed: {failures.sentence(error)}")
        if not failures.show_traceback(error):
            note(f"  It shows where with {failures.VARIABLE}=1 in its environment.")
    return Exit.NOTHING_ALIVE


if __name__ == "__main__":
    main()
