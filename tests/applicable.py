"""Pairs of a rule and a network in which it can work: what cannot apply is not collected, rather than skipped."""

from __future__ import annotations

from collections.abc import Mapping

from benchsuite.credit.rule import incompatibilities
from benchsuite.networks.shapes.network_shapes import NetworkShapes
from benchsuite.registry.manager import installed_registry


def possible_pairs(all_shapes: Mapping[str, NetworkShapes]) -> list[tuple[str, str]]:
    """Return (rule, network) for all installed rules and the given networks, by name, where the rule can work there."""
    rules = installed_registry().rules
    return [
        (rule, network)
        for rule in sorted(rules)
        for network, shapes in all_shapes.items()
        if not incompatibilities(rules[rule].traits, shapes)
    ]
