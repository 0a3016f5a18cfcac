"""Oracle: the same run, never killed. Damaged and foreign checkpoints cost time and no run."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
import torch

from benchsuite.execution import checkpointing
from benchsuite.execution.endings import InterruptedRunError
from benchsuite.records.store import RecordStore
from benchsuite.training.checkpoint import LAYOUT, save_checkpoint
from benchsuite.training.trainer import Trainer

from ..small_runs import MakeRun, MakeSpec
from .repeated_runs import RULES, killed_and_resumed, numbers


# Each rule once, in each order of the data by four of them. Rules and batches share no code that a checkpoint knows of.
@pytest.mark.parametrize(
    ("rule", "last_batch", "order"),
    [
        (rule, *settings)
        for rule, settings in zip(RULES, 2 * [*product(("keep", "drop"), ("shuffled", "fixed"))], strict=True)
    ],
)
def test_a_killed_run_resumed_equals_one_never_killed(
    make_spec: MakeSpec, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, rule: str, last_batch: str, order: str
) -> None:
    """To the bit: dropout, batch norm, Adam's moments, data order and feedback weights all have to come back."""
    spec = make_spec(rule, protocol={"last_batch": last_batch, "order": order})
    whole = make_run(spec, fresh=True).execute()
    resumed = killed_and_resumed(spec, make_run, monkeypatch)
    assert numbers(resumed) == numbers(whole)
    assert resumed.timing.train_time_s == pytest.approx(sum(e.train_time_s for e in resumed.epochs))


def test_a_checkpoint_of_other_code_is_not_continued(
    make_spec: MakeSpec, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpointing, "CHECKPOINT_EVERY_S", 0.0)
    run = make_run(make_spec())
    run._train()
    assert run.checkpoint_path.exists()
    other = make_run(make_spec())
    other.state.identity = replace(other.state.identity, result_key="0" * 64)
    assert other.execute().resumed == 0


def test_a_damaged_checkpoint_is_kept_aside_and_the_record_says_so(
    make_spec: MakeSpec, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Catches one flipped bit of a weight that is trained on, and ends as another number or as a divergence."""
    whole = make_run(make_spec(), fresh=True).execute()
    assert whole.remarks == ()
    assert "remarks" not in whole.model_dump(), "a record without remarks keeps its text"
    monkeypatch.setattr(checkpointing, "CHECKPOINT_EVERY_S", 0.0)
    run = make_run(make_spec())
    run._train()
    damaged = bytearray(run.checkpoint_path.read_bytes())
    damaged[len(damaged) // 3] ^= 4
    run.checkpoint_path.write_bytes(damaged)
    left_over = run.checkpoint_path.with_name(f".{run.checkpoint_path.name}.0123456789abcdef.tmp")
    left_over.write_bytes(b"of a killed process")
    record = make_run(make_spec()).execute()
    assert (record.status, record.resumed) == ("completed", 0)
    assert numbers(record.model_copy(update={"remarks": ()})) == numbers(whole)
    assert "its checkpoint was damaged (its checksum does not fit its content)" in record.remarks[0]
    (aside,) = run.checkpoint_path.parent.iterdir()
    assert aside.name.endswith(".pt.damaged")
    assert aside.read_bytes() == damaged
    assert str(aside) in caplog.text


def test_a_checkpoint_without_a_trainer_is_damaged(
    make_spec: MakeSpec, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a run that crashes at every attempt by a missing key, until someone deletes its checkpoint."""
    run = make_run(make_spec())
    save_checkpoint(run.checkpoint_path, {"result_key": run.key, "stage": "run"})
    record = run.execute()
    assert (record.status, record.resumed) == ("completed", 0)
    assert "trainer" in record.remarks[0]
    monkeypatch.setattr(checkpointing, "CHECKPOINT_EVERY_S", 0.0)
    run = make_run(make_spec(), fresh=True)
    run._train()
    saved = torch.load(run.checkpoint_path, weights_only=True)
    save_checkpoint(run.checkpoint_path, saved | {"trainer": {"network": {}}})
    crashed = make_run(make_spec()).execute()
    assert crashed.status == "crashed"
    assert "run again to begin anew" in crashed.reason
    assert make_run(make_spec()).execute().status == "completed"


@pytest.mark.parametrize("layout", [None, LAYOUT - 1, LAYOUT + 1])
def test_a_checkpoint_of_another_versions_layout_costs_time_not_the_run(
    make_spec: MakeSpec, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, layout: int | None
) -> None:
    """Catches a run that cannot go on, and says so by a missing key of what an older version saved."""
    monkeypatch.setattr(checkpointing, "CHECKPOINT_EVERY_S", 0.0)
    run = make_run(make_spec())
    run._train()
    saved = torch.load(run.checkpoint_path, weights_only=True)
    del saved["channels_last"]
    save_checkpoint(run.checkpoint_path, {**saved, "layout": layout})
    record = make_run(make_spec()).execute()
    assert (record.status, record.resumed, record.remarks) == ("completed", 0, ())


def test_interrupting_writes_a_record_and_running_again_finishes_it(
    make_spec: MakeSpec, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, store: RecordStore
) -> None:
    whole = make_run(make_spec(), fresh=True).execute()
    monkeypatch.setattr(checkpointing, "CHECKPOINT_EVERY_S", 0.0)
    train_epoch = Trainer.train_epoch

    def interrupted(self: Trainer, deadline: float | None = None) -> object:
        if self.epoch == 2:
            raise KeyboardInterrupt
        return train_epoch(self, deadline)

    monkeypatch.setattr(Trainer, "train_epoch", interrupted)
    with pytest.raises(InterruptedRunError) as caught:
        make_run(make_spec(), fresh=True).execute()
    assert caught.value.record.status == "interrupted"
    assert len(caught.value.record.epochs) == 2
    assert not list(store.running_folder.iterdir())
    monkeypatch.setattr(Trainer, "train_epoch", train_epoch)
    again = make_run(make_spec())
    assert again.earlier_record() is None, "an interrupted run is not finished"
    assert numbers(again.execute()) == numbers(whole)


def test_a_checkpoint_that_cannot_be_written_does_not_cost_the_run(
    make_spec: MakeSpec, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(checkpointing, "CHECKPOINT_EVERY_S", 0.0)

    def full(*_arguments: object) -> None:
        raise RuntimeError("PytorchStreamWriter failed writing file: file write failed")

    monkeypatch.setattr(torch, "save", full)
    run = make_run(make_spec())
    assert run.execute().status == "completed"
    assert "the run goes on without" in caplog.text
    assert not list(run.checkpoint_path.parent.iterdir())
