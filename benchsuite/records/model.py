"""The record of a run: one JSON document that says what was run, on what, and what came out.

The record is the truth; MLflow mirrors it and the leaderboard reads nothing else. Numbers are SI or say their unit in
the name; errors are fractions from 0 to 1. A number that is not finite is never stored: divergence is a status.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from benchsuite.specs.models.track import RunSpec
from benchsuite.version import RECORD_SCHEMA_VERSION

RunStatus = Literal["completed", "diverged", "out_of_memory", "timed_out", "crashed", "interrupted", "incompatible"]
"""How a run ended; each is a result and none is dropped."""

STATUSES: tuple[RunStatus, ...] = (
    "completed",
    "diverged",
    "out_of_memory",
    "timed_out",
    "crashed",
    "interrupted",
    "incompatible",
)

Hexadecimal = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]+$", max_length=64)]
Fraction = Annotated[float, Field(ge=0, le=1)]


class RecordModel(BaseModel):
    """Frozen, refuses unknown fields and numbers that are not finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)


class SetMetrics(RecordModel):
    """Loss and errors of one set of examples, the network in evaluation mode."""

    loss: float
    error: Fraction
    """Share of examples whose largest output is not their class."""
    top5_error: Fraction | None = None
    """Share whose class is not among the five largest outputs; only with more than 5 classes."""
    examples: int = Field(gt=0)


class EpochMetrics(RecordModel):
    """One epoch of training and what was measured after it."""

    epoch: int = Field(ge=1)
    """Epochs finished, counted from 1."""
    learning_rate: float
    """As used in this epoch."""
    running_loss: float | None
    """Mean over the epoch's batches while it trained; None if it was not finite."""
    running_error: Fraction
    """Over the epoch's batches while it trained, dropout on."""
    train: SetMetrics | None = None
    """The whole training set after the epoch; None if not measured."""
    test: SetMetrics | None = None
    """The whole test set after the epoch; None if not measured."""
    train_time_s: float = Field(ge=0)
    """On the clock: training steps and all that the rule needs; no evaluation, diagnostics, logging, checkpoints."""
    images_per_s: float = Field(ge=0)


class DiagnosticValue(RecordModel):
    """One measured number about the credit itself."""

    diagnostic: str
    """Which diagnostic, e.g. ``credit_angle_deg``; its documentation says what is compared with what."""
    segment: str | None
    """Name of the segment, or None for the network as a whole."""
    epoch: int = Field(ge=0)
    """Epochs finished; 0 is before training."""
    value: float | None
    """None where it is undefined, such as an angle to a vector of length zero."""


class StepDiagnosticValue(RecordModel):
    """One measured number about the credit itself, within an epoch."""

    diagnostic: str
    """As in ``DiagnosticValue``."""
    segment: str | None
    """As in ``DiagnosticValue``."""
    step: int = Field(gt=0)
    """Steps since training began."""
    value: float | None
    """None where it is undefined."""


class DataUsed(RecordModel):
    """Which examples there really were."""

    fingerprint: Hexadecimal
    """sha256 over the decoded training and test tensors and labels, as used; of images in files, over their names,
    classes and sizes, or over the packs that were prepared of them."""
    canonical: bool | None
    """True: the files' checksums are the published ones; False: they are not; None: none are published."""
    train_examples: int
    test_examples: int
    classes: int
    input_shape: tuple[int, ...]


class HardwareUsed(RecordModel):
    """What the run was really made on."""

    hardware_class: str
    """Costs are compared within one class only."""
    device: str
    device_name: str
    precision: str
    threads: int
    memory_gib: float
    driver: str | None = None
    world_size: int = 1
    memory_format: Literal["contiguous", "channels_last"] = "contiguous"
    """How images lay in memory: channel after channel, or pixel after pixel."""
    step: Literal["eager", "cuda_graph"] = "eager"
    """Whether the training step ran as separate kernels or as one captured graph."""
    notes: tuple[str, ...] = ()
    """What was asked for and could not be had, or was changed on the way."""


