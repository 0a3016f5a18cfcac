"""Valid records made by code: every field that a test does not name has a harmless value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

from benchsuite.records.model import (
    DataUsed,
    DiagnosticValue,
    Environment,
    EpochMetrics,
    HardwareUsed,
    NetworkUsed,
    RunRecord,
    RunStatus,
    SetMetrics,
    Timing,
    Versions,
)
from benchsuite.records.study import CodeUsed, StudyRecord
from benchsuite.records.timing import TimedRow, TimingRecord, timing_id_of
from benchsuite.records.tuning import TrialResult, TuningRecord, best_of
from benchsuite.specs.hashing import run_id, spec_hash, study_hash, study_id
from benchsuite.specs.models.study import AnyStudySpec
from benchsuite.specs.models.track import RunSpec
from benchsuite.specs.models.tuning import CONFIG, RATE, config_of
from benchsuite.specs.models.tuning_budget import SearchDimension, TuningBudget
from benchsuite.specs.search_space import trial_settings, tuning_hash, tuning_id, tuning_of
from benchsuite.studies.linear_dynamics.result import LinearDynamicsResult, Trajectory
from benchsuite.studies.linear_dynamics.simulate import stream_seeds
from benchsuite.studies.linear_dynamics.spec import LinearDynamicsSpec

START = datetime(2026, 11, 1, 12, tzinfo=UTC)


def make_spec(
    rule: str = "backprop",
    seed: int = 0,
    *,
    track: str = "digits-fc",
    tier: str = "quick",
    config: dict[str, Any] | None = None,
    dataset: dict[str, Any] | None = None,
    architecture: dict[str, Any] | None = None,
    protocol: dict[str, Any] | None = None,
    variant: str = "",
) -> RunSpec:
    """Return a spec of a small digits run; the dictionaries are merged over its fields."""
    return RunSpec.model_validate(
        {
            "track": track,
            "tier": tier,
            "dataset": {"kind": "digits", "name": "digits", "title": "Digits 8 × 8"} | (dataset or {}),
            "architecture": {
                "kind": "chain",
                "name": "fc-2x64",
                "title": "Two hidden layers of 64",
                "layers": [{"kind": "dense", "units": 64}, {"kind": "dense", "units": 64}],
            }
            | (architecture or {}),
            "protocol": {"epochs": 3, "batch_size": 32, "optimizer": {"kind": "sgd", "learning_rate": 0.1}}
            | (protocol or {}),
            "diagnostics": {},
            "rule": {"name": rule, "title": variant, "config": config or {}},
            "hardware": {"name": "cpu", "device": "cpu"},
            "seed": seed,
        }
    )


def make_record(
    rule: str = "backprop",
    seed: int = 0,
    test_error: float = 0.1,
    *,
    status: RunStatus = "completed",
    reason: str = "",
    curve: Sequence[float] | None = None,
    hardware_class: str = "cpu-8-core",
    step_time_ms: float | None = 2.0,
    fingerprint: str | None = "ab" * 32,
    diagnostics: Sequence[DiagnosticValue] = (),
    ended_after_s: float = 60.0,
    command: str | None = None,
    threads: int = 8,
    precision: str = "fp32",
    rule_source_hash: str = "cd" * 32,
    measured: bool = True,
    train_energy_j: float | None = None,
    top5_error: float | None = None,
    classes: int = 10,
    train_processor_s: float | None = None,
    **spec_fields: Any,
) -> RunRecord:
    """Return a record whose test error falls to ``test_error`` (or follows ``curve``) over its epochs."""
    spec = make_spec(rule, seed, **spec_fields)
    if curve is None:
        curve = [min(1.0, test_error + 0.5 / 2**e) for e in range(spec.protocol.epochs - 1)] + [test_error]
    epochs = tuple(
        EpochMetrics(
            epoch=number,
            learning_rate=0.1,
            running_loss=1.0 / number,
            running_error=error,
            train=SetMetrics(loss=0.5, error=error / 2, examples=1437),
            test=SetMetrics(loss=0.6, error=error, top5_error=top5_error, examples=360)
            if measured or number < len(curve)
            else None,
            train_time_s=1.0,
            images_per_s=1437.0,
        )
        for number, error in enumerate(curve, 1)
    )
    return RunRecord(
        run_id=run_id(spec),
        spec_hash=spec_hash(spec),
        result_key="ef" * 32,
        status=status,
        reason=reason,
        spec=spec,
        seeds={"init": seed, "feedback": seed + 1, "order": seed + 2, "dropout": seed + 3},
        network=NetworkUsed(
            parameters=8970,
            feedback_parameters=0,
            segments=("dense1", "dense2", "readout"),
            taken_over=() if rule == "backprop" else ("dense1", "dense2"),
        ),
        data=None
        if fingerprint is None
        else DataUsed(
            fingerprint=fingerprint,
            canonical=None,
            train_examples=1437,
            test_examples=360,
            classes=classes,
            input_shape=(1, 8, 8),
        ),
        hardware=HardwareUsed(
            hardware_class=hardware_class,
            device="cpu",
            device_name="A processor",
            precision=precision,
            threads=threads,
            memory_gib=16,
        ),
        environment=Environment(
            benchsuite="0.1.0",
            python="3.12",
            torch="2.11",
            numpy="2.0",
            platform="linux",
            rule_distribution="benchsuite 0.1.0",
            rule_source_hash=rule_source_hash,
        ),
        epochs=epochs,
        diagnostics=tuple(diagnostics),
        timing=Timing(
            clock="perf_counter",
            train_time_s=float(len(epochs)),
            evaluation_time_s=0.1,
            diagnostics_time_s=0.0,
            setup_time_s=0.5,
            images_per_s=1437.0,
            step_time_ms=step_time_ms,
            peak_memory_mib=220.0,
            peak_memory_source="resident memory of this process",
            train_processor_s=train_processor_s,
            train_energy_j=train_energy_j,
            train_energy_source="nothing counts" if train_energy_j is None else "the whole GPU, counted by NVML",
        ),
        started_at=START,
        ended_at=START + timedelta(seconds=ended_after_s),
        command=command or f"benchsuite run {spec.track} --tier {spec.tier} --rule {rule} --seed {seed}",
    )


def make_seeds(rule: str, test_errors: Sequence[float], **fields: Any) -> list[RunRecord]:
    """Return one completed record per test error, seeds counted from 0."""
    return [make_record(rule, seed, error, **fields) for seed, error in enumerate(test_errors)]


def make_tuning(
    rule: str = "backprop",
    errors: Sequence[float | None] = (0.3, 0.1, None, 0.2),
    *,
    finalists: Sequence[float | None] = (),
    searched: Mapping[str, tuple[float, float]] = MappingProxyType({}),
    reason: str = "the loss stopped being finite",
    command: str = "benchsuite tune digits-fc",
    **spec_fields: Any,
) -> TuningRecord:
    """Return the record of a tuning: a validation error per trial and finalist; None, of one that diverged.

    ``searched`` has the ranges of the hyperparameters that are searched beside the learning rate.
    """
    validation = {"validation": {"examples": 300}}
    run = make_spec(rule, **{**spec_fields, "dataset": validation | spec_fields.get("dataset", {})})
    space = [SearchDimension(field=RATE, low=1e-3, high=10)]
    space += [SearchDimension(field=CONFIG + name, low=low, high=high) for name, (low, high) in searched.items()]
    budget = TuningBudget(trials=len(errors), epochs=1 if finalists else None, finalists=len(finalists))
    spec = tuning_of(run, tuple(space), budget)

    def result(number: int, settings: dict[str, float | int], error: float | None) -> TrialResult:
        trial = spec.run_of_trial(number, settings)
        return TrialResult(
            number=number,
            settings=settings,
            run_id=run_id(trial),
            seed=spec.budget.seed,
            status="diverged" if error is None else "completed",
            reason=reason if error is None else "",
            validation_error=error,
            validation_loss=error,
            epochs=trial.protocol.epochs,
            train_time_s=2.0,
            wall_time_s=3.0,
            hardware_class="cpu-8-core",
        )

    sampled = list(zip(trial_settings(spec), errors, strict=True))
    trials = [result(number, settings, error) for number, (settings, error) in enumerate(sampled)]
    best = best_of(trials, len(finalists))
    trials += [result(len(errors) + i, best[i].settings, error) for i, error in enumerate(finalists)]
    made = make_record(rule)
    assert made.data
    return TuningRecord(
        tuning_id=tuning_id(spec),
        spec_hash=tuning_hash(spec),
        result_key="ef" * 32,
        spec=spec,
        trials=tuple(trials),
        data=made.data.model_copy(update={"train_examples": 1137, "test_examples": 0}),
        environment=made.environment,
        started_at=START,
        ended_at=START + timedelta(seconds=30),
        command=command,
    )


def make_tuned_seeds(
    tuning: TuningRecord, test_errors: Sequence[float], *, title: str = "", command: str | None = None, **fields: Any
) -> list[RunRecord]:
    """Return the final runs of a tuning's best settings, one per test error."""
    rule, best = tuning.spec.run.rule, tuning.best
    assert best
    made = []
    for seed, error in enumerate(test_errors):
        protocol = {**fields.get("protocol", {}), "optimizer": {"kind": "sgd", "learning_rate": best.settings[RATE]}}
        variant = title or f"{rule.name}, tuned ({len(tuning.trials)} trials)"
        config = {**fields.get("config", {}), **config_of(best.settings)}
        record = make_record(rule.name, seed, error, protocol=protocol, variant=variant, config=config, command=command)
        named = record.spec.rule.model_copy(update={"tuned_by": tuning.tuning_id})
        made.append(record.model_copy(update={"spec": record.spec.model_copy(update={"rule": named})}))
    return made


