"""Oracle: the sentences themselves; a network is refused for each need that traits can state, and for no other."""

from __future__ import annotations

from typing import Any

import pytest

from benchsuite.credit.traits import RuleTraits, incompatibilities
from benchsuite.networks.architecture_shapes import shapes_of
from benchsuite.networks.shapes.network_shapes import NetworkShapes
from benchsuite.specs.models.architecture import ChainArchitecture


def shapes(inputs: int = 6, **defaults: Any) -> NetworkShapes:
    layers = [{"kind": "dense", "units": 5}, {"kind": "dropout", "probability": 0.5}, {"kind": "dense", "units": 4}]
    spec = {"kind": "chain", "name": "drawn", "layers": layers, "defaults": {"activation": "relu"} | defaults}
    return shapes_of(ChainArchitecture.model_validate(spec), (inputs,), 3)


@pytest.mark.parametrize(
    ("needs", "reason"),
    [
        ({"activations": {"tanh"}}, "has no form for relu (dense1, dense2); it knows tanh"),
        ({"dropout": False}, "needs a network without dropout"),
        ({"norms": False}, "needs segments without a norm; dense1, dense2 have one"),
        ({"min_inputs_per_class": 3}, "needs at least 9 inputs for 3 classes, this network has 6"),
        ({"losses": {"squared_error"}}, "works with the loss squared_error, this protocol's is cross_entropy"),
        ({"min_hidden_segments": 3}, "needs at least 3 hidden segments, this network has 2"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_each_need_refuses_with_its_reason(needs: dict[str, Any], reason: str):
    """Catches a need that plans do not know, so that a run ends in the rule's own code."""
    traits = RuleTraits(mechanism="own_gradients", source="a test", **needs)
    assert incompatibilities(traits, shapes(norm="batch"), "cross_entropy") == [reason]
    assert incompatibilities(RuleTraits(mechanism="own_gradients", source="a test"), shapes(), "cross_entropy") == []


def test_a_need_that_is_met_refuses_nothing():
    needs: dict[str, Any] = {"activations": {"relu"}, "min_inputs_per_class": 2, "losses": {"cross_entropy"}}
    traits = RuleTraits(mechanism="own_gradients", source="a test", norms=False, **needs)
    assert incompatibilities(traits, shapes(), "cross_entropy") == []
