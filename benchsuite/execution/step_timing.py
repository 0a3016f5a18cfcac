"""Measure training steps of several rules in turns, so that what disturbs the machine falls on all of them."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchsuite.data.open import open_data
from benchsuite.data.source import TrainingData
from benchsuite.execution.allocator import keep_freed_memory
from benchsuite.execution.loading import DataLoader
from benchsuite.execution.phase_timing import prediction_time_us, shares_of_phases
from benchsuite.training.build_trainer import TrainingSpecs, assemble
from benchsuite.training.device import Device, open_device
from benchsuite.training.memory_format import choose_memory_format
from benchsuite.training.pretraining import pretrained_segments
from benchsuite.training.seeds import derive_seeds
from benchsuite.training.stages import single_stages
from benchsuite.training.step_choice import StepChoice, choose_step, compile_step

if TYPE_CHECKING:
    from benchsuite.execution.compatibility import RunWithShapes
    from benchsuite.registry.manager import Registry
    from benchsuite.specs.models.protocol import ProtocolSpec
    from benchsuite.specs.models.track import RunSpec
    from benchsuite.training.trainer import Trainer

ROUNDS = 10
"""Rounds of a measurement: enough for a median and a range."""

CALIBRATION_STEPS = 3


@dataclass
class TimedStage:
    """One stage of a protocol in training, for as long as it is timed.

    Attributes:
        name: for people: its number and the segments that learn.
        share: its share of the protocol's epochs, 0 to 1.
        trainer: the training that never leaves the stage.
        steps: takes one training step per item, epoch after epoch.
        spent_s: time of its steps so far, in proportion to its share.

    """

    name: str
    share: float
    trainer: Trainer
    steps: Iterator[None]
    spent_s: float = 0.0


@dataclass
class Stretches:
    """One rule in training, and its step time in each round.

    Attributes:
        spec: the run that it is the training of.
        steps_per_epoch: number of batches per epoch.
        stages: of the protocol, one if it has none; empty if the rule could not be set up, or failed.
        steps_per_round: training steps per round, of all stages.
        times_ms: mean time per step in each round.
        phase_shares: share of a step's time by phase of the rule; by stage, if the protocol has stages.
        prediction_us: time of a prediction in microseconds per example.
        reason: of its failure; empty if there is none.
        step: the step that is timed.

    """

    spec: RunSpec
    steps_per_epoch: int = 1
    stages: list[TimedStage] = field(default_factory=list)
    steps_per_round: int = 0
    times_ms: list[float] = field(default_factory=list)
    phase_shares: dict[str, float] = field(default_factory=dict)
    prediction_us: float | None = None
    reason: str = ""
    step: StepChoice = field(default_factory=lambda: StepChoice("eager"))

    def fail(self, error: Exception) -> None:
        """Give up this rule and note why; the others go on."""
        self.reason = f"{type(error).__name__}: {str(error).strip()}"[:400]
        self.stages, self.steps_per_round, self.times_ms = [], 0, []


@dataclass(frozen=True)
class Measurement:
    """The device that was used, and every rule's times."""

    device: Device
    rows: tuple[Stretches, ...]


