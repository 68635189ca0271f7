"""Says what is wrong with a configuration: one line a problem, where it is, and what was found there."""

import difflib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from eagleray.cluster.settings import Settings
from eagleray.pipelines.secrets import hide_in_header, hide_in_url

Loc = tuple[str | int, ...]  # keys and indexes from the top to a value

MAX_SHOWN = 80  # characters of a bad value that a message repeats
PLACES = frozenset({"url", "judges", "stores"})  # where URLs stand, also those that are none


def describe(errors: list[ErrorDetails], tree: Any, place: Callable[[Loc], str]) -> list[str]:
    """One line for each value of `tree` that is wrong: `place: key.key: what (got value)`."""
    messages: dict[Loc, list[str]] = {}
    found: dict[Loc, str] = {}
    for error in errors:
        loc = subject(error, tree)
        messages.setdefault(loc, []).append(wording(error))
        if error["type"] not in ("missing", "extra_forbidden"):
            found[loc] = f" (got {shown(loc, error['input'])})"
    return [
        f"{place(loc)}: {'.'.join(map(str, loc))}: {', or '.join(texts)}{found.get(loc, '')}"
        for loc, texts in messages.items()
    ]


def subject(error: ErrorDetails, tree: Any) -> Loc:
    """Which value an error is about, without the branch of a union that pydantic appends."""
    loc = error["loc"]
    return loc if error["type"] == "missing" else loc[: follow(tree, loc)]


def wording(error: ErrorDetails) -> str:
    """What is wrong, with the nearest key where one is unknown."""
    if error["type"] != "extra_forbidden":
        return error["msg"].removeprefix("Value error, ")
    *section, key = error["loc"]
    near = difflib.get_close_matches(str(key), keys_at(Settings, section), 1)
    return "unknown key" + (f"; did you mean '{near[0]}'?" if near else "")


def keys_at(model: Any, loc: Sequence[str | int]) -> list[str]:
    """Names of the fields of the section at `loc`."""
    if isinstance(model, type) and issubclass(model, BaseModel):
        if not loc:
            return list(model.model_fields)
        return keys_at(model.model_fields[str(loc[0])].annotation, loc[1:])
    return keys_at(get_args(model)[0], loc[1:])  # an item of a tuple


def follow(tree: Any, loc: Loc) -> int:
    """How many steps of `loc` lead to something in the tree."""
    for depth, step in enumerate(loc):
        try:
            tree = tree[step]
        except (LookupError, TypeError):
            return depth
    return len(loc)


def shown(loc: Loc, value: object) -> str:
    """A bad value for a message: short, on one line, without secrets."""
    text = json.dumps(without_secrets(value, loc), default=str, ensure_ascii=False)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"


def without_secrets(value: Any, loc: Loc = ()) -> Any:
    """The tree with what looks like a secret in URLs and request headers replaced by `***`."""
    if isinstance(value, Mapping):
        return {key: without_secrets(item, (*loc, key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_secrets(item, (*loc, index)) for index, item in enumerate(value)]
    if "headers" in loc:
        return hide_in_header(str(loc[-1]), str(value))
    if isinstance(value, str) and ("//" in value or not PLACES.isdisjoint(loc)):
        return hide_in_url(value)
    return value
