"""`eagleray config check|show|schema`, and how every other command reads its settings."""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eagleray.cluster.cli.console import Exit, note, print_json

if TYPE_CHECKING:
    from eagleray.cluster.settings import Settings

ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="YAML file to use instead of the packaged configuration.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Write JSON.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    family = typer.Typer(no_args_is_help=True, help="Check and show the configuration.")
    family.command("check")(check)
    family.command("show")(show)
    family.command("schema")(schema)
    app.add_typer(family, name="config")


def read_settings(config: Path | None, flags: Mapping[str, Any] | None = None) -> "Settings":
    """The effective settings; problems end the command, one line each.

    Raises:
        typer.Exit: with code 2.
    """
    from eagleray.cluster.configuration import ConfigurationError, load

    try:
        return load(config, flags)
    except ConfigurationError as error:
        for problem in error.problems:
            note(problem)
        raise typer.Exit(Exit.USAGE) from None


def check(
    file: Annotated[Path | None, typer.Argument(help="YAML file; the packaged one without it.")] = None,
) -> None:
    """Say whether a configuration is valid: one line for each problem, with its place."""
    proxies = read_settings(file).pipelines.proxies
    sys.stdout.write(
        f"{file or 'the packaged configuration'}: valid"
        f" (sources: {len(proxies.sources)}, judges: {len(proxies.judges)})\n"
    )


def show(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show the values in force and where each comes from; what looks like a secret is hidden."""
    from eagleray.cluster.configuration import read_layers
    from eagleray.cluster.problems import without_secrets

    tree = without_secrets(read_settings(config).model_dump(mode="json"))
    if as_json:
        print_json(tree)
        return
    layers = read_layers(config, {})
    for loc, value in leaves(tree):
        sys.stdout.write(
            f"{'.'.join(map(str, loc))} = {json.dumps(value, ensure_ascii=False)}  # {layers.origin(loc)}\n"
        )


def schema() -> None:
    """Write the JSON schema of the configuration: every field, its unit, its bounds and its default."""
    from eagleray.cluster.settings import Settings

    print_json(Settings.model_json_schema())


def leaves(tree: Any, loc: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """The values of a tree with their places; empty lists and mappings are values."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    below = [leaf for key, item in items for leaf in leaves(item, (*loc, key))]
    yield from below or [(loc, tree)]