def measure_steps(
    runs: Sequence[RunWithShapes],
    registry: Registry,
    loader: DataLoader,
    seconds: float,
    rounds: int = ROUNDS,
    on_round: Callable[[int], None] = lambda number: None,
) -> Measurement:
    """Train every rule for a short stretch per round, in an order of the round's own.

    On the clock is what is on the clock of a run: the steps and moving each batch into place. Warm-up, the choice of
    the memory format and the rule's phase before training are not.

    Args:
        runs: the rules, all of one track, tier and hardware.
        registry: provides rules and plugins' architectures.
        loader: loads the track's data set, which all rules share.
        seconds: time of all rounds together, setting up not included.
        rounds: number of rounds.
        on_round: called after each round with its number, from 1.

    """
    keep_freed_memory()
    first = runs[0].selected.spec
    device = open_device(first.hardware)
    dataset = loader.load(first.dataset).dataset
    loaders = first.hardware.loader_processes
    data = open_data(dataset, first.dataset, device.torch_device, loaders, device.dtype)
    rows = tuple(_set_up(run, data, device, registry) for run in runs)
    for row in rows:
        _calibrate(row, device, seconds / rounds / len(rows))
    order = random.Random(0)  # noqa: S311 - an order, not a secret
    for number in range(1, rounds + 1):
        for row in order.sample(rows, len(rows)):
            elapsed = _stretch(row, device, row.steps_per_round)
            if elapsed is not None:
                row.times_ms.append(1000 * elapsed)
        on_round(number)
    for row in rows:
        _look_within(row, device)
    return Measurement(device, rows)


def _set_up(run: RunWithShapes, data: TrainingData, device: Device, registry: Registry) -> Stretches:
    spec = run.selected.spec
    row = Stretches(spec)
    try:
        for name, share, protocol in single_stages(spec.protocol):
            trainer, row.step = _trainer_of(run, protocol, data, device, registry)
            row.steps_per_epoch = trainer.steps_per_epoch
            row.stages.append(TimedStage(name, share, trainer, trainer.endless_steps()))
    except Exception as error:
        row.fail(error)
    return row


def _trainer_of(
    run: RunWithShapes, protocol: ProtocolSpec, data: TrainingData, device: Device, registry: Registry
) -> tuple[Trainer, StepChoice]:
    """Return a trainer that is ready for its first step, and the step that it takes."""
    spec = run.selected.spec
    parts = TrainingSpecs(spec.architecture, protocol, spec.rule, derive_seeds(spec.seed))
    trainer = assemble(parts, data, device, registry, shapes=run.shapes)
    if spec.pretraining.epochs:
        # Frozen segments cost the same, whatever is in them.
        trainer = assemble(parts, data, device, registry, pretrained_segments(spec, trainer), shapes=run.shapes)
    trainer.warm_up()
    choose_memory_format(trainer, spec.hardware.memory_format, device.synchronize)
    trainer.begin()
    compile_step(trainer, spec.hardware.compile)
    return trainer, choose_step(trainer, spec.hardware.step)


def _calibrate(row: Stretches, device: Device, stretch_s: float) -> None:
    """Choose how many steps fill a stretch."""
    elapsed = _stretch(row, device, CALIBRATION_STEPS)
    if elapsed is not None:
        row.steps_per_round = max(1, round(stretch_s / max(elapsed, 1e-6)))
    for stage in row.stages:
        stage.spent_s = 0.0


def _look_within(row: Stretches, device: Device) -> None:
    """Measure a rule's phases, in a few more steps, and its predictions."""
    if not row.stages:
        return
    first = row.stages[0]
    try:
        if len(row.stages) == 1:
            row.phase_shares = shares_of_phases(first.trainer, CALIBRATION_STEPS, device)
        else:
            whole = sum(stage.spent_s for stage in row.stages)
            row.phase_shares = {stage.name: stage.spent_s / whole for stage in row.stages}
        row.prediction_us = prediction_time_us(first.trainer, device)
    except Exception as error:
        row.fail(error)


def _stretch(row: Stretches, device: Device, steps: int) -> float | None:
    """Take some steps and return the seconds of one, the mean over the protocol's stages; None if the rule failed."""
    if not row.stages:
        return None
    try:
        mean = 0.0
        for stage in row.stages:
            count = max(1, round(steps * stage.share))
            device.synchronize()
            start = time.perf_counter()
            for _ in range(count):
                next(stage.steps)
            device.synchronize()
            of_step = stage.share * (time.perf_counter() - start) / count
            stage.spent_s += of_step
            mean += of_step
        return mean
    except Exception as error:
        row.fail(error)
        return None
