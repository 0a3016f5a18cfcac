"""Oracle: the contract of ``Rule.before_training``. Once, before everything, on the clock, and not again on resume."""

from __future__ import annotations

import time

import pytest

from benchsuite.credit.batch import Batch, StepResult
from benchsuite.execution import checkpointing
from benchsuite.training.trainer import Trainer
from benchsuite_rules.feedback_alignment import FeedbackAlignment

from ..small_runs import MakeRun, MakeSpec


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what a rule was asked for, in order; its ``before_training`` takes a tenth of a second."""
    asked: list[str] = []
    assign_credit = FeedbackAlignment.assign_credit

    def before_training(self: FeedbackAlignment) -> None:
        asked.append("before_training" if self.training and self.network.training else "in evaluation mode")
        for feedback_weight in self.feedback.by_segment.values():
            feedback_weight.neg_()
        time.sleep(0.1)

    def assigned(self: FeedbackAlignment, batch: Batch) -> StepResult:
        asked.append("step" if self.training else "diagnostic")
        return assign_credit(self, batch)

    monkeypatch.setattr(FeedbackAlignment, "before_training", before_training)
    monkeypatch.setattr(FeedbackAlignment, "assign_credit", assigned)
    return asked


def test_it_comes_once_before_the_first_diagnostic_and_after_the_warm_up(
    make_spec: MakeSpec, make_run: MakeRun, seen: list[str]
) -> None:
    make_run(make_spec("feedback_alignment")).execute()
    assert seen[:4] == ["step", "before_training", "diagnostic", "step"]
    assert seen.count("before_training") == 1


def test_it_is_on_the_clock_and_in_the_first_epochs_time(
    make_spec: MakeSpec, make_run: MakeRun, seen: list[str]
) -> None:
    """Curves over time add up epochs: a phase that is in no epoch would be for nothing."""
    record = make_run(make_spec("feedback_alignment")).execute()
    assert record.epochs[0].train_time_s > 0.1 > min(epoch.train_time_s for epoch in record.epochs[1:])
    assert record.timing.train_time_s == pytest.approx(sum(e.train_time_s for e in record.epochs))


def test_a_resumed_run_does_not_repeat_it_and_ends_the_same(
    make_spec: MakeSpec, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, seen: list[str]
) -> None:
    spec = make_spec("feedback_alignment")
    whole = make_run(spec, fresh=True).execute()
    monkeypatch.setattr(checkpointing, "CHECKPOINT_EVERY_S", 0.0)
    train_epoch = Trainer.train_epoch

    def killed_in_the_second(self: Trainer, deadline: float | None = None) -> object:
        if self.epoch == 1:
            raise RuntimeError("killed")
        return train_epoch(self, deadline)

    monkeypatch.setattr(Trainer, "train_epoch", killed_in_the_second)
    with pytest.raises(RuntimeError, match="killed"):
        make_run(spec, fresh=True)._train()
    monkeypatch.setattr(Trainer, "train_epoch", train_epoch)
    seen.clear()
    resumed = make_run(spec).execute()
    assert "before_training" not in seen
    assert resumed.resumed == 1
    assert [e.running_loss for e in resumed.epochs] == [e.running_loss for e in whole.epochs]
    assert resumed.timing.train_time_s == pytest.approx(sum(e.train_time_s for e in resumed.epochs))
