"""Oracles: autograd of the penalty written out, and a record of what a singular matrix leads to."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import Any

import pytest
import torch

from benchsuite.credit.rule import Rule
from benchsuite.data.fingerprint import fingerprint
from benchsuite.data.load import load_dataset
from benchsuite.data.resident import ResidentData
from benchsuite.errors import ShapeError, SpecError
from benchsuite.execution.plan import make_plan
from benchsuite.execution.record_building import LoadedData
from benchsuite.execution.run import Run
from benchsuite.execution.session import Session
from benchsuite.networks.architecture_shapes import shapes_of
from benchsuite.networks.builder import build
from benchsuite.networks.shapes.square import require_square_maps
from benchsuite.records.store import RecordStore, read_record
from benchsuite.registry.manager import build_registry
from benchsuite.specs.loading.resolve import SelectedRun
from benchsuite.specs.models.architecture import ChainArchitecture
from benchsuite.specs.models.protocol import OrthogonalitySpec
from benchsuite.specs.models.track import RunSpec
from benchsuite.training.orthogonality import add_orthogonality_gradients
from benchsuite.training.seeds import derive_seeds, generator
from benchsuite.training.trainer import Trainer
from benchsuite_rules.backprop import Backprop
from benchsuite_rules.kolen_pollack import KolenPollack
from benchsuite_rules.normalized_gait_prop import NormalizedGaitProp
from benchsuite_rules.readout_only import ReadoutOnly

from ..small_runs import MakeSpec

ARCHITECTURE: dict[str, Any] = {
    "form": "invertible",
    "layers": [{"kind": "conv2d", "channels": 3, "kernel": 2}, {"kind": "dense", "units": 12}],
    "defaults": {"activation": "leaky_relu", "initialization": {"scheme": "lecun_normal"}},
}
KINDS = ("off_diagonal", "identity")


def _trainer(make_spec: MakeSpec, rule: Rule, orthogonality: dict[str, Any] | None) -> Trainer:
    optimizer = {"kind": "sgd", "learning_rate": 0.01}
    spec = make_spec(architecture=ARCHITECTURE, protocol={"optimizer": optimizer, "orthogonality": orthogonality})
    seeds = derive_seeds(0)
    dataset = load_dataset(spec.dataset, ".", {})  # synthetic: nothing is read
    network = build(shapes_of(spec.architecture, dataset.input_shape, dataset.classes), generator(seeds, "init"))
    rule.attach(network, generator(seeds, "feedback"))
    return Trainer(network, rule, ResidentData(dataset, spec.dataset.normalization, "cpu"), spec.protocol, seeds)


def _penalty(weight: torch.Tensor, kind: str) -> torch.Tensor:
    gram = torch.einsum("oi,oj->ij", weight.flatten(1), weight.flatten(1))
    identity = torch.eye(len(gram))
    entries = gram * (1 - identity) if kind == "off_diagonal" else gram - identity
    return (entries**2).sum()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rule_type", [Backprop, NormalizedGaitProp])
def test_a_step_descends_the_rules_gradient_plus_the_penaltys(
    make_spec: MakeSpec, rule_type: type[Rule], kind: str
) -> None:
    """Would catch a penalty that replaces the gradient, one of the readout left out, and a factor of two or four."""
    trainer = _trainer(make_spec, rule_type(), {"kind": kind, "strength": 0.3})
    plain = _trainer(make_spec, rule_type(), None)
    batch = next(trainer.batches())
    before = {n: p.detach().clone().requires_grad_() for n, p in trainer.network.named_parameters()}
    penalty = sum(_penalty(w, kind) for n, w in before.items() if n.endswith("weight"))
    exact = dict(zip(before, torch.autograd.grad(0.3 * penalty, list(before.values()), allow_unused=True), strict=True))
    trainer._step(batch)
    plain._step(batch)
    others = dict(plain.network.named_parameters())
    for name, parameter in trainer.network.named_parameters():
        extra = exact[name]
        expected = others[name] if extra is None else others[name] - 0.01 * extra
        torch.testing.assert_close(parameter, expected, rtol=1e-5, atol=1e-6)
    assert all((exact[name] is None) == name.endswith("bias") for name in exact)


def test_kinds_differ_in_what_they_leave_free() -> None:
    """Off the diagonal nothing is wrong with columns of any length; the identity wants them one long."""
    network = _network_of_lengths((2.0, 0.5, 1.0, 3.0, 1.0, 1.0, 1.0, 1.0))
    weight = network.maps["dense1"].weight
    found = {}
    for kind in KINDS:
        weight.grad = torch.zeros_like(weight)
        add_orthogonality_gradients(network, OrthogonalitySpec(kind=kind, strength=1.0))
        found[kind] = weight.grad
    assert not found["off_diagonal"].any()
    assert found["identity"].diagonal().tolist() == [24.0, -1.5, 0.0, 96.0, 0.0, 0.0, 0.0, 0.0]


def _network_of_lengths(lengths: tuple[float, ...]) -> Any:
    units = len(lengths)
    spec = {"kind": "chain", "name": "square", **ARCHITECTURE, "layers": [{"kind": "dense", "units": units}]}
    network = build(shapes_of(ChainArchitecture.model_validate(spec), (units,), 3), torch.Generator().manual_seed(0))
    with torch.no_grad():
        network.maps["dense1"].weight.copy_(torch.diag(torch.tensor(lengths)))
    return network


def test_what_a_rule_does_not_train_is_not_regularised(make_spec: MakeSpec) -> None:
    trainer = _trainer(make_spec, ReadoutOnly(), {"kind": "identity", "strength": 1.0})
    before = {n: p.detach().clone() for n, p in trainer.network.named_parameters()}
    trainer._step(next(trainer.batches()))
    for name, parameter in trainer.network.named_parameters():
        assert torch.equal(parameter, before[name]) == ("readout" not in name)


def test_maps_that_read_the_data_may_be_left_out(make_spec: MakeSpec) -> None:
    """Would catch the penalty on a matrix that nothing inverts, and the readout left out, which is inverted."""
    everywhere = _trainer(make_spec, Backprop(), {"kind": "identity", "strength": 1.0})
    inverted = _trainer(make_spec, Backprop(), {"kind": "identity", "strength": 1.0, "maps": "inverted"})
    nowhere = _trainer(make_spec, Backprop(), None)
    for trainer in (everywhere, inverted, nowhere):
        trainer._step(next(trainer.batches()))
    weights = [{n: m.weight for n, m in t.network.maps.items()} for t in (everywhere, inverted, nowhere)]
    assert list(weights[0]) == ["conv1", "dense2", "readout"]
    for name, weight in weights[1].items():
        like_nowhere = name == "conv1"
        assert torch.equal(weight, weights[2][name]) == like_nowhere
        assert torch.equal(weight, weights[0][name]) == (not like_nowhere)


def test_a_feedback_weight_that_learns_follows_the_rules_gradient_alone(make_spec: MakeSpec) -> None:
    """Would catch the penalty added in place: such a feedback weight shares its gradient with the forward weight."""
    with_penalty = _trainer(make_spec, KolenPollack(), {"kind": "identity", "strength": 1.0})
    without = _trainer(make_spec, KolenPollack(), None)
    for trainer in (with_penalty, without):
        trainer._step(next(trainer.batches()))
    for name, weight in without.rule.feedback_weights.items():
        assert torch.equal(with_penalty.rule.feedback_weights[name], weight)
        assert not torch.equal(with_penalty.network.maps[name].weight, without.network.maps[name].weight)


def test_a_network_without_square_matrices_is_refused(make_spec: MakeSpec) -> None:
    spec = make_spec(protocol={"orthogonality": {"kind": "identity", "strength": 1.0}})
    plan = shapes_of(spec.architecture, (1, 4, 4), 7)
    with pytest.raises(ShapeError, match="needs a network of form invertible, this one is ordinary"):
        require_square_maps(spec.protocol, plan)


def test_a_first_training_without_square_matrices_is_refused_before_anything_is_run(
    make_spec: MakeSpec, store: RecordStore
) -> None:
    """It ended as a crash after the network had been built; the run's own network is fine."""
    dense = {"kind": "chain", "name": "first", "layers": [{"kind": "dense", "units": 16}]}
    square = {**dense, "form": "invertible", "defaults": {"activation": "leaky_relu"}}
    spec = make_spec(
        architecture=square,
        protocol={"orthogonality": {"kind": "identity", "strength": 1.0}},
        pretraining={"epochs": 1, "keep": ["dense1"], "architecture": dense},
        diagnostics={"names": []},
    )
    registry = build_registry([EntryPoint("backprop", "benchsuite_rules.backprop", "benchsuite")])
    chosen = SelectedRun(spec, "benchsuite run tiny")
    message = "needs a network of form invertible, the pretraining's network is ordinary"
    with pytest.raises(SpecError, match=message):
        Session([chosen], store, registry, store.root).check()
    with pytest.raises(SpecError, match=message):
        make_plan([chosen], registry, store.root)


def test_a_singular_matrix_is_recorded_with_the_layers_name(make_spec: MakeSpec, store: RecordStore) -> None:
    """Would catch a run that ends with 'the loss was not finite' and leaves the reason to be guessed."""
    registry = build_registry(
        [EntryPoint(n, f"benchsuite_rules.{n}", "benchsuite") for n in ("backprop", "normalized_gait_prop")]
    )
    content = make_spec(architecture=ARCHITECTURE, diagnostics={"names": []}).model_dump(mode="json")
    content["rule"] = {"name": "normalized_gait_prop", "config": {}}
    # So small a start that the second segment's matrix is zero in float32.
    content["architecture"]["layers"][1]["initialization"] = {"scheme": "lecun_normal", "gain": 1e-50}
    spec = RunSpec.model_validate(content)
    dataset = load_dataset(spec.dataset, store.root, {})
    run = Run(SelectedRun(spec, "benchsuite run tiny"), LoadedData(dataset, fingerprint(dataset)), store, registry)
    record = run.execute()
    assert record.status == "diverged"
    assert "the weight matrix of dense2 became singular" in record.reason
    assert len(record.epochs) == 1
    assert read_record(store.path_of(record.run_id)) == record
