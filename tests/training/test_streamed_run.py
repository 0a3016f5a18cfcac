"""Runs on images from files. Oracle: the same run uninterrupted."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from benchsuite.execution import checkpointing
from benchsuite.execution.endings import InterruptedRunError
from benchsuite.records.model import RunRecord
from benchsuite.training.trainer import Trainer

from ..small_runs import MakeRun, MakeSpec
from .ranks_run_worker import STREAMED


def streamed(loader_processes: int = 1) -> dict[str, Any]:
    """Return what makes the small run of ``make_spec`` one on images from files."""
    dataset = {**copy.deepcopy(STREAMED["dataset"]), "augmentation": {"kind": "random_resized_crop"}}
    return {"dataset": dataset, "hardware": {"name": "cpu", "device": "cpu", "loader_processes": loader_processes}}


def numbers(record: RunRecord) -> list[dict[str, Any]]:
    """Return what was learned and measured, without how long it took."""
    times = {"train_time_s", "images_per_s"}
    return [epoch.model_dump(exclude=times) for epoch in record.epochs] + [d.model_dump() for d in record.diagnostics]


class Stop(Exception):  # noqa: N818 - stands for a kill, not for an error
    """Stand-in for the death of a process."""


@pytest.fixture
def never_stopped(make_spec: MakeSpec, make_run: MakeRun) -> RunRecord:
    """Return the record of a run that decodes its images itself."""
    return make_run(make_spec("direct_feedback_alignment", **streamed(loader_processes=0)), fresh=True).execute()


@pytest.mark.parametrize(("end", "loader_processes"), [(Stop, 1), (KeyboardInterrupt, 0)])
def test_a_run_stopped_amid_an_epoch_and_resumed_equals_one_never_stopped(
    make_spec: MakeSpec,
    make_run: MakeRun,
    monkeypatch: pytest.MonkeyPatch,
    never_stopped: RunRecord,
    end: type[BaseException],
    loader_processes: int,
) -> None:
    """Catches views drawn anew for an epoch that begins again, and images that were decoded ahead for the old one."""
    spec = make_spec("direct_feedback_alignment", **streamed(loader_processes))
    assert never_stopped.status == "completed", never_stopped.reason
    monkeypatch.setattr(checkpointing, "CHECKPOINT_EVERY_S", 0.0)
    step, steps = Trainer._step, []

    def stopping(self: Trainer, batch: Any) -> Any:
        steps.append(self.epoch)
        if steps.count(2) == 2:
            raise end
        return step(self, batch)

    monkeypatch.setattr(Trainer, "_step", stopping)
    stopped = make_run(spec, fresh=True)
    # What a killed process does: leave a checkpoint and no record.
    go, raised = (stopped._train, Stop) if end is Stop else (stopped.execute, InterruptedRunError)
    with pytest.raises(raised):
        go()
    monkeypatch.setattr(Trainer, "_step", step)
    resumed = make_run(spec).execute()
    assert (resumed.status, resumed.resumed) == ("completed", 1)
    assert numbers(resumed) == numbers(never_stopped)
    assert [e.epoch for e in resumed.epochs] == [1, 2, 3, 4]


def test_a_damaged_image_ends_a_run_with_a_record_that_names_it(make_spec: MakeSpec, make_run: MakeRun) -> None:
    run = make_run(make_spec(**streamed()))
    (path,) = run.state.store.root.rglob("train/n90000003/n90000003_4.JPEG")
    path.write_bytes(path.read_bytes()[:300])
    record = run.execute()
    assert record.status == "crashed"
    assert "n90000003_4.JPEG: cannot be decoded" in record.reason
    assert record.traceback is None
