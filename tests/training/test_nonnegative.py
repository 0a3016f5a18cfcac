"""Oracle: one optimizer of torch, stepped by hand, with a clamp written out."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from benchsuite.credit.rule import Rule
from benchsuite.data.load import load_dataset
from benchsuite.data.resident import ResidentData
from benchsuite.networks.architecture_shapes import shapes_of
from benchsuite.networks.builder import build
from benchsuite.training.seeds import derive_seeds, generator
from benchsuite.training.trainer import Trainer
from benchsuite_rules.backprop import Backprop
from benchsuite_rules.gevb import GlobalErrorVectorBroadcasting

from ..small_runs import VECTORIZED, MakeSpec


def _trainer(make_spec: MakeSpec, rule: Rule, optimizer: dict[str, Any]) -> Trainer:
    spec = make_spec(architecture=VECTORIZED, protocol={"optimizer": optimizer})
    seeds = derive_seeds(0)
    dataset = load_dataset(spec.dataset, ".", {})  # synthetic: nothing is read
    network = build(shapes_of(spec.architecture, dataset.input_shape, dataset.classes), generator(seeds, "init"))
    rule.attach(network, generator(seeds, "feedback"))
    return Trainer(network, rule, ResidentData(dataset, spec.dataset.normalization, "cpu"), spec.protocol, seeds)


@pytest.mark.parametrize("rule_type", [GlobalErrorVectorBroadcasting, Backprop])
@pytest.mark.parametrize(
    "optimizer",
    [{"kind": "adam", "learning_rate": 0.05}, {"kind": "sgd", "learning_rate": 0.5, "momentum": 0.9}],
    ids=["adam", "sgd"],
)
def test_weights_past_the_data_are_nonnegative_after_every_step(
    make_spec: MakeSpec, rule_type: type[Rule], optimizer: dict[str, Any]
) -> None:
    """Would catch a clamp before the optimizer, once an epoch, or on what may be negative."""
    trainer = _trainer(make_spec, rule_type(), optimizer)
    network = trainer.network
    reached_zero = False
    for _ in range(2):
        for batch in trainer.batches():
            trainer._step(batch)
            weights = [network.maps[name].weight for name in ("dense2", "readout")]
            assert all(bool((w >= 0).all()) for w in weights)
            reached_zero |= any(bool(((w == 0) & (w.grad > 0)).any()) for w in weights if w.grad is not None)
    assert reached_zero, "the constraint was never needed; the test shows nothing"
    assert (network.maps["conv1"].weight < 0).any()
    assert any((m.bias < 0).any() for m in network.maps.values() if m.bias is not None)


def test_a_step_is_adams_step_then_the_clamp(make_spec: MakeSpec) -> None:
    """Would catch moments reset or clamped with the weights: the authors leave Adam alone."""
    trainer = _trainer(make_spec, GlobalErrorVectorBroadcasting(), {"kind": "adam", "learning_rate": 0.05})
    network = trainer.network
    names = [name for name, _ in network.named_parameters()]
    free = {name: p.detach().clone().requires_grad_() for name, p in network.named_parameters()}
    adam = torch.optim.Adam(free.values(), lr=0.05)
    for batch in [*trainer.batches()]:
        trainer._step(batch)
        for name, parameter in network.named_parameters():
            free[name].grad = parameter.grad.clone()
        adam.step()
        with torch.no_grad():
            for name in ("dense2", "readout"):
                free[f"nodes.{name}.map.weight"].clamp_(min=0)
        for name, parameter in network.named_parameters():
            torch.testing.assert_close(parameter, free[name], rtol=1e-5, atol=1e-6)
    own, peer = trainer.optimizer.state_dict()["state"], adam.state_dict()["state"]
    for position in range(len(names)):
        for moment in ("exp_avg", "exp_avg_sq"):
            torch.testing.assert_close(own[position][moment], peer[position][moment], rtol=1e-5, atol=1e-8)
