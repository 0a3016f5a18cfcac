"""Training protocols: loss, optimizer, schedule, batches, stopping and evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Discriminator, Field, Tag, model_validator

from benchsuite.specs.models.base import PositiveFloat, SpecModel, named_or_spelt_out
from benchsuite.specs.models.optimizer import Adam as Adam
from benchsuite.specs.models.optimizer import OptimizerSpec as OptimizerSpec
from benchsuite.specs.models.optimizer import Sgd as Sgd
from benchsuite.specs.models.stages import StageSpec, first_epochs


class ConstantSchedule(SpecModel):
    """Constant learning rate."""

    kind: Literal["constant"] = "constant"


class StepSchedule(SpecModel):
    """Multiply the learning rate by ``factor`` at the start of each of ``epochs`` (counted from 0)."""

    kind: Literal["step"]
    epochs: tuple[int, ...] = Field(min_length=1)
    factor: float = Field(default=0.1, gt=0)


class CosineSchedule(SpecModel):
    """Lower the learning rate along half a cosine to ``final_fraction`` of its value over all epochs."""

    kind: Literal["cosine"]
    final_fraction: float = Field(default=0.0, ge=0, le=1)


ScheduleSpec = Annotated[ConstantSchedule | StepSchedule | CosineSchedule, Field(discriminator="kind")]


class EvaluationSpec(SpecModel):
    """Times and data of evaluation; evaluation never counts as training time."""

    every_epochs: int = Field(default=1, gt=0)
    """Epochs between evaluations; the last epoch is always evaluated."""
    train_set: bool = True
    """Also evaluate on the whole training set, in evaluation mode."""
    batch_size: int = Field(default=1000, gt=0)


LossName = Literal["cross_entropy", "squared_error", "binary_cross_entropy", "one_versus_all_hinge"]


class OneVersusAllHinge(SpecModel):
    """The hinge loss with a chosen weight for the other classes."""

    kind: Literal["one_versus_all_hinge"]
    mu: PositiveFloat
    """Weight of each of the other classes; 1/(classes - 1) if the loss is given by name only."""


class BinaryCodeSpec(SpecModel):
    """Binary cross-entropy of the bits of each class's index, with an output per bit instead of one per class."""

    kind: Literal["binary_code"]


LossSpec = Annotated[
    Annotated[LossName, Tag("name")]
    | Annotated[Annotated[OneVersusAllHinge | BinaryCodeSpec, Field(discriminator="kind")], Tag("spelt_out")],
    Discriminator(named_or_spelt_out),
]


class OrthogonalitySpec(SpecModel):
    """Penalty on the weight matrices of an invertible network; its gradient is added to the rule's gradient."""

    omit_default_from_hash = frozenset({"maps"})

    kind: Literal["off_diagonal", "identity"]
    """Penalty on WᵀW. ``off_diagonal``: the sum of squares off the diagonal, which leaves the lengths of columns free
    (as in GAIT-prop's published code). ``identity``: the sum of squares of WᵀW - I."""
    strength: PositiveFloat
    """Factor on the penalty."""
    maps: Literal["all", "inverted"] = "all"
    """``inverted`` leaves out the maps that read the network's input: no target passes through their inverse, and for
    wide inputs their matrices cost more than all others (two products of the number of inputs cubed per step)."""


class StageOfEpoch(NamedTuple):
    """The stage that an epoch belongs to.

    Attributes:
        number: from 0.
        first: the stage's first epoch, counted from 0.
        epochs: number of its epochs.
        optimizer: of the stage.

    """

    number: int
    first: int
    epochs: int
    optimizer: OptimizerSpec


