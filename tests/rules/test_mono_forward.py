"""Oracle: the paper's local losses, one per hidden layer, written out with matrices and differentiated by autograd."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Generator

from benchsuite.credit.batch import Batch
from benchsuite.networks.architecture_shapes import shapes_of
from benchsuite.networks.builder import build
from benchsuite.networks.criterion import CRITERIA
from benchsuite.specs.models.architecture import ChainArchitecture
from benchsuite_rules.mono_forward import MonoForward

INPUTS, CLASSES, EXAMPLES = 7, 3, 5
INPUT = torch.randn(EXAMPLES, INPUTS, generator=Generator().manual_seed(9)).double()
TARGETS = torch.tensor([0, 2, 1, 1, 0])


def _attached(prediction: str) -> MonoForward:
    layers = [{"kind": "dense", "units": units, "activation": "tanh"} for units in (6, 4)]
    spec = ChainArchitecture.model_validate({"kind": "chain", "name": "small", "layers": layers})
    network = build(shapes_of(spec, (INPUTS,), CLASSES), Generator().manual_seed(1)).double()
    rule = MonoForward(MonoForward.Config(prediction=prediction))
    rule.attach(network, Generator().manual_seed(2))
    return rule


def _goodness(rule: MonoForward) -> list[torch.Tensor]:
    """Return G of both layers; no graph leads from the second to the first."""
    x, found = INPUT, []
    for name in ("dense1", "dense2"):
        x = torch.tanh(x.detach() @ rule.network.maps[name].weight.t() + rule.network.maps[name].bias)
        found.append(x @ rule.projections[name].t())
    return found


def test_weights_and_projections_descend_each_segments_own_cross_entropy():
    """Catches an error that passes below its segment, a projection trained by the last loss, a readout that learns."""
    rule = _attached("last")
    loss = sum(F.cross_entropy(goodness, TARGETS) for goodness in _goodness(rule))
    network = rule.network
    trained = [p for name in network.hidden for p in network.segments[name].parameters()] + list(rule.parameters())
    expected = torch.autograd.grad(loss, trained)
    rule.assign_credit(Batch(INPUT, TARGETS, CRITERIA["cross_entropy"]))
    assert all(torch.allclose(p.grad, due, rtol=1e-10) for p, due in zip(trained, expected, strict=True))
    assert all(p.grad is None for p in network.segments["readout"].parameters())


@pytest.mark.parametrize("prediction", ["last", "sum"])
def test_it_predicts_with_its_projections(prediction):
    """Catches a prediction by the network's readout, which never learns."""
    rule = _attached(prediction)
    first, second = _goodness(rule)
    expected = second if prediction == "last" else first + second
    assert torch.allclose(rule.predict(INPUT), expected)
    result = rule.assign_credit(Batch(INPUT, TARGETS, CRITERIA["cross_entropy"]))
    assert torch.allclose(result.logits, expected)
