"""Overrides ``--set path=value``: change any one field of a spec, after all other changes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from benchsuite.errors import Problem, SpecError, nearest
from benchsuite.specs.loading.tree import Mark, Node, from_plain, parse


@dataclass(frozen=True)
class Override:
    """One changed field."""

    path: tuple[str, ...]
    value: Node
    shown: str
    """The override as typed."""


def parse_override(text: str, roots: Iterable[str], example: str) -> Override:
    """Parse ``path=value``.

    Args:
        text: the override as typed.
        roots: the first words that a path may have.
        example: a valid override, shown if the form is wrong.

    Raises:
        SpecError: if the form is wrong, the first word is unknown, or the value is not YAML.

    """
    path, equals, value = text.partition("=")
    shown = f"--set {text}"
    steps = tuple(step.strip() for step in path.split("."))
    known = list(roots)
    of_a_rule = "; a rule's hyperparameter is rules.RULE.config.FIELD=VALUE" if "rules" in known else ""
    if equals and len(steps) == 1 and steps[0] in {"architecture", "dataset"}:
        message = f"sets one field at a time, such as {example}; another {steps[0]} makes another track: a file with"
        raise SpecError([Problem(f"{message} `extends:` and `{steps[0]}:`", shown)])
    if not equals or not all(steps) or len(steps) < 2:
        raise SpecError([Problem(f"expected path=value, such as {example}{of_a_rule}", shown)])
    if steps[0] not in known:
        message = f"unknown{nearest(steps[0], known)}; known here: {', '.join(known)}{of_a_rule}"
        raise SpecError([Problem(message, shown, field=steps[0])])
    node = parse(value, shown) if value.strip() else Node(None, Mark(shown))
    return Override(steps, from_plain(node.plain(), Mark(shown)), shown)


def apply_override(node: Node, path: tuple[str, ...], value: Node) -> Node:
    """Set one entry deep in a tree, creating missing mappings on the way.

    Raises:
        SpecError: if the path names an entry that a list does not have.

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