def make_angles(seed: int, epochs: int, start: float = 88.0, fall: float = 4.0) -> list[DiagnosticValue]:
    """Return an angle per segment that falls over training and is undefined at first in the deepest one."""
    return [
        DiagnosticValue(
            diagnostic="credit_angle_deg",
            segment=segment,
            epoch=epoch,
            value=None if epoch == 0 and segment == "dense1" else start - fall * (place + 1) * epoch**0.5 + 0.3 * seed,
        )
        for place, segment in enumerate(("dense1", "dense2"))
        for epoch in range(epochs + 1)
    ]


def make_study(
    ends=((0, 0.01), (1, 0.0001)),
    *,
    seeds=(0, 1, 2),
    name="a-study",
    diverged=(),
    step_size=0.1,
    command="benchsuite run a-study",
    title="A study",
    reason="the error stopped being a finite number in iterations 3 to 4",
    ended_at=START,
):
    """Return a study's record: three layers, four iterations, errors that fall to ``ends`` from one.

    ``diverged`` has (seed, rate) of trajectories that end after two measurements. Seed s multiplies the last error by
    10**s.
    """
    iterations = (0, 1, 2, 3, 4)
    spec = LinearDynamicsSpec(
        name=name,
        title=title,
        kind="linear_dynamics",
        dimensions=(4, 6, 5, 3),
        target_standard_deviation=1.0,
        feedback_rates=tuple(rate for rate, _ in ends),
        feedback_standard_deviation=1.0,
        backprop_standard_deviation=1.0,
        step_size=step_size,
        iterations=4,
        seeds=seeds,
    )
    trajectories = []
    for seed in seeds:
        for rate, end in (*ends, (None, 0.001)):
            stops = (seed, rate) in diverged
            errors = (1.0, 0.9, 0.8, 0.7, end * 10**seed)[: 2 if stops else 5]
            curve = (None, 0.1, 0.2, 0.3, 0.4)[: len(errors)]
            trajectories.append(
                Trajectory(
                    seed=seed,
                    rule="backprop" if rate is None else "updated_random_feedback",
                    feedback_rate=rate,
                    status="diverged" if stops else "completed",
                    reason=reason if stops else "",
                    squared_error=errors,
                    correlations=() if rate is None else (curve,) * 3,
                )
            )
    result = LinearDynamicsResult(iterations=iterations, trajectories=tuple(trajectories))
    return StudyRecord(
        study_id=study_id(spec),
        spec_hash=study_hash(spec),
        result_key="00",
        spec=AnyStudySpec.model_validate(spec.model_dump(mode="json")),
        seeds={seed: stream_seeds(seed) for seed in seeds},
        rules={
            name: CodeUsed(distribution="rules 1", source_hash="00") for name in ("updated_random_feedback", "backprop")
        },
        environment=Versions(benchsuite="0", python="3", torch="2", numpy="2", platform="x"),
        result=result.model_dump(mode="json"),
        wall_time_s=1.0,
        started_at=START,
        ended_at=ended_at,
        command=command,
    )


