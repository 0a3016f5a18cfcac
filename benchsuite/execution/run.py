"""One run from its spec to its record. However it ends, there is a record."""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch

from benchsuite.data.open import open_data
from benchsuite.data.source import TrainingData
from benchsuite.errors import IncompatibleError, SingularMapError, StoreError
from benchsuite.execution.diagnosing import Diagnosis
from benchsuite.execution.endings import (
    DivergedError,
    InterruptedRunError,
    Loss,
    ProcessLostError,
    ending_of_failure,
)
from benchsuite.execution.environment import environment_of
from benchsuite.execution.events import announce
from benchsuite.execution.executor import Tell
from benchsuite.execution.interruption import interruptions_held
from benchsuite.execution.record_building import Ending, LoadedData, Progress, identify, write_up
from benchsuite.networks.builder import require_keepable
from benchsuite.records.model import (
    DiagnosticValue,
    EpochMetrics,
    NetworkUsed,
    RunRecord,
    RunStatus,
    StepDiagnosticValue,
)
from benchsuite.records.running import RunningElsewhereError, marked_running
from benchsuite.records.store import RecordStore
from benchsuite.registry.manager import Registry
from benchsuite.specs.loading.resolve import SelectedRun
from benchsuite.training.assembly import Parts, SegmentStates, assemble
from benchsuite.training.checkpoint import load_checkpoint, save_checkpoint
from benchsuite.training.clock import Clock
from benchsuite.training.device import Device, open_device, reset_peak_memory, unseen_device
from benchsuite.training.memory_format import settle_memory_format
from benchsuite.training.pretraining import first_parts, kept_segments
from benchsuite.training.ranks import ALONE, Ranks
from benchsuite.training.trainer import EpochSums, TimeBudgetSpentError, Trainer

logger = logging.getLogger("benchsuite.execution")

# A checkpoint costs a write of the whole state; work lost to a kill is at most this plus one epoch.
CHECKPOINT_EVERY_S = 5.0

Stage = Literal["pretraining", "run"]

INTERRUPTED = Ending("interrupted", "stopped by the person or the system; run again to continue")

FINAL_STATUSES: frozenset[RunStatus] = frozenset({"completed", "diverged", "timed_out", "incompatible"})
"""Outcomes that another try with the same result key would repeat."""


