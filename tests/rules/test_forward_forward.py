"""Oracles: the paper's local losses, written out with matrices; goodness per label, one label at a time."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Generator

from benchsuite.credit import wrong_labels
from benchsuite.credit.batch import Batch, BatchShard
from benchsuite.networks import Network
from benchsuite.networks.architecture_shapes import shapes_of
from benchsuite.networks.builder import build
from benchsuite.networks.criterion import CRITERIA
from benchsuite.specs.models.architecture import ChainArchitecture
from benchsuite_rules.forward_forward import ForwardForward

INPUTS, CLASSES, EXAMPLES = 11, 3, 5


def _attached(**config: object) -> tuple[ForwardForward, Network, Batch]:
    layers = [{"kind": "dense", "units": units} for units in (16, 12)]
    spec = ChainArchitecture.model_validate({"kind": "chain", "name": "small", "layers": layers})
    network = build(shapes_of(spec, (INPUTS,), CLASSES), Generator().manual_seed(1)).double()
    rule = ForwardForward(ForwardForward.Config.model_validate(config))
    rule.attach(network, Generator().manual_seed(2))
    inputs = torch.randn(EXAMPLES, INPUTS, generator=Generator().manual_seed(9)).double()
    return rule, network, Batch(inputs, torch.tensor([0, 2, 1, 1, 0]), CRITERIA["cross_entropy"])


def _activities(network: Network, inputs: torch.Tensor, labels: torch.Tensor, size: float) -> list[torch.Tensor]:
    """Return both hidden layers' activities; no graph leads from the second to the first."""
    x = inputs.clone()
    x[:, :CLASSES] = size * F.one_hot(labels, CLASSES).double()
    found = []
    for name in ("dense1", "dense2"):
        x = x.detach() / x.detach().square().mean(1, keepdim=True).sqrt()
        x = torch.relu(x @ network.maps[name].weight.t() + network.maps[name].bias)
        found.append(x)
    return found


def test_hidden_gradients_are_those_of_the_two_local_losses_and_of_nothing_above():
    """Catches a loss of the wrong sign, a label not written, a gradient that passes from one segment to the next."""
    rule, network, batch = _attached(threshold=0.7, label_size=1.5)
    wrong = wrong_labels(batch, CLASSES, rule.stream.ahead(torch.device("cpu")))
    assert not (wrong == batch.targets).any()
    loss = sum(
        F.softplus(0.7 - own.square().mean(1)).mean() + F.softplus(other.square().mean(1) - 0.7).mean()
        for own, other in zip(
            _activities(network, batch.inputs, batch.targets, 1.5),
            _activities(network, batch.inputs, wrong, 1.5),
            strict=True,
        )
    )
    hidden = [p for name in network.hidden for p in network.segments[name].parameters()]
    expected = torch.autograd.grad(loss, hidden)
    rule.assign_credit(batch)
    assert all(torch.allclose(p.grad, due, rtol=1e-10) for p, due in zip(hidden, expected, strict=True))
    assert all(p.grad is None for p in network.segments["readout"].parameters())


def test_it_predicts_the_label_with_the_most_goodness_above_the_first_segment():
    """Catches a score of all segments, of the wrong label's column, and one label tried for all."""
    rule, network, batch = _attached()
    scores = rule.predict(batch.inputs)
    for label in range(CLASSES):
        _, second = _activities(network, batch.inputs, torch.full((EXAMPLES,), label), 3.0)
        assert torch.allclose(scores[:, label], second.square().mean(1))


def test_the_softmax_readout_learns_from_the_last_segments_normalised_activity_under_a_neutral_label():
    """Catches a readout that sees the label, which would predict it at once and nothing else."""
    rule, network, batch = _attached(readout="softmax")
    x = batch.inputs.clone()
    x[:, :CLASSES] = 3 / CLASSES
    for name in network.hidden:
        x = x / x.square().mean(1, keepdim=True).sqrt()
        x = torch.relu(x @ network.maps[name].weight.t() + network.maps[name].bias).detach()
    x = x / x.square().mean(1, keepdim=True).sqrt()
    readout = network.maps["readout"]
    logits = x @ readout.weight.t() + readout.bias
    expected = torch.autograd.grad(F.cross_entropy(logits, batch.targets), [readout.weight, readout.bias])
    rule.assign_credit(batch)
    assert torch.allclose(readout.weight.grad, expected[0], rtol=1e-10)
    assert torch.allclose(readout.bias.grad, expected[1], rtol=1e-10)
    assert torch.allclose(rule.predict(batch.inputs), logits)


@pytest.mark.parametrize("start", [0, 2])
def test_wrong_labels_do_not_depend_on_the_number_of_ranks(start):
    """Catches draws per rank: two processes would learn from other negative data than one."""
    _, _, batch = _attached()
    whole = wrong_labels(batch, CLASSES, Generator().manual_seed(3))
    own = slice(start, start + 2)
    shard = BatchShard(start, EXAMPLES, lambda total: total)
    part = Batch(batch.inputs[own], batch.targets[own], batch.criterion, shard)
    assert wrong_labels(part, CLASSES, Generator().manual_seed(3)).equal(whole[own])
