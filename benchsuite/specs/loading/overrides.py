"""``--set path=value``: one field changed last, wherever it stands in a spec."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from benchsuite.errors import Problem, SpecError, nearest
from benchsuite.specs.loading.tree import Mark, Node, from_plain, parse


@dataclass(frozen=True)
class Override:
    """One change."""

    path: tuple[str, ...]
    value: Node
    shown: str
    """As the person typed it."""


def parse_override(text: str, roots: Iterable[str], example: str) -> Override:
    """Return what ``path=value`` says.

    Args:
        text: as typed.
        roots: what a path may begin with.
        example: shown where the form is wrong.

    Raises:
        SpecError: if it has another form, begins with another word, or its value is not YAML.

    """
    path, equals, value = text.partition("=")
    shown = f"--set {text}"
    steps = tuple(step.strip() for step in path.split("."))
    if not equals or not all(steps) or len(steps) < 2:
        raise SpecError([Problem(f"expected path=value, such as {example}", shown)])
    known = list(roots)
    if steps[0] not in known:
        message = f"unknown{nearest(steps[0], known)}; known here: {', '.join(known)}"
        raise SpecError([Problem(message, shown, field=steps[0])])
    node = parse(value, shown) if value.strip() else Node(None, Mark(shown))
    return Override(steps, from_plain(node.plain(), Mark(shown)), shown)


def apply_override(node: Node, path: tuple[str, ...], value: Node) -> Node:
    """Set one entry deep in a tree, making mappings on the way where there are none.

    Raises:
        SpecError: if the path asks a list for an entry that it has not.

    """
    if not path:
        return value
    step, rest = path[0], path[1:]
    if isinstance(node.value, list):
        if not step.isdigit() or int(step) >= len(node.value):
            message = f"no entry '{step}' in a list of {len(node.value)}; entries count from 0"
            raise SpecError([value.mark.problem(message)])
        entries = list(node.value)
        entries[int(step)] = apply_override(entries[int(step)], rest, value)
        return Node(entries, node.mark)
    below = node.get(step) if node.is_mapping else None
    base = node if node.is_mapping else Node({}, value.mark)
    return base.with_entry(step, apply_override(below or Node({}, value.mark), rest, value))