class ProtocolSpec(SpecModel):
    """Training protocol of a track; the same for every rule unless a paper differs."""

    omit_default_from_hash = frozenset({"order", "orthogonality", "frozen", "stages"})

    epochs: int = Field(gt=0, le=100_000)
    batch_size: int = Field(gt=0)
    order: Literal["shuffled", "fixed"] = "shuffled"
    """``shuffled``: a new random order of the examples in each epoch. ``fixed``: the order of the data set."""
    last_batch: Literal["keep", "drop"] = "keep"
    """Use or skip an epoch's last, smaller batch. 'drop' gives every step the same shapes."""
    loss: LossSpec = "cross_entropy"
    """All losses are means over the batch. ``squared_error``: half the squared distance to the one-hot target, summed
    over classes. ``binary_cross_entropy``: of the logits' sigmoids and the one-hot target, summed over classes.
    ``one_versus_all_hinge``: max(1 - x_c, 0) + mu·Σ max(1 + x_i, 0) over the classes i other than c. ``kind:
    binary_code``: of K = ⌈log₂ classes⌉ logits and the bits of the class's index; the likeliest class is predicted."""
    optimizer: OptimizerSpec
    schedule: ScheduleSpec = ConstantSchedule()
    """Learning rate over the epochs; with stages, over the epochs of each stage."""
    stages: tuple[StageSpec, ...] = ()
    """Parts of the epochs, each with the segments that learn in it; if empty, all segments learn in all epochs.
    Parameters of no segment, such as a rule's own, learn in every stage."""
    orthogonality: OrthogonalitySpec | None = None
    """Regulariser that keeps the weight matrices of an invertible network near orthogonal, under any rule. It is added
    before the optimizer, so that it enters its moments, as in GAIT-prop's published code. Counts as training time."""
    frozen: Literal["none", "lower_half"] = "none"
    """``lower_half`` keeps the weights of the lower half of the hidden segments as they are when training starts, under
    any rule; of an odd number of segments, the middle one learns. Their norms keep scale and shift too, but still
    normalise by each batch. A variant with it shows what a rule gains from training the segments that it leaves out."""
    stop_at_zero_train_error: bool = False
    """Stop after the first evaluation with zero error on the whole training set (GEVB paper's protocol)."""
    timeout_s: float | None = Field(default=None, gt=0)
    """Stop with status 'timed_out' after this much training time, in seconds."""
    evaluation: EvaluationSpec = EvaluationSpec()

    @property
    def loss_name(self) -> str:
        """The loss by its name, without parameters."""
        return self.loss if isinstance(self.loss, str) else self.loss.kind

    def outputs(self, classes: int) -> int:
        """Return the number of the network's outputs for this number of classes."""
        return max(1, (classes - 1).bit_length()) if isinstance(self.loss, BinaryCodeSpec) else classes

    def steps_per_epoch(self, train_examples: int) -> int:
        """Return the number of batches per epoch for this number of examples."""
        full, rest = divmod(train_examples, self.batch_size)
        return full + (1 if rest and (self.last_batch == "keep" or not full) else 0)

    def stage_at(self, epoch: int) -> StageOfEpoch:
        """Return the stage of an epoch, counted from 0; without stages, all epochs are one."""
        if not self.stages:
            return StageOfEpoch(0, 0, self.epochs, self.optimizer)
        begins = (*first_epochs(self.stages, self.epochs), self.epochs)
        number = sum(begin <= epoch for begin in begins[1:-1])
        first = begins[number]
        return StageOfEpoch(number, first, begins[number + 1] - first, self.stages[number].optimizer or self.optimizer)

    @model_validator(mode="after")
    def _has_an_epoch_for_each_stage(self) -> ProtocolSpec:
        if len(self.stages) > self.epochs:
            raise ValueError(f"{len(self.stages)} stages need at least as many epochs, there are {self.epochs}")
        return self

    @model_validator(mode="after")
    def _can_see_zero_train_error(self) -> ProtocolSpec:
        if self.stop_at_zero_train_error and not self.evaluation.train_set:
            raise ValueError("stop_at_zero_train_error needs evaluation.train_set")
        return self


class DiagnosticsSpec(SpecModel):
    """Diagnostics of the credit to measure, besides errors and losses; they never count as training time."""

    omit_default_from_hash = frozenset({"every_steps", "examples_of"})

    names: tuple[str, ...] = ()
    """Names of the diagnostics; `benchsuite list diagnostics` shows them."""
    every_epochs: int = Field(default=1, gt=0)
    """Epochs between measurements, after one before training; expensive ones run only before and after training."""
    every_steps: int | None = Field(default=None, gt=0)
    """Steps between further measurements within epochs, counted from the start; not for expensive ones."""
    examples: int = Field(default=128, gt=0)
    """Size of the fixed batch: the first training examples, unshuffled."""
    examples_of: dict[str, Annotated[int, Field(gt=0)]] = Field(default_factory=dict)
    """Another size of the fixed batch for single diagnostics, by name: clusters need more examples than angles. One
    that is not measured is left out, so that a track that measures less can extend one that measures more."""

    @model_validator(mode="before")
    @classmethod
    def _leave_out_sizes_of_what_is_not_measured(cls, given: Any) -> Any:
        if not isinstance(given, Mapping) or not isinstance(sizes := given.get("examples_of"), Mapping):
            return given
        names = given.get("names") or ()
        return {**given, "examples_of": {name: size for name, size in sizes.items() if name in names}}
