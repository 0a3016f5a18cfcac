"""Oracles: the steps at which a diagnostic was asked, and the same run without; a clock that is turned by hand."""

from __future__ import annotations

import pytest

from benchsuite.credit.batch import Batch
from benchsuite.credit.rule import Rule
from benchsuite.diagnostics.contract import Diagnostic, Measurement
from benchsuite.execution import checkpointing
from benchsuite.execution.endings import InterruptedRunError
from benchsuite.execution.setting_up import set_up
from benchsuite.registry.manager import Registry
from benchsuite.training import clock as clock_module
from benchsuite.training import trainer as trainer_module
from benchsuite.training.clock import Clock
from benchsuite.training.trainer import TimeBudgetSpentError, Trainer

STEPS = 5  # 96 examples in batches of 20


class Followed(Diagnostic):
    name = "followed"
    summary = "Whether the network is in evaluation mode."

    def measure(self, rule: Rule, batch: Batch) -> Measurement:
        return {None: float(not rule.network.training and not rule.training)}


class Expensive(Followed):
    name = "expensive"
    only_at_ends = True


@pytest.fixture
def diagnosed(make_spec, make_run, own_registry: Registry):
    own_registry.diagnostics |= {kind.name: kind for kind in (Followed, Expensive)}

    def run(every_steps, names=("followed", "expensive"), epochs=2, **changes):
        diagnostics = {"names": list(names), "every_steps": every_steps, "every_epochs": 1, "examples": 16}
        return make_run(make_spec(protocol={"epochs": epochs}, diagnostics=diagnostics, **changes), fresh=True)

    return run


@pytest.mark.parametrize(("every_steps", "steps"), [(2, [2, 4, 6, 8]), (3, [3, 6, 9]), (STEPS, []), (None, [])])
def test_steps_are_counted_over_epochs_and_their_ends_are_measured_once(diagnosed, every_steps, steps):
    record = diagnosed(every_steps).execute()
    assert [d.step for d in record.step_diagnostics] == steps
    assert {d.diagnostic for d in record.step_diagnostics} <= {"followed"}
    assert {d.value for d in record.step_diagnostics} <= {1.0}
    assert [d.epoch for d in record.diagnostics if d.diagnostic == "followed"] == [0, 1, 2]


@pytest.mark.parametrize("rule", ["kolen_pollack", "node_perturbation"])
def test_measuring_between_steps_changes_no_number_of_the_run(diagnosed, rule):
    """Dropout and batch norm in the network: one step in evaluation mode, or a draw, would show."""
    names = ("credit_angle_deg", "update_angle_deg")
    followed, plain = (diagnosed(every, names, rule=rule).execute() for every in (1, None))
    # Two hidden segments; all three and the whole.
    assert len(followed.step_diagnostics) == 2 * (STEPS - 1) * (2 + 4)
    timeless = {"train_time_s", "images_per_s"}
    assert [e.model_dump(exclude=timeless) for e in followed.epochs] == [
        e.model_dump(exclude=timeless) for e in plain.epochs
    ]
    assert followed.diagnostics == plain.diagnostics


def test_values_between_steps_lie_between_those_of_epochs(diagnosed):
    """The weights of the moment are measured: under backprop's own angle would be none."""
    record = diagnosed(1, ("credit_angle_deg",), rule="feedback_alignment").execute()
    values = {d.step: d.value for d in record.step_diagnostics if d.segment == "conv1"}
    assert len(set(values.values())) == len(values)


@pytest.mark.parametrize("every_steps", [2, None])
def test_a_run_killed_and_resumed_has_them_all(diagnosed, make_run, monkeypatch, every_steps):
    whole = diagnosed(every_steps).execute()
    monkeypatch.setattr(checkpointing, "CHECKPOINT_EVERY_S", 0.0)
    train_epoch, begun = Trainer.train_epoch, []

    def killed(self: Trainer, deadline: float | None = None) -> object:
        if begun:
            raise KeyboardInterrupt
        begun.append(1)
        return train_epoch(self, deadline)

    monkeypatch.setattr(Trainer, "train_epoch", killed)
    stopped = diagnosed(every_steps)
    with pytest.raises(InterruptedRunError):
        stopped.execute()
    monkeypatch.setattr(Trainer, "train_epoch", train_epoch)
    resumed = make_run(stopped.spec).execute()
    assert resumed.resumed == 1
    assert resumed.step_diagnostics == whole.step_diagnostics


def test_what_is_measured_between_steps_is_off_the_clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(clock_module.time, "perf_counter", lambda: now[0])
    clock = Clock()
    with clock.measure("train"):
        now[0] += 3
        with clock.apart("diagnostics", "train"):
            now[0] += 10
        now[0] += 4
    assert clock.spent == {"train": 7, "diagnostics": 10}


def test_a_deadline_waits_for_what_is_measured_between_steps(diagnosed, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(trainer_module.time, "perf_counter", lambda: now[0])

    def turned(steps: int) -> None:
        now[0] += 100

    for deadline in (1.0, -1.0):
        trainer = set_up(diagnosed(None).state)
        trainer.between_steps = turned
        now[0] = 0.0
        if deadline > 0:
            trainer.train_epoch(deadline)
            assert now[0] == 100 * (STEPS - 1)
        else:
            with pytest.raises(TimeBudgetSpentError):
                trainer.train_epoch(deadline)