def make_timing(
    step_times_ms: dict[str, tuple[float, ...]],
    *,
    hardware_class: str = "cpu-8-core",
    precision: str = "fp32",
    busy: str = "",
    ended_after_s: float = 60.0,
    **spec_fields: Any,
) -> TimingRecord:
    """Return a timing of rules with the settings of ``make_spec``; without times, a rule could not be timed."""
    specs = {rule: make_spec(rule, **spec_fields) for rule in step_times_ms}
    first = next(iter(specs.values()))
    return TimingRecord(
        timing_id=timing_id_of(list(specs.values()), hardware_class),
        track=first.track,
        tier=first.tier,
        hardware=HardwareUsed(
            hardware_class=hardware_class,
            device="cpu",
            device_name="A processor",
            precision=precision,
            threads=8,
            memory_gib=16,
        ),
        environment=Versions(benchsuite="0.1.0", python="3.12", torch="2.11", numpy="2.0", platform="linux"),
        rounds=max(1, *(len(times) for times in step_times_ms.values())),
        rows=tuple(
            TimedRow(
                spec=specs[rule],
                rule_source_hash="cd" * 32,
                steps_per_epoch=45,
                steps_per_round=20 if times else 0,
                step_times_ms=times,
                reason="" if times else "ValueError: it cannot",
            )
            for rule, times in step_times_ms.items()
        ),
        busy=busy,
        other_cores=1.5 if busy else 0.0,
        started_at=START,
        ended_at=START + timedelta(seconds=ended_after_s),
        command=f"benchsuite time {first.track}",
    )
