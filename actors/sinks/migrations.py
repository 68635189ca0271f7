"""Versioned SQL: the scripts that bring a store's tables from any older version to this program's."""

from importlib.resources import files
from importlib.resources.abc import Traversable

from eagleray.actors.sinks.base import Schema, SchemaMismatch, Script
from eagleray.pipelines.pipeline import Pipeline

KINDS = ("sqlite", "postgresql", "clickhouse")  # stores of SQL; the others have nothing to migrate


def schema_of(pipeline: Pipeline) -> Schema:
    """A pipeline's tables, with the packaged scripts from `configs/schema/<kind>/<pipeline>/`."""
    folder = files("eagleray.configs") / "schema"
    packaged = {kind: scripts(folder / kind / pipeline.name) for kind in KINDS}
    return Schema(pipeline.name, pipeline.tables, packaged, dict(pipeline.exports))


def scripts(folder: Traversable) -> tuple[Script, ...]:
    """The files `0001_name.sql`, … of a folder in order.

    Raises:
        ValueError: a number is missing or there twice.
    """
    found = sorted(
        Script(int(file.name[:4]), file.name, file.read_text("utf-8"))
        for file in (folder.iterdir() if folder.is_dir() else ())
        if file.name.endswith(".sql")
    )
    if [script.version for script in found] != list(range(1, len(found) + 1)):
        raise ValueError(f"{folder}: the scripts are not numbered from 1 on")
    return tuple(found)


def pending(all_scripts: tuple[Script, ...], applied: int) -> tuple[Script, ...]:
    """The scripts that a store at version `applied` lacks.

    Raises:
        SchemaMismatch: a newer program has written there.
    """
    if applied > len(all_scripts):
        raise SchemaMismatch(
            f"the store's tables have version {applied}, this program knows {len(all_scripts)}: "
            "use the newer Eagleray that wrote there, or another store"
        )
    return all_scripts[applied:]
