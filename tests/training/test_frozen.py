"""Oracle: weights of the lower half to the bit as they were, and all others changed, in float64, under every rule."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from benchsuite.data.load import load_dataset
from benchsuite.data.resident import ResidentData
from benchsuite.errors import ShapeError
from benchsuite.registry.manager import installed_registry
from benchsuite.specs.hashing import spec_hash
from benchsuite.training.build_trainer import TrainingSpecs, assemble
from benchsuite.training.device import open_device
from benchsuite.training.pretraining import pretraining_specs
from benchsuite.training.seeds import derive_seeds
from benchsuite.training.trainer import Trainer

from .ranks_worker import INVERTIBLE, VECTORIZED, spec_of

DENSE = {"kind": "chain", "layers": [{"kind": "dense", "units": units} for units in (9, 8, 7)]}
NORMED = {**DENSE, "defaults": {"norm": "batch"}}
# A rule that changes weights after the optimizer, one whose credit is local, and one in each further form.
CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "backprop with norms and decay": (
        "backprop",
        {},
        NORMED,
        {"optimizer": {"kind": "adamw", "learning_rate": 0.01, "weight_decay": 0.1}},
    ),
    "kolen-pollack decays": ("kolen_pollack", {"decay": 0.01}, DENSE, {}),
    "kolen-pollack decays first": ("kolen_pollack", {"decay": 0.01, "order": "decay_first"}, DENSE, {}),
    "connections are cut": ("updated_random_feedback", {"connectivity": 0.5}, DENSE, {}),
    "mirrored": ("weight_mirror", {"initial_mirror_steps": 3}, DENSE, {}),
    "signs are copied": ("sign_symmetry", {}, DENSE, {}),
    "direct": ("direct_feedback_alignment", {}, DENSE, {}),
    "targets": ("difference_target_propagation", {"target_step": 0.1}, DENSE, {}),
    "noise": ("node_perturbation", {"samples": 2}, DENSE, {}),
    "nonnegative vector units": ("gevb", {}, VECTORIZED, {}),
    "invertible, near orthogonal": (
        "gait_prop",
        {"gamma": 0.1},
        INVERTIBLE,
        {"orthogonality": {"kind": "identity", "strength": 0.01}},
    ),
}


def trainer_of(rule: str, config: dict[str, Any], architecture: dict[str, Any], protocol: dict[str, Any]) -> Trainer:
    spec = spec_of("backprop")
    dataset = load_dataset(spec.dataset, Path())
    device = open_device(spec.hardware)
    data = ResidentData(dataset, spec.dataset.normalization, device.torch_device, torch.float64)
    changed = spec.model_dump() | {"architecture": {"name": "tiny", **architecture}}
    changed["protocol"] |= {"optimizer": {"kind": "sgd", "learning_rate": 0.05, "momentum": 0.9}} | protocol
    changed["rule"] = {"name": rule, "config": config}
    whole = type(spec).model_validate(changed)
    parts = TrainingSpecs(whole.architecture, whole.protocol, whole.rule, derive_seeds(0))
    return assemble(parts, data, device, installed_registry())


@pytest.mark.parametrize("case", CASES)
def test_exactly_the_lower_half_stays_to_the_bit(case):
    """Catches a decay, a constraint, a regulariser or a rule's own step that moves a frozen weight after all."""
    rule, config, architecture, protocol = CASES[case]
    trainer = trainer_of(rule, config, architecture, {**protocol, "frozen": "lower_half"})
    hidden = trainer.network.hidden
    kept = hidden[: len(hidden) // 2]
    assert kept
    before = {name: parameter.detach().clone() for name, parameter in trainer.network.named_parameters()}
    trainer.begin()
    trainer.train_epoch()
    segment_of = {id(p): name for name, segment in trainer.network.segments.items() for p in segment.parameters()}
    for name, parameter in trainer.network.named_parameters():
        stays = segment_of[id(parameter)] in kept
        assert torch.equal(parameter, before[name]) == stays, name


def test_a_frozen_segments_norm_still_follows_each_batch():
    """Catches norms put into evaluation mode: untrained running averages normalise nothing, and depth looks useful."""
    trainer = trainer_of("backprop", {}, NORMED, {"frozen": "lower_half"})
    norm = trainer.network.segments["dense1"].norm
    trainer.train_epoch()
    assert isinstance(norm, torch.nn.BatchNorm1d)
    assert norm.training
    assert norm.running_mean is not None
    assert norm.running_mean.abs().sum() > 0


def test_the_other_weights_start_as_without_it():
    """Catches a frozen variant with another initial network, which is no pair of its rule's run at one seed."""
    rule, config, architecture, protocol = CASES["kolen-pollack decays"]
    free = trainer_of(rule, config, architecture, protocol).state()
    frozen = trainer_of(rule, config, architecture, {**protocol, "frozen": "lower_half"}).state()
    for part in ("network", "rule"):
        assert all(torch.equal(value, frozen[part][name]) for name, value in free[part].items())


def test_one_hidden_segment_has_no_lower_half():
    """Catches a variant that freezes nothing and ties with its rule, as if depth were of no use."""
    one = {"kind": "chain", "layers": [{"kind": "dense", "units": 9}]}
    with pytest.raises(ShapeError, match="needs at least 2 hidden segments, this network has 1"):
        trainer_of("backprop", {}, one, {"frozen": "lower_half"})


def test_a_protocol_without_it_keeps_its_hash_and_pretraining_learns_everything():
    """Catches stored runs that lose their name, and a pretraining whose passed-on segments never learned."""
    spec = spec_of("backprop")
    said = spec.model_copy(update={"protocol": spec.protocol.model_copy(update={"frozen": "lower_half"})})
    assert "frozen" not in spec.protocol.model_dump()
    assert spec_hash(spec) != spec_hash(said)
    assert pretraining_specs(said).protocol.frozen == "none"
