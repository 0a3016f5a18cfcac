"""The numbers of a record that a run made again must have too, and a run that is killed and made again."""

from __future__ import annotations

from typing import Any

import pytest

from benchsuite.execution import checkpointing
from benchsuite.execution.run import Run
from benchsuite.records.model import RunRecord
from benchsuite.specs.models.track import RunSpec
from benchsuite.training.trainer import Trainer

from ..small_runs import MakeRun

RULES = (
    "backprop",
    "feedback_alignment",
    "direct_feedback_alignment",
    "readout_only",
    "sign_symmetry",
    "kolen_pollack",
    "updated_random_feedback",
    "weight_mirror",
)


def numbers(record: RunRecord) -> dict[str, Any]:
    """Return all of a record that must not depend on when and how fast it was made."""
    content = record.model_dump(
        mode="json", exclude={"timing", "started_at", "ended_at", "resumed", "status", "reason"}
    )
    for epoch in content["epochs"]:
        del epoch["train_time_s"], epoch["images_per_s"]
    return content


class Stop(Exception):  # noqa: N818 - stands for a kill, not for an error
    """Stand-in for the death of a process."""


def killed_and_resumed(spec: RunSpec, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> RunRecord:
    """Return the record of a run that was killed in its third epoch and resumed."""
    monkeypatch.setattr(checkpointing, "CHECKPOINT_EVERY_S", 0.0)
    train_epoch = Trainer.train_epoch

    def killed_in_the_third(self: Trainer, deadline: float | None = None) -> object:
        if self.epoch == 2:
            next(self.batches())  # a stream that has moved on must not matter
            raise Stop
        return train_epoch(self, deadline)

    monkeypatch.setattr(Trainer, "train_epoch", killed_in_the_third)
    with pytest.raises(Stop):
        raise_instead_of_recording(make_run(spec, fresh=True))
    monkeypatch.setattr(Trainer, "train_epoch", train_epoch)
    resumed = make_run(spec).execute()
    assert resumed.resumed == 1
    return resumed


def raise_instead_of_recording(run: Run) -> None:
    """Do what a killed process does: leave a checkpoint and no record."""
    run._train()
