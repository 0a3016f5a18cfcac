"""Oracle: the same run with images channel after channel. How they lie in memory changes no number but by rounding."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from benchsuite.credit.batch import Batch, StepResult
from benchsuite.execution.setting_up import set_up
from benchsuite.training.memory_format import choose_memory_format
from benchsuite.training.trainer import Trainer

from ..small_runs import MakeRun, MakeSpec

RULES = ("backprop", "feedback_alignment", "kolen_pollack", "weight_mirror", "direct_feedback_alignment")
# As many channels as pixels would hide images that lie otherwise than they say.
ARCHITECTURE = {
    "layers": [
        {"kind": "conv2d", "channels": 6, "kernel": 3, "padding": 1, "norm": "batch"},
        {"kind": "conv2d", "channels": 5, "kernel": 3},
        {"kind": "dense", "units": 12},
    ]
}


@pytest.mark.parametrize("rule", RULES)
def test_channels_last_comes_to_the_same_numbers_and_is_recorded(
    make_spec: MakeSpec, make_run: MakeRun, rule: str
) -> None:
    changes = {"architecture": ARCHITECTURE, "dataset": {"channels": 3}, "protocol": {"epochs": 1}, "diagnostics": {}}
    plain = make_run(make_spec(rule, **changes)).execute()
    last = make_run(make_spec(rule, **changes, hardware={"memory_format": "channels_last"})).execute()
    assert plain.status == last.status == "completed", last.traceback
    assert (plain.hardware.memory_format, last.hardware.memory_format) == ("contiguous", "channels_last")
    assert last.epochs[0].running_loss == pytest.approx(plain.epochs[0].running_loss, rel=1e-3)
    assert plain.run_id != last.run_id


def trainer_of(make_spec: MakeSpec, make_run: MakeRun, rule: str = "backprop", **changes: Any) -> Trainer:
    spec = make_spec(rule, **{"architecture": ARCHITECTURE, "dataset": {"channels": 3}, **changes})
    return set_up(make_run(spec).state)


VECTORIZED = {
    "form": "vectorized",
    "layers": [
        {"kind": "conv2d", "channels": 6, "kernel": 2},
        {"kind": "conv2d", "channels": 4, "kernel": 2},
        {"kind": "locally_connected2d", "channels": 4, "kernel": 2},
    ],
    "defaults": {"activation": "vector_gate"},
}
# Without a norm, before which a bias has a gradient of rounding alone.
PLAIN = {
    "layers": [
        {"kind": "conv2d", "channels": 6, "kernel": 3, "padding": 1},
        {"kind": "conv2d", "channels": 5, "kernel": 3},
        {"kind": "dense", "units": 12},
    ]
}
CASES = [
    *((rule, PLAIN) for rule in (*RULES, "sign_symmetry", "updated_random_feedback", "node_perturbation")),
    (
        "difference_target_propagation",
        {
            "layers": [
                {"kind": "conv2d", "channels": 6, "kernel": 3, "padding": 1},
                {"kind": "conv2d", "channels": 5, "kernel": 3},
            ]
        },
    ),
    *((rule, VECTORIZED) for rule in ("backprop", "gevb", "kolen_pollack")),
]


@pytest.mark.parametrize(("rule", "architecture"), CASES, ids=lambda c: c if isinstance(c, str) else c.get("form", ""))
def test_all_that_learns_learns_the_same(
    make_spec: MakeSpec, make_run: MakeRun, rule: str, architecture: dict[str, Any]
) -> None:
    """Catches feedback weights that the optimizer no longer has hold of, so that Kolen-Pollack is feedback alignment;
    and gradients that lie otherwise than their weights, which torch's fused optimizers take in the order of memory."""
    changes = {"architecture": architecture, "protocol": {"optimizer": {"kind": "sgd", "learning_rate": 0.05}}}
    plain, last, as_begun = (trainer_of(make_spec, make_run, rule, **changes) for _ in range(3))
    last.set_channels_last(True)
    for trainer in (plain, last):
        for _ in range(2):
            trainer.train_epoch()
    own = {id(weight) for weight in last._learning}
    assert all(id(feedback.weight) in own for feedback in last.rule.learned_feedback)
    moved = 0
    for mine, theirs, first in zip(*(_all_of(t) for t in (last, plain, as_begun)), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-2, atol=1e-3 * float((theirs - first).abs().max()) + 1e-6)
        moved += int(not torch.equal(mine, first))
    assert moved >= 2 * len(architecture["layers"])


def _all_of(trainer: Trainer) -> list[torch.Tensor]:
    state = [*trainer.network.state_dict().values(), *trainer.rule.state_dict().values()]
    return [tensor.double() for tensor in state if isinstance(tensor, torch.Tensor) and tensor.is_floating_point()]


@pytest.mark.parametrize("optimizer", [{"kind": "sgd", "learning_rate": 0.1}, {"kind": "adam", "learning_rate": 1e-3}])
def test_a_rule_may_leave_its_gradients_in_any_order(
    make_spec: MakeSpec, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, optimizer: dict[str, Any]
) -> None:
    """Catches an author's ``(inputs.t() @ credit).t()`` that trains something else than was worked out."""
    changes = {"architecture": {"layers": [{"kind": "dense", "units": 12}]}, "protocol": {"optimizer": optimizer}}
    plain, transposed = (trainer_of(make_spec, make_run, **changes) for _ in range(2))
    assign = transposed.rule.assign_credit

    def assign_credit(batch: Batch) -> StepResult:
        result = assign(batch)
        for linear_map in transposed.network.maps.values():
            linear_map.weight.grad = linear_map.weight.grad.t().contiguous().t()
        return result

    monkeypatch.setattr(transposed.rule, "assign_credit", assign_credit)
    for trainer in (plain, transposed):
        trainer.train_epoch()
    for mine, theirs in zip(_all_of(transposed), _all_of(plain), strict=True):
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize("faster", [True, False])
def test_the_faster_form_is_taken_and_nothing_else_changes(
    make_spec: MakeSpec, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, faster: bool
) -> None:
    trainer, other = trainer_of(make_spec, make_run), trainer_of(make_spec, make_run)
    clock = iter(range(10**6))
    slow = {"ticks": 0}
    assign = trainer.rule.assign_credit

    def timed(batch: Batch) -> StepResult:
        lies_last = batch.inputs.is_contiguous(memory_format=torch.channels_last)
        slow["ticks"] += 10 if lies_last != faster else 0
        return assign(batch)

    monkeypatch.setattr(trainer.rule, "assign_credit", timed)
    monkeypatch.setattr("time.perf_counter", lambda: next(clock) + slow["ticks"])
    last, found = choose_memory_format(trainer, "fastest", lambda: None)
    monkeypatch.undo()
    assert last == trainer.channels_last == faster
    assert "ms contiguous" in found
    weight = trainer.network.maps["conv1"].weight
    assert weight.is_contiguous(memory_format=torch.channels_last) == faster
    for mine, theirs in zip(trainer.network.state_dict().values(), other.network.state_dict().values(), strict=True):
        assert torch.equal(mine, theirs)
    assert torch.equal(trainer.order.get_state(), other.order.get_state())
    batch = next(trainer.batches())
    assert batch.inputs.is_contiguous(memory_format=torch.channels_last) == faster


def test_a_run_that_is_continued_keeps_its_form(make_spec: MakeSpec, make_run: MakeRun) -> None:
    trainer = trainer_of(make_spec, make_run)
    assert choose_memory_format(trainer, "fastest", lambda: None, known=True) == (True, "")
    assert trainer.channels_last
