"""Lists of variants in tracks, turned into mappings by name, so that `extends` and tiers merge both forms alike."""

from __future__ import annotations

from benchsuite.errors import SpecError
from benchsuite.specs.loading.tree import Mark, Node


def with_variants_by_name(track: Node) -> Node:
    """Return a track whose ``rules``, and those of its tiers, are mappings by name.

    Raises:
        SpecError: if an entry of a list has no name, or two have the same.

    """
    track = _with_mapping(track)
    tiers = track.get("tiers")
    for tier in tiers.value if tiers and tiers.is_mapping else ():
        if tiers and (changes := tiers.get(tier)):
            tiers = tiers.with_entry(tier, _with_mapping(changes, f"tiers.{tier}."))
    return track.with_entry("tiers", tiers) if tiers else track


def _with_mapping(node: Node, prefix: str = "") -> Node:
    rows = node.get("rules")
    if rows is None or not isinstance(rows.value, list):
        return node
    return node.with_entry("rules", _as_mapping(rows, f"{prefix}rules"))


def _as_mapping(rows: Node, field: str) -> Node:
    entries: dict[str, Node] = {}
    keys: dict[str, Mark] = {}
    for position, entry in enumerate(rows.value):
        title = entry.get("as")
        if title is None or entry.get("rule") is None:
            message = "expected a variant, such as {rule: backprop, as: a name of its own, config: {}, protocol: {}}"
            raise SpecError([entry.mark.problem(message, f"{field}.{position}")], subject=rows.mark.file or "track")
        name = str(title.value)
        if name in keys:
            message = f"'{name}' is the name of two rows; the other is on line {keys[name].line}"
            raise SpecError([title.mark.problem(message, f"{field}.{position}")], subject=rows.mark.file or "track")
        entries[name], keys[name] = entry.without("as"), title.mark
    return Node(entries, rows.mark, keys)
