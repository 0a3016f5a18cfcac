"""Pairs of a rule and a network in which it can work: what cannot apply is not collected, rather than skipped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from benchsuite.credit.traits import incompatibilities
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


def covering_pairs(all_shapes: Mapping[str, NetworkShapes]) -> list[Any]:
    """Return the pairs that can be as pytest's parameters; those beyond a covering set are marked ``full``.

    The set has each rule in each form of network that it works in, and each network with some rule. Networks that were
    taken less often go first, so that rules differ in the networks they meet.
    """
    pairs = possible_pairs(all_shapes)
    uses = Counter(dict.fromkeys((network for _, network in pairs), 0))
    covering: set[tuple[str, str]] = set()
    for rule in dict.fromkeys(rule for rule, _ in pairs):
        mine = [network for owner, network in pairs if owner == rule]
        for form in dict.fromkeys(all_shapes[network].form for network in mine):
            taken = min((n for n in mine if all_shapes[n].form == form), key=uses.__getitem__)
            uses[taken] += 1
            covering.add((rule, taken))
    for rule, network in pairs:
        if not uses[network]:
            uses[network] += 1
            covering.add((rule, network))
    return [
        pytest.param(*pair, id="-".join(pair), marks=[] if pair in covering else [pytest.mark.full]) for pair in pairs
    ]
