"""Oracle: DESIGN's list of statuses, and two runs of the same spec."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch

from benchsuite.credit.rule import Rule
from benchsuite.errors import SingularMapError, StoreError
from benchsuite.execution.setting_up import set_up
from benchsuite.records.model import DiagnosticValue, EpochMetrics, RunRecord, StepDiagnosticValue
from benchsuite.records.store import RecordStore, read_record
from benchsuite.registry import hookimpl
from benchsuite.registry.manager import Registry
from benchsuite.specs.models.protocol import DiagnosticsSpec
from benchsuite.training.trainer import Trainer

from ..small_runs import MakeRun, MakeSpec
from .repeated_runs import RULES, numbers


@pytest.mark.parametrize("rule", RULES)
def test_the_same_spec_gives_the_same_record(make_spec: MakeSpec, make_run: MakeRun, rule: str) -> None:
    first = make_run(make_spec(rule)).execute()
    second = make_run(make_spec(rule), fresh=True).execute()
    assert first.status == second.status == "completed"
    assert numbers(first) == numbers(second)


def test_errors_on_held_out_examples_are_measured_and_change_nothing_else(
    make_spec: MakeSpec, make_run: MakeRun
) -> None:
    """Catches held-out examples that are learned, and errors called held out that are the test set's."""
    without, with_them = (
        make_run(make_spec(dataset={"train_limit": 40, **held_out}), fresh=True).execute()
        for held_out in ({}, {"validation_examples": 9})
    )
    measured = [epoch.validation for epoch in with_them.epochs]
    assert [metrics and metrics.examples for metrics in measured] == [9] * len(with_them.epochs)
    assert any(
        epoch.validation and epoch.test and epoch.validation.loss != epoch.test.loss for epoch in with_them.epochs
    )
    curves = [[(e.running_loss, e.train, e.test) for e in record.epochs] for record in (without, with_them)]
    assert curves[0] == curves[1]
    assert "validation" not in without.model_dump(mode="json")["epochs"][0]


def test_another_seed_gives_another_record(make_spec: MakeSpec, make_run: MakeRun) -> None:
    """Catches a seed that is recorded but not used."""
    losses = {make_run(make_spec(seed=seed)).execute().epochs[-1].running_loss for seed in range(3)}
    assert len(losses) == 3


def test_a_record_says_everything_that_happened(make_spec: MakeSpec, make_run: MakeRun, store: RecordStore) -> None:
    record = make_run(make_spec("feedback_alignment")).execute()
    assert read_record(store.path_of(record.run_id)) == record
    assert [e.epoch for e in record.epochs] == [1, 2, 3, 4]
    assert all(e.train and e.test and e.test.top5_error is not None for e in record.epochs)
    assert all(e.test.top5_error <= e.test.error for e in record.epochs if e.test and e.test.top5_error is not None)
    assert {(e.train.examples, e.test.examples) for e in record.epochs if e.train and e.test} == {(96, 40)}
    assert {d.epoch for d in record.diagnostics} == {0, 2, 4}
    assert {d.segment for d in record.diagnostics} == {"conv1", "dense2"}
    assert record.network is not None
    assert record.network.segments == ("conv1", "dense2", "readout")
    assert record.network.taken_over == ("conv1", "dense2")
    assert record.timing.train_time_s == pytest.approx(sum(e.train_time_s for e in record.epochs))
    assert record.data is not None
    assert record.data.train_examples == 96
    assert len(set(record.seeds.values())) == 5


def test_a_diverged_run_still_writes_a_record(make_spec: MakeSpec, make_run: MakeRun, store: RecordStore) -> None:
    spec = make_spec(
        protocol={"loss": "squared_error", "optimizer": {"kind": "sgd", "learning_rate": 1e30}},
        architecture={"layers": [{"kind": "dense", "units": 8}]},
    )
    record = make_run(spec).execute()
    assert record.status == "diverged"
    assert "the training loss was not finite in epoch 1" in record.reason
    assert record.epochs[-1].running_loss is None
    assert read_record(store.path_of(record.run_id)) == record


def test_a_run_out_of_time_says_so(make_spec: MakeSpec, make_run: MakeRun) -> None:
    record = make_run(make_spec(protocol={"timeout_s": 1e-9})).execute()
    assert (record.status, record.epochs) == ("timed_out", ())