class Versions(RecordModel):
    """Versions that can change numbers, and where the suite's code came from."""

    benchsuite: str
    python: str
    torch: str
    numpy: str
    platform: str
    git_commit: str | None = None
    """Commit of the suite's checkout, or None for an installed wheel."""
    git_dirty: bool | None = None


class Environment(Versions):
    """What a run's numbers depend on beside its spec and its data."""

    rule_distribution: str
    """Distribution and version that provided the rule."""
    rule_source_hash: Hexadecimal
    """sha256 of the source of the rule's own modules."""


class Timing(RecordModel):
    """Where the time went; only ``train_time_s`` is on the clock."""

    clock: str
    """Which clock, e.g. ``perf_counter`` or ``perf_counter with device synchronisation``."""
    train_time_s: float = Field(ge=0)
    train_processor_s: float | None = Field(default=None, ge=0)
    """Seconds that the process was on processors meanwhile, all threads together. Less than ``train_time_s`` on the CPU
    means that others had the processors; None in records of before this was measured."""
    evaluation_time_s: float = Field(ge=0)
    diagnostics_time_s: float = Field(ge=0)
    setup_time_s: float = Field(ge=0)
    """Data, network, rule, warm-up and compilation."""
    images_per_s: float | None
    """Median over epochs; None before the first."""
    step_time_ms: float | None
    """Median over epochs of the mean step."""
    peak_memory_mib: float | None
    peak_memory_source: str
    """What was measured: the device's allocator, or this process's resident memory."""
    train_energy_j: float | None = Field(default=None, ge=0)
    """What the device used while ``train_time_s`` was counted, for whomever; None where nothing counts it."""
    train_energy_source: str = "not looked for"
    """What was counted, or why nothing was."""


class NetworkUsed(RecordModel):
    """The network in numbers, and what the rule did to it."""

    parameters: int
    feedback_parameters: int
    """Real numbers in the rule's own state, such as feedback weights; random streams do not count."""
    segments: tuple[str, ...]
    """Names in forward order; the last is the readout."""
    taken_over: tuple[str, ...]
    """Segments whose credit the rule replaced; none under backprop."""


class RunRecord(RecordModel):
    """Everything about one run."""

    schema_version: Literal[1] = RECORD_SCHEMA_VERSION  # type: ignore[assignment]
    run_id: Hexadecimal
    spec_hash: Hexadecimal
    result_key: Hexadecimal
    """Hash over all that can change the numbers: spec, rule's source, data, versions. Finds a finished run again."""
    status: RunStatus
    reason: str = ""
    """Why, unless completed: one paragraph for a person, no traceback."""
    traceback: str | None = None
    """For status 'crashed'."""
    spec: RunSpec
    seeds: dict[str, int]
    """Seed of each independent stream: init, feedback, order, dropout, augmentation."""
    network: NetworkUsed | None = None
    data: DataUsed | None = None
    hardware: HardwareUsed
    environment: Environment
    epochs: tuple[EpochMetrics, ...] = ()
    pretraining: tuple[EpochMetrics, ...] = ()
    """Epochs of the first training, if there was one: running loss and error only."""
    diagnostics: tuple[DiagnosticValue, ...] = ()
    step_diagnostics: tuple[StepDiagnosticValue, ...] = ()
    """Measured within epochs, where the spec says so (``diagnostics.every_steps``)."""
    timing: Timing
    started_at: datetime
    ended_at: datetime
    resumed: int = 0
    """How many times the run was continued from a checkpoint."""
    command: str
    """What to type to make this run again."""

    @property
    def final_test(self) -> SetMetrics | None:
        """Return what was measured on the test set after the last epoch: the run's result; None unless it completed.

        An earlier measurement is not the result of the run, nor is the last one of a run that was stopped.
        """
        return self._last_epoch.test if self._last_epoch else None

    @property
    def final_train(self) -> SetMetrics | None:
        """Return the same of the whole training set; None if it was not measured."""
        return self._last_epoch.train if self._last_epoch else None

    @property
    def _last_epoch(self) -> EpochMetrics | None:
        completed = self.status == "completed"
        return max(self.epochs, key=lambda e: e.epoch) if completed and self.epochs else None
