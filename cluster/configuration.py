"""Reads the settings: flags before the environment before a YAML file before defaults."""

import difflib
import os
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import EnvSettingsSource

from eagleray.cluster import yaml_lines
from eagleray.cluster.problems import Loc, describe, follow
from eagleray.cluster.settings import ENV_DELIMITER, ENV_PREFIX, Settings

MAX_BYTES = 1 << 20  # of a configuration file: some ten thousand sources

PACKAGED = "default.yaml"
EXTENDS = "extends"  # a file with `extends: default` says only what differs from the packaged one

FLAGS = "command line"
DEFAULT = "default"


class ConfigurationError(Exception):
    """Raised when there is no valid configuration; `problems` has one line for each thing to mend."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Environment(EnvSettingsSource):
    """Variables by pydantic-settings' rules; a list may also be written with commas."""

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        """JSON, else the comma-separated parts: validation names the variable if neither is meant."""
        try:
            return super().decode_complex_value(field_name, field, value)
        except (ValueError, RecursionError):
            return [part.strip() for part in str(value).split(",")]


class Layers(NamedTuple):
    """What each origin sets, and where in the file it does."""

    flags: Mapping[str, Any]
    environment: Mapping[str, Any]
    file: Mapping[str, Any]
    places: Mapping[Loc, str]  # FILE:LINE of each value
    name: str  # of the file, for messages

    def merged(self) -> dict[str, Any]:
        """One tree; sections are merged, lists and values are replaced."""
        return merge(merge(self.file, self.environment), self.flags)

    def origin(self, loc: Loc) -> str:
        """Where the value at `loc` comes from: a flag, a variable, FILE:LINE, or the default."""
        if follow(self.flags, loc) == len(loc):
            return FLAGS
        if follow(self.environment, loc) == len(loc):
            return variable(loc)
        return self.places.get(loc, DEFAULT)

    def place(self, loc: Loc) -> str:
        """Where to mend a problem at `loc`: its origin, or that of the nearest section around it."""
        origins = (self.origin(loc[:end]) for end in range(len(loc), 0, -1))
        return next((origin for origin in origins if origin != DEFAULT), f"{self.name}:1")


def load(config: Path | None = None, flags: Mapping[str, Any] | None = None) -> Settings:
    """The effective settings.

    `config` is the YAML file, None the packaged one; `flags` is a tree of what the command line says.

    Raises:
        ConfigurationError: an unreadable file, an unknown key or a bad value.
    """
    return validate(read_layers(config, flags or {}))


def read_layers(config: Path | None, flags: Mapping[str, Any]) -> Layers:
    """What each origin says, not yet validated.

    Raises:
        ConfigurationError: the file can't be read, or a variable is misspelt.
    """
    if problems := misspelt_variables():
        raise ConfigurationError(problems)
    value, places = read_file(config)
    extends = value.pop(EXTENDS, None)
    if extends is not None:
        if extends != "default":
            raise ConfigurationError([f"{places[(EXTENDS,)]}: {EXTENDS}: only `default` can be extended"])
        below, places_below = read_file(None)
        value, places = merge(below, value), without_replaced(places_below, value) | places
    return Layers(flags, Environment(Settings)(), value, places, str(config or PACKAGED))


def read_file(config: Path | None) -> tuple[dict[str, Any], dict[Loc, str]]:
    """What a configuration file says, and FILE:LINE of each value.

    Raises:
        ConfigurationError: it can't be read.
    """
    name = str(config or PACKAGED)
    try:
        value, lines = yaml_lines.load(read_text(config))
    except yaml_lines.YamlError as error:
        raise ConfigurationError([f"{name}:{error.line}: {error}"]) from None
    except (OSError, ValueError) as error:
        raise ConfigurationError([f"{name}: {getattr(error, 'strerror', None) or error}"]) from None
    if not isinstance(value, dict | None):
        raise ConfigurationError([f"{name}:1: the file must hold `key: value` lines, not a list or a value"])
    return value or {}, {loc: f"{name}:{line}" for loc, line in lines.items()}


def without_replaced(places: Mapping[Loc, str], above: Mapping[str, Any]) -> dict[Loc, str]:
    """The places of an extended file, less those in lists and values that `above` replaces."""
    return {loc: place for loc, place in places.items() if not replaces(above, loc)}


def replaces(above: Any, loc: Loc) -> bool:
    """True where `above` has a list or a value of its own at `loc`, or in place of what surrounds it."""
    for step in loc:
        if not isinstance(above, Mapping):
            return True
        if step not in above:
            return False
        above = above[step]
    return not isinstance(above, Mapping)


def read_text(config: Path | None) -> str:
    """The configuration's text.

    Raises:
        OSError: it can't be read.
        ValueError: it is too large, or no text.
    """
    if config is None:
        return files("eagleray.configs").joinpath("default.yaml").read_text("utf-8")
    with config.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ValueError(f"larger than {MAX_BYTES} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("this is no UTF-8 text") from None


def validate(layers: Layers) -> Settings:
    """The settings that the layers make together.

    Raises:
        ConfigurationError: an unknown key or a bad value.
    """
    merged = layers.merged()
    try:
        return Settings(**merged)
    except ValidationError as error:
        raise ConfigurationError(describe(error.errors(), merged, layers.place)) from None


def misspelt_variables() -> list[str]:
    """A line for each variable that looks like a setting of ours but is none.

    Others with our prefix are left alone: an orchestrator gives a service of that name EAGLERAY_SERVICE_HOST.
    """
    problems = []
    for name in sorted(os.environ):
        first, *rest = name.upper().removeprefix(ENV_PREFIX).split(ENV_DELIMITER)
        if not name.upper().startswith(ENV_PREFIX) or first.lower() in Settings.model_fields:
            continue
        near = difflib.get_close_matches(first.lower(), Settings.model_fields, 1, cutoff=0.8)
        advice = f"; did you mean {ENV_PREFIX}{ENV_DELIMITER.join([near[0].upper(), *rest])}?" if near else ""
        if near or rest:
            problems.append(f"{name}: unknown variable{advice}")
    return problems


def variable(loc: Loc) -> str:
    """The variable that sets `loc`: its own, or that of a section around it that is given as JSON."""
    present = {name.upper() for name in os.environ}
    names = [ENV_PREFIX + ENV_DELIMITER.join(map(str, loc[:end])).upper() for end in range(len(loc), 0, -1)]
    return next((name for name in names if name in present), names[0])


def merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """`below` with what `above` says instead; mappings are merged."""
    merged = dict(below)
    for key, value in above.items():
        base = merged.get(key)
        merged[key] = merge(base, value) if isinstance(base, dict) and isinstance(value, dict) else value
    return merged