def test_a_run_out_of_time_that_could_not_go_on_says_why(
    make_spec: MakeSpec, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a matrix that became singular in the epoch in which time ran out: "too slow" is not what was wrong."""

    def after_epoch(self: Rule) -> None:
        raise SingularMapError(["dense2"])

    monkeypatch.setattr(Rule, "after_epoch", after_epoch)
    record = make_run(make_spec(protocol={"timeout_s": 1e-9})).execute()
    assert record.status == "diverged"
    assert "dense2 became singular" in record.reason


def test_an_incompatible_pair_is_a_result_with_its_reason(make_spec: MakeSpec, make_run: MakeRun) -> None:
    record = make_run(make_spec("direct_feedback_alignment", architecture={"layers": []})).execute()
    assert record.status == "incompatible"
    assert "at least 1 hidden" in record.reason


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), "out_of_memory"),
        (MemoryError(), "out_of_memory"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), "out_of_memory"),
        (RuntimeError("shapes"), "crashed"),
        (ZeroDivisionError("x"), "crashed"),
    ],
)
def test_whatever_breaks_a_run_becomes_its_status(
    make_spec: MakeSpec, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, error: Exception, status: str
) -> None:
    def broken(self: Trainer, deadline: float | None = None) -> object:
        raise error

    monkeypatch.setattr(Trainer, "train_epoch", broken)
    record = make_run(make_spec()).execute()
    assert record.status == status
    assert (record.traceback is not None) == (status == "crashed")


def test_a_store_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(StoreError, match="cannot"):
        RecordStore(blocked / "store").prepare()


def test_stopping_at_zero_train_error_stops_there(make_spec: MakeSpec, make_run: MakeRun) -> None:
    easy = {"train_examples": 8, "test_examples": 8}
    spec = make_spec(protocol={"epochs": 200, "stop_at_zero_train_error": True}, dataset=easy)
    record = make_run(spec).execute()
    errors = [e.train.error for e in record.epochs if e.train]
    assert errors[-1] == 0
    assert all(error > 0 for error in errors[:-1])
    assert len(errors) < 200
    assert record.diagnostics[-1].epoch == len(errors)


def test_evaluating_less_often_changes_no_number_of_training(make_spec: MakeSpec, make_run: MakeRun) -> None:
    """Catches evaluation that trains, draws, or leaves batch norm in the wrong mode."""
    often = make_run(make_spec("feedback_alignment")).execute()
    seldom = make_run(
        make_spec(
            "feedback_alignment",
            protocol={"evaluation": {"every_epochs": 4, "train_set": False}},
            diagnostics={"names": []},
        )
    ).execute()
    assert [e.running_loss for e in often.epochs] == [e.running_loss for e in seldom.epochs]
    assert [e.test is None for e in seldom.epochs] == [True, True, True, False]
    assert often.final_test == seldom.final_test


def test_all_rules_share_network_and_order_at_one_seed(make_spec: MakeSpec, make_run: MakeRun) -> None:
    """Before its first update no rule can differ from another, so the first batch's loss is the same for all."""
    losses = set()
    for rule in RULES:
        run = make_run(make_spec(rule))
        trainer = set_up(run.state)
        trainer.network.train()
        losses.add(trainer.rule.assign_credit(next(trainer.batches())).loss.item())
    assert len(losses) == 1


def test_a_broken_event_plugin_neither_stops_a_run_nor_silences_others(
    make_spec: MakeSpec, make_run: MakeRun, own_registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[str] = []

    class Broken:
        @hookimpl
        def benchsuite_epoch_finished(self, metrics: EpochMetrics) -> None:
            raise RuntimeError("full disk")

    class Healthy:
        @hookimpl
        def benchsuite_epoch_finished(self, metrics: EpochMetrics) -> None:
            seen.append(f"epoch {metrics.epoch}")

        @hookimpl
        def benchsuite_run_finished(self, record: RunRecord) -> None:
            seen.append(record.status)

    own_registry.manager.register(Healthy(), "healthy")
    own_registry.manager.register(Broken(), "broken")
    record = make_run(make_spec()).execute()
    assert record.status == "completed"
    assert seen == ["epoch 1", "epoch 2", "epoch 3", "epoch 4", "completed"]
    assert "broken failed in benchsuite_epoch_finished: RuntimeError: full disk" in caplog.text


def test_each_value_of_a_diagnostic_is_sent_once_while_the_run_trains(
    make_spec: MakeSpec, make_run: MakeRun, own_registry: Registry
) -> None:
    """Catches angles that MLflow shows only when the run has ended, twice, or not those before training."""
    sent: list[DiagnosticValue | StepDiagnosticValue] = []
    epochs: list[int] = []

    class Listener:
        @hookimpl
        def benchsuite_epoch_finished(self, metrics: EpochMetrics) -> None:
            epochs.append(metrics.epoch)

        @hookimpl
        def benchsuite_diagnostics_measured(self, values: list[DiagnosticValue | StepDiagnosticValue]) -> None:
            assert {value.epoch for value in values if isinstance(value, DiagnosticValue)} <= {len(epochs)}
            sent.extend(values)

    own_registry.manager.register(Listener(), "listener")
    spec = make_spec()
    spec = spec.model_copy(update={"diagnostics": DiagnosticsSpec(names=("credit_angle_deg",), every_steps=3)})
    record = make_run(spec).execute()
    assert record.status == "completed"
    assert [v for v in sent if isinstance(v, DiagnosticValue)] == list(record.diagnostics) != []
    assert [v for v in sent if isinstance(v, StepDiagnosticValue)] == list(record.step_diagnostics) != []


def test_a_run_says_nothing_on_its_own(
    make_spec: MakeSpec, make_run: MakeRun, capsys: pytest.CaptureFixture[str]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make_run(make_spec("direct_feedback_alignment")).execute()
    assert capsys.readouterr() == ("", "")


def test_a_run_that_another_command_finishes_before_the_lock_is_taken_is_not_made_again(
    make_spec: MakeSpec, make_run: MakeRun
) -> None:
    """Catches two commands on one store that make the same run: the second looked for a record, waited for the lock,
    and trained although the record was there by then."""
    spec = make_spec()
    second = make_run(spec)
    assert second.earlier_record() is None
    first = make_run(spec).execute()
    assert second.execute(unless_finished=True) == first
    assert second.found == first