class Run:
    """One run being made: sets up, trains, measures, and always ends in a record."""

    def __init__(
        self,
        selected: SelectedRun,
        data: LoadedData,
        store: RecordStore,
        registry: Registry,
        fresh: bool = False,
        ranks: Ranks = ALONE,
        tell: Tell | None = None,
    ) -> None:
        self.ranks = ranks
        self.tell: Tell = tell or partial(announce, registry.manager)
        self.spec = selected.spec
        self.data = data
        self.store = store
        self.registry = registry
        self.fresh = fresh
        self.identity = identify(selected, data, environment_of(registry, self.spec.rule.name))
        self.id, self.key = self.identity.run_id, self.identity.result_key
        self.seeds = self.identity.seeds
        self.progress = Progress()
        self.clock = Clock()
        self.diagnosis = Diagnosis(self.spec, registry.diagnostic, self.clock, self.progress)
        self.device: Device | None = None

    @property
    def checkpoint_path(self) -> Path:
        """Where this run's state is kept while it is not finished."""
        return self.store.checkpoints_folder / f"{self.id}.pt"

    def earlier_record(self) -> RunRecord | None:
        """Return the record of an earlier run of the same key that another try would only repeat."""
        found = None if self.fresh or not self.ranks.leads else self.store.find(self.id)
        return self.ranks.agree(
            found if found and found.result_key == self.key and found.status in FINAL_STATUSES else None
        )

    def execute(self) -> RunRecord:
        """Train to the end, or to whatever stops it, and write the record.

        Raises:
            InterruptedRunError: on Ctrl-C or SIGTERM, after the record has been written.
            StoreError: if the record cannot be written.
            RunningElsewhereError: if another live process is at this run.
            ProcessLostError: if several processes were at it and one failed, after the record has been written.

        """
        with ExitStack() as claims:
            self._claim(claims)
            try:
                ending, failure = self._train_to_an_end()
            except KeyboardInterrupt:  # of training, or of what is done about another end
                ending, failure = INTERRUPTED, None
            record = self._finish(ending)
        if ending is INTERRUPTED:
            raise InterruptedRunError(record)
        if failure is not None and self.ranks.size > 1:
            # The others may be waiting for this process; torchrun ends them when it is gone.
            raise ProcessLostError(self.ranks.rank, record.reason) from failure
        return record

    def record_loss(self, loss: Loss) -> RunRecord:
        """Write the record of this run after the process that was making it is gone, with what it had saved.

        Raises:
            StoreError: if the record cannot be written.

        """
        self._saved()
        self.device = unseen_device(self.spec.hardware)
        record = self._record(Ending(loss.status, loss.reason))
        timing = record.timing.model_copy(update={"peak_memory_mib": None, "peak_memory_source": "the process is gone"})
        record = record.model_copy(update={"timing": timing})
        self._tell_the_end(record, self.store.write(record))
        return record

    def _claim(self, claims: ExitStack) -> None:
        """Mark the run as being made, until the claims are closed."""
        taken = False
        if self.ranks.leads:
            try:
                claims.enter_context(marked_running(self.store.running_folder, self.id))
            except RunningElsewhereError:
                taken = True
        if self.ranks.agree(taken):
            raise RunningElsewhereError(self.id)

    # --- the run itself ---

    def _train_to_an_end(self) -> tuple[Ending, Exception | None]:
        """Train, and return how that ended and the error that ended it where that is nobody's result."""
        try:
            self._train()
        except TimeBudgetSpentError:
            return Ending("timed_out", f"more than {self.spec.protocol.timeout_s:g} s on the clock"), None
        except (DivergedError, SingularMapError) as error:
            return Ending("diverged", str(error)), None
        except IncompatibleError as error:
            return Ending("incompatible", "; ".join(error.reasons)), None
        except Exception as error:
            return ending_of_failure(error, self.spec.hardware.device), error
        return Ending("completed"), None

    def _train(self) -> None:
        with self.clock.measure("setup"):
            data = self._open()
            saved = self._saved()
        kept = self._pretrain(data, saved)
        with self.clock.measure("setup"):
            trainer = self._set_up(data, kept)
            trainer.warm_up()
            self._lay_out(trainer, saved["channels_last"] if saved and saved["stage"] == "run" else None)
        resumed_from = 0
        if saved and saved["stage"] == "run":
            trainer.load_state(saved["trainer"])
            resumed_from = trainer.epoch
        self._announce("benchsuite_run_started", run_id=self.id, spec=self.spec, resumed_from_epoch=resumed_from)
        reset_peak_memory(self._device.torch_device)
        if trainer.epoch == 0:
            with self.clock.measure("train"):
                trainer.begin()
            self.diagnosis.between_epochs(trainer, at_an_end=True)
        last_saved = time.perf_counter()
        while trainer.epoch < self.spec.protocol.epochs and not self._has_learned_all():
            self._one_epoch(trainer)
            if self.ranks.agree(time.perf_counter() - last_saved > CHECKPOINT_EVERY_S):
                self._save(trainer, "run", kept)
                last_saved = time.perf_counter()

    def _pretrain(self, data: TrainingData, saved: dict[str, Any] | None) -> SegmentStates:
        """Train the first network, if there is to be one, and return the segments that are kept of it."""
        wanted = self.spec.pretraining
        if not wanted.epochs:
            return {}
        if saved and saved["stage"] == "run":
            states: SegmentStates = saved["kept"]
            return states
        with self.clock.measure("setup"):
            parts = first_parts(self.spec)
            dataset = self.data.dataset
            require_keepable(
                wanted, self.spec.architecture, dataset.input_shape, dataset.classes, self.registry.architectures
            )
            trainer = assemble(parts, data, self._device, self.registry, ranks=self.ranks)
            trainer.warm_up()
            trainer.set_channels_last(self.spec.hardware.memory_format == "channels_last")
        if saved:
            trainer.load_state(saved["trainer"])
        else:
            with self.clock.measure("train"):
                trainer.begin()
        last_saved = time.perf_counter()
        while trainer.epoch < wanted.epochs:
            learning_rate = trainer.learning_rate
            sums, train_time = self._timed_epoch(trainer)
            self.progress.pretraining.append(
                EpochMetrics(
                    epoch=trainer.epoch,
                    learning_rate=learning_rate,
                    running_loss=_finite(sums),
                    running_error=sums.error,
                    train_time_s=train_time,
                    images_per_s=sums.examples / max(train_time, 1e-9),
                )
            )
            trainer.rule.after_epoch()
            if _finite(sums) is None:
                raise DivergedError(f"the training loss was not finite in epoch {trainer.epoch} of the pretraining")
            if self.ranks.agree(time.perf_counter() - last_saved > CHECKPOINT_EVERY_S):
                self._save(trainer, "pretraining", {})
                last_saved = time.perf_counter()
        return kept_segments(self.spec, trainer)

    def _open(self) -> TrainingData:
        """Open the device and put the data there, or make ready to bring them."""
        self.device = open_device(self.spec.hardware, self.ranks)
        self.clock.synchronize = self.device.synchronize
        self.clock.joules = self.device.energy.joules
        loaders = self.spec.hardware.loader_processes
        return open_data(self.data.dataset, self.spec.dataset, self.device.torch_device, loaders)

    def _set_up(self, data: TrainingData | None = None, kept: SegmentStates | None = None) -> Trainer:
        spec = self.spec
        data = data or self._open()
        parts = Parts(spec.architecture, spec.protocol, spec.rule, self.seeds)
        trainer = assemble(parts, data, self._device, self.registry, kept, self.ranks)
        network, rule = trainer.network, trainer.rule
        self.progress.network = NetworkUsed(
            parameters=sum(p.numel() for p in network.parameters()),
            feedback_parameters=sum(
                t.numel() for t in rule.state_dict().values() if isinstance(t, torch.Tensor) and t.is_floating_point()
            ),
            segments=tuple(network.segments),
            taken_over=rule.taken_over,
        )
        self.progress.steps_per_epoch = trainer.steps_per_epoch
        return trainer

    def _lay_out(self, trainer: Trainer, known: bool | None) -> None:
        """Settle how images lie in memory, and what the record says of it."""
        device, wanted = self._device, self.spec.hardware.memory_format
        last, found = settle_memory_format(trainer, wanted, device.synchronize, known)
        used = device.used.model_copy(
            update={
                "memory_format": "channels_last" if last else "contiguous",
                "notes": (*device.used.notes, *([found] if found else [])),
            }
        )
        self.device = replace(device, used=used)

    def _saved(self) -> dict[str, Any] | None:
        """Return this run's checkpoint, its progress taken over; None if there is none to go on from."""
        if self.fresh:
            if self.ranks.leads:
                self.checkpoint_path.unlink(missing_ok=True)
            return None
        state = self.ranks.agree(load_checkpoint(self.checkpoint_path, self.key) if self.ranks.leads else None)
        if state is None:
            return None
        self.progress.epochs = [EpochMetrics.model_validate_json(text) for text in state["epochs"]]
        self.progress.pretraining = [EpochMetrics.model_validate_json(text) for text in state["pretraining"]]
        self.progress.diagnostics = [DiagnosticValue.model_validate_json(text) for text in state["diagnostics"]]
        measured = state["step_diagnostics"]
        self.progress.step_diagnostics = [StepDiagnosticValue.model_validate_json(text) for text in measured]
        self.progress.resumed = int(state["resumed"]) + 1
        self.clock.spent = dict(state["spent"])
        self.clock.worked = dict(state["worked"])
        self.clock.used = dict(state["used"])
        if self.clock.spent and not self.clock.used:
            self.clock.joules = None  # what was used before is not known, so the sum would not be the run's
        return state

    def _timed_epoch(self, trainer: Trainer) -> tuple[EpochSums, float]:
        """Train for one epoch and return its sums and its time; what a rule did before training is the first one's."""
        limit = self.spec.protocol.timeout_s
        deadline = None if limit is None else time.perf_counter() + limit - self.clock.spent.get("train", 0.0)
        with self.clock.measure("train"):
            sums = trainer.train_epoch(deadline)
        before = sum(e.train_time_s for e in (*self.progress.pretraining, *self.progress.epochs))
        return sums, self.clock.spent["train"] - before

    def _one_epoch(self, trainer: Trainer) -> None:
        protocol = self.spec.protocol
        learning_rate = trainer.learning_rate
        trainer.between_steps = self.diagnosis.between_steps(trainer)
        sums, train_time = self._timed_epoch(trainer)
        due = trainer.epoch % protocol.evaluation.every_epochs == 0 or trainer.epoch == protocol.epochs
        with self.clock.measure("evaluation"):
            test = trainer.evaluate("test") if due else None
            train = trainer.evaluate("train") if due and protocol.evaluation.train_set else None
        metrics = EpochMetrics(
            epoch=trainer.epoch,
            learning_rate=learning_rate,
            running_loss=_finite(sums),
            running_error=sums.error,
            train=train,
            test=test,
            train_time_s=train_time,
            images_per_s=sums.examples / max(train_time, 1e-9),
        )
        self.progress.epochs.append(metrics)
        self._announce("benchsuite_epoch_finished", run_id=self.id, spec=self.spec, metrics=metrics)
        # Before the loss: a rule knows better why it is not a number any more.
        trainer.rule.after_epoch()
        if metrics.running_loss is None:
            raise DivergedError(f"the training loss was not finite in epoch {trainer.epoch}")
        if due and (test is None or (train is None and protocol.evaluation.train_set)):
            raise DivergedError(f"the loss was not finite when measured after epoch {trainer.epoch}")
        wanted = trainer.epoch % self.spec.diagnostics.every_epochs == 0
        at_the_end = trainer.epoch == protocol.epochs or self._has_learned_all()
        if wanted or at_the_end:
            self.diagnosis.between_epochs(trainer, at_the_end)

    def _has_learned_all(self) -> bool:
        """Whether the protocol says to stop at zero training error, and it is there."""
        if not self.spec.protocol.stop_at_zero_train_error or not self.progress.epochs:
            return False
        train = self.progress.epochs[-1].train
        return train is not None and train.error == 0

    def _save(self, trainer: Trainer, stage: Stage, kept: SegmentStates) -> None:
        """Write a checkpoint; one that cannot be written costs the chance to continue, not the run."""
        try:
            self._write_checkpoint(trainer, stage, kept)
        except StoreError as error:
            logger.warning("%s; the run goes on without", error)

    def _write_checkpoint(self, trainer: Trainer, stage: Stage, kept: SegmentStates) -> None:
        progress = self.progress
        content = {
            "result_key": self.key,
            "stage": stage,
            "channels_last": trainer.channels_last,
            "kept": {name: dict(state) for name, state in kept.items()},
            "trainer": trainer.state(),
            "pretraining": [e.model_dump_json() for e in progress.pretraining],
            "epochs": [e.model_dump_json() for e in progress.epochs],
            "diagnostics": [d.model_dump_json() for d in progress.diagnostics],
            "step_diagnostics": [d.model_dump_json() for d in progress.step_diagnostics],
            "resumed": progress.resumed,
            "spent": self.clock.spent,
            "worked": self.clock.worked,
            "used": self.clock.used,
        }
        if self.ranks.leads:
            save_checkpoint(self.checkpoint_path, content)

    # --- the record ---

    @property
    def _device(self) -> Device:
        assert self.device is not None  # noqa: S101 - set by _set_up, before anything asks
        return self.device

    def _finish(self, ending: Ending) -> RunRecord:
        """Write the record and tell plugins; what interrupts that is let in once the record is there."""
        with interruptions_held():
            record = self._record(ending)
            path = self.store.write(record) if self.ranks.leads else None
        if path is not None:
            self._tell_the_end(record, path)
        return record

    def _tell_the_end(self, record: RunRecord, path: Path) -> None:
        if record.status in FINAL_STATUSES:
            self.checkpoint_path.unlink(missing_ok=True)
        if record.status != "completed":
            self._announce("benchsuite_run_failed", record=record)
        self._announce("benchsuite_run_finished", record=record, path=path)

    def _announce(self, event: str, **arguments: Any) -> None:
        """Tell plugins, in the process that writes alone."""
        if self.ranks.leads:
            self.tell(event, **arguments)

    def _record(self, ending: Ending) -> RunRecord:
        device = self.device or open_device(self.spec.hardware, self.ranks)
        return write_up(self.identity, self.progress, device, self.clock, ending)


def _finite(sums: EpochSums) -> float | None:
    return sums.loss if abs(sums.loss) < float("inf") else None
