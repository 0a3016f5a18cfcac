"""YAML as a tree that keeps the place of every value through references, merges and overrides.

Reading is limited in size, depth and expansion, so that no file can exhaust the machine. It follows YAML 1.2 where 1.1
surprises people: ``1e-3`` is a number, ``on`` and ``no`` are words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from benchsuite.errors import Problem, SpecError

MAX_FILE_BYTES = 1024 * 1024
MAX_NODES = 100_000
MAX_DEPTH = 50
TAGS = frozenset({"map", "seq", "str", "int", "float", "bool", "null", "merge"})


@dataclass(frozen=True)
class Mark:
    """A place in a file; lines and columns count from 1."""

    file: str | None
    line: int | None = None
    column: int | None = None

    def problem(self, message: str, where: str | None = None) -> Problem:
        """Return a problem at this place."""
        return Problem(message, self.file, self.line, self.column, where)


@dataclass(frozen=True)
class Node:
    """One value with its place; a mapping also has the places of its keys."""

    value: Any
    """A scalar, a list of nodes, or a dict of nodes."""
    mark: Mark
    keys: dict[str, Mark] = field(default_factory=dict)

    @property
    def is_mapping(self) -> bool:
        """True if it is a mapping."""
        return isinstance(self.value, dict)

    def plain(self) -> Any:
        """Return the value as plain data, without places."""
        if isinstance(self.value, dict):
            return {k: v.plain() for k, v in self.value.items()}
        if isinstance(self.value, list):
            return [v.plain() for v in self.value]
        return self.value

    def get(self, key: str) -> Node | None:
        """Return an entry of a mapping, or None."""
        found = self.value.get(key) if isinstance(self.value, dict) else None
        return found if isinstance(found, Node) else None

    def merged(self, over: Node) -> Node:
        """Return this tree with ``over`` merged over it: mappings field by field, everything else replaced.

        A mapping with another ``kind`` replaces the mapping below it, since the two share no fields. So does a mapping
        with ``extends``, which names its own base.
        """
        if not (self.is_mapping and over.is_mapping) or over.get("extends"):
            return over
        below, above = self.get("kind"), over.get("kind")
        if below and above and below.value != above.value:
            return over
        entries = dict(self.value)
        for key, node in over.value.items():
            entries[key] = entries[key].merged(node) if key in entries else node
        return Node(entries, over.mark, {**self.keys, **over.keys})

    def without(self, key: str) -> Node:
        """Return a mapping without one entry."""
        return Node({k: v for k, v in self.value.items() if k != key}, self.mark, self.keys)

    def with_entry(self, key: str, node: Node) -> Node:
        """Return a mapping with one entry set."""
        return Node({**self.value, key: node}, self.mark, {**self.keys, key: node.mark})

    def along(self, path: Iterator[Any] | tuple[Any, ...]) -> Iterator[tuple[Any, Node]]:
        """Yield (step, node) along a path, skipping steps that name no entry."""
        node = self
        for step in path:
            is_entry = isinstance(node.value, dict) and step in node.value
            is_index = isinstance(node.value, list) and isinstance(step, int) and step < len(node.value)
            if not (is_entry or is_index):
                continue
            node = node.value[step]
            yield step, node


def from_plain(value: Any, mark: Mark) -> Node:
    """Return plain data as a tree whose values all have the same place."""
    if isinstance(value, dict):
        return Node({str(k): from_plain(v, mark) for k, v in value.items()}, mark, {str(k): mark for k in value})
    if isinstance(value, list):
        return Node([from_plain(v, mark) for v in value], mark)
    return Node(value, mark)


class _Loader(yaml.SafeLoader):
    """SafeLoader with the scalars of YAML 1.2's core schema."""


class _FastLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """The same on libyaml, where PyYAML was built with it: the same tree and places, eight times as fast."""


MAX_FAST_DEPTH = 5_000
"""Deepest nesting given to libyaml's composer, which recurses in C and would overflow the stack at about 50,000."""

_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("int", r"^[-+]?[0-9]+$", "-+0123456789"),
    ("float", r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$", "-+.0123456789"),
    ("float", r"^(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$", "-+."),
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("merge", r"^<<$", "<"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), list(_first))
_FastLoader.yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers


@lru_cache(maxsize=1024)
def parse(text: str, file: str | None) -> Node:
    """Parse one YAML document; the same text only once, since whatever extends or names a spec reads its file again.

    Raises:
        SpecError: if it is empty, not YAML, too large, too deep, or has a key twice.

    """
    if len(text) > MAX_FILE_BYTES:
        raise _single(Mark(file), f"{len(text)} characters; a spec has at most {MAX_FILE_BYTES}")
    try:
        composed = _compose(text)
        if composed is None:
            raise _single(Mark(file, 1, 1), "the file is empty; expected a mapping of fields")
        return _Converter(file).convert(composed, 0)
    except yaml.MarkedYAMLError as error:
        at = error.problem_mark or error.context_mark
        mark = Mark(file, at.line + 1, at.column + 1) if at else Mark(file)
        raise _single(mark, f"not valid YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise _single(Mark(file), f"not valid YAML: {str(error).splitlines()[0]}") from None
    except RecursionError:
        raise _single(Mark(file), f"nested too deeply; a spec is at most {MAX_DEPTH} levels deep") from None


def _compose(text: str) -> yaml.Node | None:
    """Return yaml's own tree; an error is always that of PyYAML's Python parser, whose messages say more."""
    # A block that is nested deeper is indented, or two levels of it are.
    depth = text.count("[") + text.count("{") + 2 * max(map(len, text.splitlines()), default=0)
    if depth <= MAX_FAST_DEPTH:
        try:
            fast: yaml.Node | None = _FastLoader(text).get_single_node()
        except (yaml.YAMLError, ValueError):
            pass
        else:
            return fast
    return _Loader(text).get_single_node()


def dig(node: Node | None, *path: str) -> Node | None:
    """Return the node at a path of field names, or None if there is none."""
    for step in path:
        node = node.get(step) if node is not None else None
    return node


def read(path: Path) -> Node:
    """Read one YAML file; raises as ``parse`` does, and if the file is missing or too large for a spec."""
    shown = _shown(path)
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise _single(Mark(shown), f"{size} bytes; a spec has at most {MAX_FILE_BYTES}, nothing was read")
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise _single(Mark(shown), "not a text file in UTF-8") from None
    except OSError as error:
        raise _single(Mark(shown), (error.strerror or str(error)).lower()) from None
    return parse(text, shown)


def _shown(path: Path) -> str:
    """Return the shortest path that a terminal can open: relative if it is below the current folder."""
    return _relative_to(path, Path.cwd())


@lru_cache(maxsize=1024)
def _relative_to(path: Path, folder: Path) -> str:
    """Return the path from a folder if it is below it; kept, since whatever names a spec reads its file again."""
    try:
        return str(path.resolve().relative_to(folder))
    except ValueError:
        return str(path)


def _single(mark: Mark, message: str) -> SpecError:
    return SpecError([mark.problem(message)], subject=mark.file or "request")


class _Converter:
    """Convert yaml's nodes to ours, counting nodes while it expands aliases."""

    def __init__(self, file: str | None) -> None:
        self.file = file
        self.count = 0

    def convert(self, node: yaml.Node, depth: int) -> Node:
        mark = Mark(self.file, node.start_mark.line + 1, node.start_mark.column + 1)
        self.count += 1
        if self.count > MAX_NODES:
            raise _single(mark, f"expands to more than {MAX_NODES} values; a spec is smaller")
        if depth > MAX_DEPTH:
            raise _single(mark, f"nested too deeply; a spec is at most {MAX_DEPTH} levels deep")
        tag = node.tag.removeprefix("tag:yaml.org,2002:")
        if tag not in TAGS:
            raise _single(mark, f"tag '{node.tag}' is not allowed in a spec")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, mark, depth)
        if isinstance(node, yaml.SequenceNode):
            return Node([self.convert(n, depth + 1) for n in node.value], mark)
        return Node(self._scalar(node, tag), mark)

    def _mapping(self, node: yaml.MappingNode, mark: Mark, depth: int) -> Node:
        entries: dict[str, Node] = {}
        keys: dict[str, Mark] = {}
        for key_node, value_node in node.value:
            at = Mark(self.file, key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            if not isinstance(key_node, yaml.ScalarNode):
                raise _single(at, "a field's name must be a word")
            key = str(key_node.value)
            if key in entries:
                raise _single(at, f"'{key}' is given twice; the first is on line {keys[key].line}")
            entries[key], keys[key] = self.convert(value_node, depth + 1), at
        return Node(entries, mark, keys)

    def _scalar(self, node: yaml.Node, tag: str) -> Any:
        # Not yaml's own constructors: they follow YAML 1.1, where 010 is 8 and 1:30 is 90.
        text = str(node.value)
        match tag:
            case "bool":
                return text.lower() == "true"
            case "int":
                return int(text)
            case "float":
                return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
            case "null":
                return None
            case _:
                return text
