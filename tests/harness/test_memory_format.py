"""Oracle: the same run with images channel after channel. How they lie in memory changes no number but by rounding."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from benchsuite.harness.memory_format import settle_memory_format
from benchsuite.harness.run import Run
from benchsuite.harness.trainer import Trainer
from benchsuite.rule import Batch, StepResult
from benchsuite.spec.track import RunSpec

MakeSpec = Callable[..., RunSpec]
MakeRun = Callable[..., Run]
RULES = ("backprop", "feedback_alignment", "kolen_pollack", "weight_mirror", "direct_feedback_alignment")
# As many channels as pixels would hide images that lie otherwise than they say.
ARCHITECTURE = {"layers": [{"kind": "conv2d", "channels": 6, "kernel": 3, "padding": 1, "norm": "batch"},
                           {"kind": "conv2d", "channels": 5, "kernel": 3}, {"kind": "dense", "units": 12}]}  # fmt: skip


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


def trainer_of(make_spec: MakeSpec, make_run: MakeRun) -> Trainer:
    return make_run(make_spec(architecture=ARCHITECTURE, dataset={"channels": 3}))._set_up()


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
    last, found = settle_memory_format(trainer, "fastest", lambda: None)
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
    assert settle_memory_format(trainer, "fastest", lambda: None, known=True) == (True, "")
    assert trainer.channels_last
