"""Oracle: a step written down part by part, and the rule that nobody else writes one."""

from __future__ import annotations

import ast
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch

from benchsuite.conformance.samples import SAMPLE_NETWORKS, Trial
from benchsuite.credit.batch import StepResult
from benchsuite.errors import PluginError
from benchsuite.specs.models.protocol import OrthogonalitySpec
from benchsuite.training.step import training_step
from benchsuite_rules.backprop import Backprop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchsuite.credit.batch import Batch

SUITE = Path(__file__).resolve().parents[2] / "benchsuite"
STEP = SUITE / "training" / "step.py"
READS_CREDIT_WITHOUT_TRAINING = {SUITE / "diagnostics" / "observe.py"}
TIMES_THE_MACHINE = {SUITE / "execution" / "machine_speed.py"}
"""Trains two plain networks of torch's, without a rule, to see how fast the machine is."""


def called_methods(path: Path) -> set[tuple[str, str]]:
    """Return (last name of the object, method) of every call of a method."""
    calls = [n.func for n in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(n, ast.Call)]
    methods = [function for function in calls if isinstance(function, ast.Attribute)]
    return {(ast.unparse(method.value).rpartition(".")[2], method.attr) for method in methods}


def test_only_one_module_of_the_suite_takes_a_training_step() -> None:
    """Catches a second step put together by hand, which drifts: the kit's once left out the constraint."""
    parts = {("optimizer", "step"), ("network", "constrain"), ("rule", "assign_credit")}
    assert parts <= called_methods(STEP)
    for path in {*SUITE.rglob("*.py")} - {STEP} - READS_CREDIT_WITHOUT_TRAINING - TIMES_THE_MACHINE:
        assert not called_methods(path) & parts, path


@pytest.mark.parametrize("averaged", [False, True])
def test_a_step_is_gradients_then_weights_then_the_rule(monkeypatch: pytest.MonkeyPatch, averaged: bool) -> None:
    """Catches an order in which a rule follows weights that are not yet in their constraints."""
    trial = Trial.start(Backprop(), SAMPLE_NETWORKS[0])
    order: list[str] = []

    def noting(owner: object, name: str) -> None:
        original = getattr(owner, name)
        monkeypatch.setattr(owner, name, lambda *given, **named: (order.append(name), original(*given, **named))[1])

    for owner, name in (
        (trial.optimizer, "zero_grad"),
        (trial.rule, "assign_credit"),
        (trial.optimizer, "step"),
        (trial.network, "constrain"),
        (trial.rule, "after_update"),
    ):
        noting(owner, name)

    @contextmanager
    def averaging(batch: Batch) -> Iterator[None]:
        order.append("average begins")
        yield
        order.append("average ends")

    batch = SAMPLE_NETWORKS[0].batch(0)
    training_step(trial.network, trial.rule, trial.optimizer, batch, averaging=averaging if averaged else None)
    around = ["average begins"] * averaged, ["average ends"] * averaged
    assert order == ["zero_grad", *around[0], "assign_credit", *around[1], "step", "constrain", "after_update"]


def test_a_step_adds_the_penalty_to_what_the_rule_left() -> None:
    """Catches a penalty that is dropped, or added before gradients are cleared."""
    sample = next(s for s in SAMPLE_NETWORKS if len(s.shapes.segments) > 1)
    plain, penalised = (Trial.start(Backprop(), sample, dtype=torch.float64) for _ in range(2))
    batch = sample.batch(0, dtype=torch.float64)
    how = OrthogonalitySpec(kind="off_diagonal", strength=0.5)
    plain.step(batch)
    training_step(penalised.network, penalised.rule, penalised.optimizer, batch, orthogonality=how)
    for name, linear_map in plain.network.maps.items():
        assert linear_map.weight.grad is not None
        other = penalised.network.maps[name].weight.grad
        assert other is not None
        assert not torch.equal(linear_map.weight.grad, other), name


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (lambda result: None, "assign_credit returned NoneType;"),
        (lambda result: (result.loss, result.logits), "assign_credit returned tuple;"),
        (lambda result: StepResult(result.loss, None), "assign_credit returned None as logits;"),
        (lambda result: StepResult(result.logits, result.loss), "assign_credit returned loss of shape ("),
        (lambda result: StepResult(result.loss, result.logits[1:]), "assign_credit returned logits of shape ("),
    ],
)
def test_a_step_without_loss_and_logits_is_told_as_the_rules_fault(
    given: Callable[[StepResult], Any], says: str
) -> None:
    """Catches "'NoneType' object has no attribute 'max'", which names neither the rule nor what it has to return."""

    class Faulty(Backprop):
        def assign_credit(self, batch: Batch) -> StepResult:
            returned: StepResult = given(super().assign_credit(batch))
            return returned

    trial = Trial.start(Faulty(), SAMPLE_NETWORKS[0])
    with pytest.raises(PluginError) as fault:
        trial.step(SAMPLE_NETWORKS[0].batch(0))
    assert f"rule 'backprop': {says}" in str(fault.value)
    assert "expected StepResult(loss, logits)" in str(fault.value)
