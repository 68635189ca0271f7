"""YAML as plain values that remember the line on which each of them stands."""

from typing import Any, NamedTuple

import yaml
from yaml.nodes import MappingNode, Node, SequenceNode

Path = tuple[str | int, ...]  # keys and indexes from the top to a value

MAX_DEPTH = 20  # nesting of the text; the configuration's own is 6, and the composer recurses

# libyaml's loader is ten times as fast; a wheel without it still works.
Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class YamlError(Exception):
    """Raised when a text is not the YAML that a configuration may be; `line` counts from 1."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


class Lines(NamedTuple):
    """The value of a document, and the line of every value in it."""

    value: Any
    lines: dict[Path, int]


def load(text: str) -> Lines:
    """One document. Aliases are refused: a configuration needs none, and a few lines of them fill the memory.

    Raises:
        YamlError: broken YAML, aliases, nesting beyond `MAX_DEPTH`, keys twice or not text, unknown tags.
    """
    try:
        refuse_bombs(text)
        loader = Loader(text)
        try:
            lines: dict[Path, int] = {}
            node = loader.get_single_node()
            return Lines(None if node is None else plain(loader, node, (), lines), lines)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise YamlError(error.problem or "broken YAML", mark.line + 1 if mark else 1) from None
    except yaml.YAMLError as error:  # the reader's: a character that YAML forbids
        raise YamlError(str(getattr(error, "reason", "") or "broken YAML"), 1) from None


def refuse_bombs(text: str) -> None:
    """Look at the text's events, which takes no memory, before anything is built from them.

    Raises:
        YamlError: an alias, or nesting beyond `MAX_DEPTH`.
        yaml.YAMLError: broken YAML.
    """
    depth = 0
    for event in yaml.parse(text, Loader=Loader):
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.AliasEvent):
            raise YamlError("aliases (*name) are not supported", line)
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise YamlError(f"nested more than {MAX_DEPTH} deep", line)


def plain(loader: Any, node: Node, path: Path, lines: dict[Path, int]) -> Any:
    """The value of a node; notes the lines of it and of everything below it."""
    lines[path] = node.start_mark.line + 1
    if isinstance(node, SequenceNode):
        return [plain(loader, item, (*path, index), lines) for index, item in enumerate(node.value)]
    if not isinstance(node, MappingNode):
        return scalar(loader, node)
    value: dict[str, Any] = {}
    for key_node, item in node.value:
        key, line = scalar(loader, key_node), key_node.start_mark.line + 1
        if not isinstance(key, str):
            raise YamlError("a key must be text", line)
        if key in value:
            raise YamlError(f"the key '{key}' stands here for the second time", line)
        value[key] = plain(loader, item, (*path, key), lines)
        lines[(*path, key)] = line
    return value


def scalar(loader: Any, node: Node) -> Any:
    """The value of a single node; null for a collection that stands where a key should."""
    if isinstance(node, MappingNode | SequenceNode):
        return None
    try:
        return loader.construct_object(node)
    except ValueError as error:  # such as the date 2026-99-99
        raise YamlError(str(error), node.start_mark.line + 1) from None
