"""The record of a run: one JSON document with its spec, its environment and its results.

The record is the authoritative copy; MLflow mirrors it and the leaderboard reads nothing else. Numbers are in SI units
or have the unit in the name; errors are fractions from 0 to 1. No number that is not finite is ever stored: divergence
is a status.
"""

from __future__ import annotations

from datetime import datetime
from operator import attrgetter
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, StringConstraints
from pydantic_core import CoreSchema

from benchsuite.specs.models.hardware import CompileMode
from benchsuite.specs.models.omitted_defaults import without_defaults
from benchsuite.specs.models.track import RunSpec
from benchsuite.version import RECORD_SCHEMA_VERSION

RunStatus = Literal["completed", "diverged", "out_of_memory", "timed_out", "crashed", "interrupted", "incompatible"]
"""The way a run ended; each is a result and none is dropped."""

TrainingStep = Literal["eager", "recorded", "cuda_graph"]
"""The way training steps were taken; ``HardwareUsed.step`` says what each means."""

FINAL_STATUSES: frozenset[RunStatus] = frozenset({"completed", "diverged", "timed_out", "incompatible"})
"""A run with one of these is not made again; any other is continued or tried again by the next command."""

Hexadecimal = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]+$", max_length=64)]
Fraction = Annotated[float, Field(ge=0, le=1)]


def _is_absent(value: object) -> bool:
    return not value


class RecordModel(BaseModel):
    """Base of all records: frozen, rejects unknown fields and numbers that are not finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class GrownRecordModel(RecordModel):
    """A record with fields that were added later: a record without them keeps its text, byte by byte."""

    omit_default: ClassVar[frozenset[str]] = frozenset()
    """Names of these fields; each is written only if it differs from its default."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return without_defaults(cls, cls.omit_default, handler(source), handler)


class SetMetrics(RecordModel):
    """Loss and errors on one set of examples, with the network in evaluation mode."""

    loss: float
    error: Fraction
    """Fraction of examples whose largest output is not their class."""
    top5_error: Fraction | None = None
    """Fraction of examples whose class is not among the five largest outputs; only with more than 5 classes."""
    examples: int = Field(gt=0)


class EpochMetrics(RecordModel):
    """One epoch of training and the measurements after it."""

    epoch: int = Field(ge=1)
    """Number of finished epochs, from 1."""
    learning_rate: float = Field(ge=0)
    """The learning rate of this epoch."""
    running_loss: float | None
    """Mean over the epoch's batches during training; None if it was not finite."""
    running_error: Fraction
    """Over the epoch's batches during training, with dropout."""
    train: SetMetrics | None = None
    """On the whole training set after the epoch; None if not measured."""
    test: SetMetrics | None = None
    """On the whole test set after the epoch; None if not measured."""
    # Added later: a record without it keeps its text, so that it can still be compared byte by byte.
    validation: SetMetrics | None = Field(default=None, exclude_if=_is_absent)
    """On the examples held out from training (``validation`` or ``validation_examples`` of the data set); None if
    there are none."""
    train_time_s: float = Field(ge=0)
    """Time of training steps and everything the rule needs; without evaluation, diagnostics, logging, checkpoints."""
    images_per_s: float = Field(ge=0)


class DiagnosticValue(RecordModel):
    """One value of a diagnostic of the credit."""

    diagnostic: str
    """Name of the diagnostic, e.g. ``credit_angle_deg``; its documentation says what is compared with what."""
    segment: str | None
    """Name of the segment, or None for the network as a whole."""
    epoch: int = Field(ge=0)
    """Number of finished epochs; 0 is before training."""
    value: float | None
    """None if undefined, such as an angle to a vector of length zero."""


class StepDiagnosticValue(RecordModel):
    """One value of a diagnostic of the credit, measured within an epoch."""

    diagnostic: str
    """As in ``DiagnosticValue``."""
    segment: str | None
    """As in ``DiagnosticValue``."""
    step: int = Field(gt=0)
    """Number of steps since training began."""
    value: float | None
    """None if undefined."""


class DataUsed(RecordModel):
    """The data that the run actually used."""

    fingerprint: Hexadecimal
    """sha256 of the decoded training and test tensors and labels, as used; for images in files, of their names,
    classes and sizes, or of the packs prepared from them."""
    canonical: bool | None
    """True: the files' checksums are the published ones; False: they are not; None: none are published."""
    train_examples: int = Field(gt=0)
    test_examples: int = Field(ge=0)
    """0 if the test set was withheld, as in tuning."""
    classes: int = Field(gt=0)
    input_shape: tuple[Annotated[int, Field(gt=0)], ...]


class HardwareUsed(GrownRecordModel):
    """The hardware that the run actually used."""

    omit_default = frozenset({"step_reason", "compiled"})

    hardware_class: str
    """Costs are compared only within one class."""
    device: str
    device_name: str
    precision: str
    threads: int = Field(gt=0)
    memory_gib: float = Field(ge=0)
    driver: str | None = None
    """Version of the GPU's driver, such as ``NVIDIA 580.65.06``; None without a GPU. The first records have the CUDA
    version of torch here, such as ``CUDA 12.8``."""
    world_size: int = Field(default=1, gt=0)
    memory_format: Literal["contiguous", "channels_last"] = "contiguous"
    """Memory layout of images: channel after channel, or pixel after pixel."""
    step: TrainingStep = "eager"
    """``eager`` if the training step ran batch by batch, kernel after kernel; ``recorded`` if as one function over
    static buffers; ``cuda_graph`` if that function was captured in a graph and replayed."""
    step_reason: str = ""
    """Reason why the step was eager; empty if it was not, and in records made before steps could be recorded."""
    compiled: CompileMode = "none"
    """Mode in which ``torch.compile`` compiled the step; a note says why it is not the spec's."""
    notes: tuple[str, ...] = ()
    """Requests that could not be met, and settings that were changed during the run."""


