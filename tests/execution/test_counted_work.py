"""Oracle: torch's own count of products in a real step, and of factorizations and solves where they are made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Generator
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from benchsuite.credit.batch import Batch
from benchsuite.credit.rule import Rule
from benchsuite.execution.estimate import estimate
from benchsuite.networks.architecture_shapes import shapes_of
from benchsuite.networks.builder import build
from benchsuite.networks.criterion import CrossEntropy
from benchsuite.networks.maps.factorization import Square
from benchsuite.networks.shapes.network_shapes import NetworkShapes
from benchsuite.registry.manager import installed_registry
from benchsuite.specs.models.architecture import ChainArchitecture
from benchsuite.specs.models.protocol import ProtocolSpec
from benchsuite.training.orthogonality import add_orthogonality_gradients

from ..applicable import possible_pairs

BATCH = 24
RULES = installed_registry().rules
CONV = {"kind": "conv2d", "kernel": 3, "padding": 1}
LAYERS: dict[str, tuple[tuple[int, ...], list[dict[str, Any]]]] = {
    "dense": ((64,), [{"kind": "dense", "units": units} for units in (60, 56, 48)]),
    "conv": (
        (2, 12, 12),
        [{**CONV, "channels": 6}, {**CONV, "channels": 8, "stride": 2}, {**CONV, "channels": 4, "stride": 2}],
    ),
}
CONFIGS: dict[str, list[dict[str, Any]]] = {
    "difference_target_propagation": [{}, {"first_target": "decoder"}, {"noise_standard_deviation": 0}],
    "forward_gradient": [{}, {"samples": 2}, {"perturb": "weights", "samples": 2}],
    "leaky_direct_feedback_alignment": [{}, {"feedback": "kernel"}],
    "local_losses": [{}, {"loss": "pred", "classifier_inputs": 16}],
    "node_perturbation": [{}, {"two_sided": True, "samples": 2}],
    "normalized_gait_prop": [{}, {"precision": "float64"}, {"form": "differences"}],
    "predictive_coding": [{}, {"incremental": True, "steps": 4}, {"variables": "errors", "steps": 3}],
    "weight_mirror": [{}, {"mirror_batch_size": 60, "mirror_steps": 2}],
}
"""Further hyperparameters that change how much is done."""


def shapes(name: str, form: str) -> NetworkShapes:
    input_shape, layers = LAYERS[name]
    spec = {
        "name": "counted",
        "kind": "chain",
        "form": form,
        "layers": layers,
        "defaults": {
            "activation": {"kind": "leaky_relu", "slope": 0.3},
            "initialization": {"scheme": "orthogonal"},
        },
    }
    return shapes_of(ChainArchitecture.model_validate(spec), input_shape, 10)


def protocol(orthogonality: dict[str, Any] | None = None) -> ProtocolSpec:
    return ProtocolSpec.model_validate(
        {
            "epochs": 1,
            "batch_size": BATCH,
            "optimizer": {"kind": "adam", "learning_rate": 1e-3},
            "orthogonality": orthogonality,
        }
    )


class Products(TorchDispatchMode):
    """Adds up the operations of every matrix product and convolution, by torch's formulas.

    Its own FlopCounterMode does that too, but forbids gradients by leaves.
    """

    total = 0.0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        count = flop_registry.get(func._overloadpacket)
        self.total += count(*args, **(kwargs or {}), out_val=out) if count else 0
        return out


@contextmanager
def counted_inverses(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """Collect the operations of every factorization (2/3 n³) and of every solve (2 n² a column)."""
    operations: list[float] = []
    begin, rows = Square.__init__, Square.solve
    columns, transposed = Square.solve_columns, Square.solve_transposed

    def factorize(self: Square, matrix: torch.Tensor) -> None:
        operations.append(2 / 3 * len(matrix) ** 3)
        begin(self, matrix)

    def solve(self: Square, values: torch.Tensor) -> torch.Tensor:
        operations.append(2 * values.shape[1] ** 2 * len(values))
        return rows(self, values)

    def solve_columns(self: Square, values: torch.Tensor) -> torch.Tensor:
        operations.append(2 * len(values) ** 2 * values.shape[1])
        return columns(self, values)

    def solve_transposed(self: Square, values: torch.Tensor) -> torch.Tensor:
        operations.append(2 * len(values) ** 2 * values.shape[1])
        return transposed(self, values)

    counting = {
        "__init__": factorize,
        "solve": solve,
        "solve_columns": solve_columns,
        "solve_transposed": solve_transposed,
    }
    with monkeypatch.context() as patch:
        for name, function in counting.items():
            patch.setattr(Square, name, function)
        yield operations


def counted(rule: Rule, plan: NetworkShapes, how: ProtocolSpec, monkeypatch: pytest.MonkeyPatch) -> float:
    network = build(plan, Generator().manual_seed(0))
    rule.attach(network, Generator().manual_seed(1))
    inputs = torch.randn(BATCH, *plan.input_shape, generator=Generator().manual_seed(2))
    batch = Batch(inputs, torch.arange(BATCH) % plan.classes, CrossEntropy())
    with counted_inverses(monkeypatch) as inverses, Products() as products:
        rule.assign_credit(batch)
        if how.orthogonality is not None:
            add_orthogonality_gradients(network, how.orthogonality)
        rule.after_update()
    return sum(inverses) + products.total


NETWORKS = {f"{layers}-{form}": shapes(layers, form) for layers in LAYERS for form in ("ordinary", "invertible")}


@pytest.mark.parametrize(("name", "network"), possible_pairs(NETWORKS))
def test_a_plan_counts_what_a_step_does(name: str, network: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With and without the regulariser."""
    rule_type, plan = RULES[name], NETWORKS[network]
    penalties = [None] if plan.form == "ordinary" else [None, {"kind": "identity", "strength": 0.1, "maps": "inverted"}]
    for config in CONFIGS.get(name, [{}]):
        for penalty in penalties:
            rule, how = rule_type(rule_type.Config.model_validate(config)), protocol(penalty)
            done = counted(rule, plan, how, monkeypatch)
            planned = estimate(plan, rule_type, rule.config, how, BATCH, 0).flops_per_step
            assert planned == pytest.approx(done, rel=1e-6), (config, penalty)


def test_the_regulariser_is_counted_for_the_maps_it_is_of() -> None:
    plan, backprop = shapes("dense", "invertible"), RULES["backprop"]
    sizes = [s.output_shape[0] for s in plan.segments]
    extra = [
        estimate(
            plan, backprop, backprop.Config(), protocol({"kind": "identity", "strength": 1, "maps": m}), BATCH, 0
        ).flops_per_step
        - estimate(plan, backprop, backprop.Config(), protocol(), BATCH, 0).flops_per_step
        for m in ("all", "inverted")
    ]
    assert extra == [4 * sum(n**3 for n in sizes), 4 * sum(n**3 for n in sizes[1:])]
