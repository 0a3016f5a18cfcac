"""Choose the drawing of a rule's credit path by the traits that the rule declares."""

from __future__ import annotations

from collections.abc import Mapping

from benchsuite.results.rule_texts import PATHS

CAPTIONS: Mapping[str, str] = {
    "exact": "The error travels back layer by layer, through the transposed forward weights.",
    "feedback": "The error travels back layer by layer, through feedback weights of its own.",
    "transported": "The error travels back layer by layer, through weights made from the forward ones.",
    "targets": "Targets travel back layer by layer; each layer moves towards its own.",
    "direct": "The output error reaches every layer directly, through weights of its own.",
    "label": "The label reaches every layer directly, through weights of its own.",
    "vector": "The output error reaches every layer directly, and is the same for all units.",
    "scalar": "One number reaches every layer; noise tells the units apart.",
    "phases": "The network settles in phases, in which neighbouring layers act on each other.",
    "two_passes": "The network runs twice, on two inputs; each layer learns from the two.",
    "local": "Each layer learns from a loss of its own; nothing travels back.",
    "readout": "Only the readout learns; the layers before it stay as they were drawn.",
}
"""One sentence per drawing, also for those who do not see it."""


def paths_of(rule: str, traits: Mapping[str, object]) -> str:
    """Return the name of a rule's drawing; empty if no traits are known.

    Args:
        rule: name of the rule.
        traits: its declared traits as plain data.

    """
    if rule in PATHS:
        return PATHS[rule]
    if not traits:
        return ""
    if not traits.get("trains_hidden", True):
        return "readout"
    drawn = {"replaced_feedback": _feedback, "direct_local_credit": _direct, "own_gradients": _own}
    choose = drawn.get(str(traits.get("mechanism")))
    return choose(traits) if choose else ""


def _feedback(traits: Mapping[str, object]) -> str:
    if traits.get("hidden_update_is_backprop"):
        return "exact"
    return "transported" if traits.get("weight_transport") else "feedback"


def _direct(traits: Mapping[str, object]) -> str:
    if traits.get("weight_transport"):
        return "targets"
    if traits.get("unit_specific_feedback", True):
        return "direct"
    return "scalar" if traits.get("separate_phase") else "vector"


def _own(traits: Mapping[str, object]) -> str:
    if not traits.get("unit_specific_feedback", True):
        return "scalar"
    if not traits.get("separate_phase"):
        return "local"
    return "phases" if traits.get("weight_transport") else "two_passes"