class Versions(RecordModel):
    """Versions that can change numbers, and the origin of the suite's code."""

    benchsuite: str
    python: str
    torch: str
    numpy: str
    platform: str
    git_commit: str | None = None
    """Commit of the suite's checkout, or None for an installed wheel."""
    git_dirty: bool | None = None


class Environment(Versions):
    """Everything that a run's numbers depend on besides its spec and its data."""

    rule_distribution: str
    """Distribution and version that provided the rule."""
    rule_source_hash: Hexadecimal
    """sha256 of the rule's code: decision 29 says what counts."""
    plugin_source_hashes: dict[str, Hexadecimal] = Field(default_factory=dict)
    """The same of the other contributions that the spec names, if they are not the suite's own: ``dataset <reader>``,
    ``architecture <builder>``, ``diagnostic <name>``."""


class Timing(GrownRecordModel):
    """Times and memory of a run; only ``train_time_s`` counts as training time."""

    omit_default = frozenset({"compile_time_s"})

    clock: str
    """The clock used, e.g. ``perf_counter`` or ``perf_counter with device synchronisation``."""
    train_time_s: float = Field(ge=0)
    train_processor_s: float | None = Field(default=None, ge=0)
    """CPU time of the process during ``train_time_s``, summed over threads. On the CPU, less than ``train_time_s``
    means that other processes used the cores; None in records made before this was measured."""
    evaluation_time_s: float = Field(ge=0)
    diagnostics_time_s: float = Field(ge=0)
    setup_time_s: float = Field(ge=0)
    """Time for data, network, rule, warm-up and recording of the step; before ``compile_time_s`` there was, for
    compilation too."""
    compile_time_s: float | None = Field(default=None, ge=0)
    """Time for compiling the step; None if it was not compiled."""
    images_per_s: float | None = Field(ge=0)
    """Median over epochs; None before the first."""
    step_time_ms: float | None = Field(ge=0)
    """Median over epochs of the mean time per step."""
    peak_memory_mib: float | None = Field(ge=0)
    peak_memory_source: str
    """Source of the peak memory: the device's allocator, or this process's resident memory."""
    train_energy_j: float | None = Field(default=None, ge=0)
    """Energy that the device used during ``train_time_s``, for all processes together; None if there is no counter."""
    train_energy_source: str = "not looked for"
    """The energy counter, or the reason why there is none."""


class NetworkUsed(RecordModel):
    """The network's sizes, and the segments whose credit the rule replaced."""

    parameters: int = Field(gt=0)
    feedback_parameters: int = Field(ge=0)
    """Number of real numbers in the rule's own state, such as feedback weights; random streams and
    ``own_parameters`` do not count."""
    own_parameters: int = Field(default=0, ge=0)
    """Number of parameters of the rule that learn beside the network's, such as local classifiers."""
    segments: tuple[str, ...]
    """Names in forward order; the last is the readout."""
    taken_over: tuple[str, ...]
    """Segments whose credit the rule replaced; none under backprop."""


class RunRecord(RecordModel):
    """The complete record of one run."""

    schema_version: Literal[1] = RECORD_SCHEMA_VERSION  # type: ignore[assignment]
    run_id: Hexadecimal
    spec_hash: Hexadecimal
    result_key: Hexadecimal
    """Hash of everything that can change the numbers: spec, code of plugins, data, versions. Finds a finished run."""
    status: RunStatus
    reason: str = ""
    """The reason for the status, unless completed: one paragraph for a person, no traceback."""
    traceback: str | None = None
    """Only for status 'crashed': the traceback, or the end of the output of a process that died."""
    spec: RunSpec
    seeds: dict[str, Annotated[int, Field(ge=0)]]
    """The seed of each independent random stream: init, feedback, order, dropout, augmentation."""
    network: NetworkUsed | None = None
    data: DataUsed | None = None
    hardware: HardwareUsed
    environment: Environment
    epochs: tuple[EpochMetrics, ...] = ()
    pretraining: tuple[EpochMetrics, ...] = ()
    """Epochs of the first training, if there was one: running loss and error only."""
    diagnostics: tuple[DiagnosticValue, ...] = ()
    step_diagnostics: tuple[StepDiagnosticValue, ...] = ()
    """Measured within epochs, if the spec asks for it (``diagnostics.every_steps``)."""
    timing: Timing
    started_at: datetime
    ended_at: datetime
    resumed: int = Field(default=0, ge=0)
    """The number of times the run was resumed from a checkpoint."""
    command: str
    """The command that repeats this run."""
    # Added later: a record without remarks keeps its text, so that it can still be compared byte by byte.
    remarks: tuple[str, ...] = Field(default=(), exclude_if=_is_absent)
    """Events that a reader should know of and that changed no number, such as a damaged checkpoint; usually none."""

    @property
    def final_test(self) -> SetMetrics | None:
        """Return the test set metrics after the last epoch, which are the run's result; None unless it completed.

        Earlier measurements, and the last one of a stopped run, are not results.
        """
        return last.test if (last := self._last_epoch) else None

    @property
    def final_train(self) -> SetMetrics | None:
        """Return the same for the whole training set; None if it was not measured."""
        return last.train if (last := self._last_epoch) else None

    @property
    def _last_epoch(self) -> EpochMetrics | None:
        completed = self.status == "completed"
        return max(self.epochs, key=attrgetter("epoch")) if completed and self.epochs else None
