"""Oracle: products counted by hand for 784-1024-512-10, and what a run really holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchsuite.api.plans import plan
from benchsuite.credit.rule import Rule, RuleConfig
from benchsuite.data.load import load_dataset
from benchsuite.execution.estimate import estimate
from benchsuite.execution.plan import describe
from benchsuite.execution.planned_run import hours
from benchsuite.networks.architecture_shapes import shapes_of
from benchsuite.registry.manager import Registry
from benchsuite.specs.models.architecture import ChainArchitecture
from benchsuite.specs.models.dataset import DigitsDataset, SyntheticDataset
from benchsuite.specs.models.protocol import ProtocolSpec

PROTOCOL = ProtocolSpec.model_validate(
    {"epochs": 2, "batch_size": 128, "optimizer": {"kind": "adam", "learning_rate": 1e-3}}
)
DENSE = ChainArchitecture.model_validate(
    {"name": "a", "kind": "chain", "layers": [{"kind": "dense", "units": 1024}, {"kind": "dense", "units": 512}]}
)
FORWARD = 784 * 1024 + 1024 * 512 + 512 * 10


def named(registry: Registry, name: str) -> tuple[type[Rule], RuleConfig]:
    rule = registry.rule(name)
    return rule, rule.Config()


@pytest.mark.parametrize(
    ("rule", "products"),
    [
        ("backprop", 2 * FORWARD + 1024 * 512 + 512 * 10),
        ("feedback_alignment", 2 * FORWARD + 1024 * 512 + 512 * 10),
        ("direct_feedback_alignment", 2 * FORWARD + 10 * 1024),
        ("readout_only", FORWARD + 512 * 10),
    ],
)
def test_flops_are_the_products_that_a_rule_makes(registry: Registry, rule: str, products: int) -> None:
    found = estimate(shapes_of(DENSE, (784,), 10), *named(registry, rule), PROTOCOL, 60_000, 0)
    assert found.flops_per_step == 2 * 128 * products
    assert found.flops_total == found.flops_per_step * 2 * 469
    assert found.parameters == FORWARD + 1024 + 512 + 10


def test_a_last_batch_that_is_dropped_is_not_counted(registry: Registry) -> None:
    """Catches a step per epoch too many: 60,000 examples are 468 batches of 128, and 96 examples left over."""
    dropped = PROTOCOL.model_copy(update={"last_batch": "drop"})
    found = estimate(shapes_of(DENSE, (784,), 10), *named(registry, "backprop"), dropped, 60_000, 0)
    assert found.flops_total == found.flops_per_step * 2 * 468


def test_a_plan_counts_the_pretraining(registry: Registry) -> None:
    """Catches work of the first network left out: two of its epochs, 20 batches of 50 each, in its own shapes."""
    track = "cifar10-deepnet-s-lc"
    few, more = (
        plan(track, rules="backprop", seeds=1, tier="smoke", set={"pretraining.epochs": epochs}).runs[0]
        for epochs in (1, 3)
    )
    first = few.selected.spec.pretraining.architecture
    assert few.estimate
    assert more.estimate
    assert first
    protocol = few.selected.spec.protocol.model_copy(update={"epochs": 2})
    tied = estimate(shapes_of(first, (3, 32, 32), 10), *named(registry, "backprop"), protocol, 1000, 0)
    assert more.estimate.flops_total - few.estimate.flops_total == pytest.approx(tied.flops_per_step * 2 * 20)


def test_memory_counts_data_weights_gradients_and_moments(registry: Registry) -> None:
    found = estimate(shapes_of(DENSE, (784,), 10), *named(registry, "backprop"), PROTOCOL, 60_000, 2**20)
    least = 4 * found.parameters * 4 / 2**20 + 1
    assert least < found.memory_mib < 2 * least


@pytest.mark.parametrize(("optimizer", "moments"), [("adam", 2), ("sgd", 0), ("momentum", 1)])
def test_feedback_that_learns_has_the_optimizers_state_and_fixed_feedback_has_none(
    registry: Registry, optimizer: str, moments: int
) -> None:
    """The weights of all segments but the first, once for themselves and once for each moment; none for backprop."""
    kinds = {"adam": {"kind": "adam"}, "sgd": {"kind": "sgd"}, "momentum": {"kind": "sgd", "momentum": 0.9}}
    protocol = ProtocolSpec.model_validate(
        {"epochs": 2, "batch_size": 128, "optimizer": {**kinds[optimizer], "learning_rate": 1e-3}}
    )
    memory = {
        rule: estimate(shapes_of(DENSE, (784,), 10), *named(registry, rule), protocol, 60_000, 0).memory_mib
        for rule in ("backprop", "feedback_alignment", "kolen_pollack", "updated_random_feedback")
    }
    feedback_mib = (1024 * 512 + 512 * 10) * 4 / 2**20
    assert memory["feedback_alignment"] - memory["backprop"] == pytest.approx(feedback_mib, rel=0.01)
    for rule in ("kolen_pollack", "updated_random_feedback"):
        extra = memory[rule] - memory["feedback_alignment"]
        assert extra == pytest.approx(moments * feedback_mib, rel=0.01)


@pytest.mark.parametrize(
    "spec",
    [
        DigitsDataset(name="d", kind="digits", train_limit=100),
        DigitsDataset(name="d", kind="digits", test_examples=10),
        SyntheticDataset(name="s", kind="synthetic", channels=3, height=5, width=4, classes=7, test_limit=9),
    ],
)
def test_a_described_data_set_is_the_one_that_is_loaded(
    registry: Registry, spec: DigitsDataset | SyntheticDataset, tmp_path: Path
) -> None:
    described = describe(spec, registry, tmp_path)
    loaded = load_dataset(spec, tmp_path)
    assert described.input_shape == loaded.input_shape
    assert described.classes == loaded.classes
    assert described.train_examples == len(loaded.train_targets)
    assert described.size_bytes == loaded.train_inputs.numel() + loaded.test_inputs.numel()


def test_hours_are_operations_over_speed() -> None:
    assert hours(7.2e18, tflops=100) == pytest.approx(20)
    assert hours(7.2e18, tflops=100, processes=4) == pytest.approx(5)


def test_processes_share_a_batchs_activations_only(registry: Registry) -> None:
    backprop = named(registry, "backprop")
    one, four = (estimate(shapes_of(DENSE, (784,), 10), *backprop, PROTOCOL, 60_000, 0, n) for n in (1, 4))
    assert one.flops_total == four.flops_total
    activations_mib = 128 * (784 + 2 * (1024 + 512 + 10)) * 4 / 2**20
    assert one.memory_mib - four.memory_mib == pytest.approx(activations_mib * 3 / 4)
