"""How a network is trained: loss, optimizer, schedule, batches, when to stop and when to measure."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from benchsuite.specs.models.base import PositiveFloat, Probability, SpecModel, named_or_spelt_out


class Sgd(SpecModel):
    """Stochastic gradient descent as ``torch.optim.SGD``: the decay is added to the gradient."""

    kind: Literal["sgd"]
    learning_rate: PositiveFloat
    momentum: Probability = 0.0
    nesterov: bool = False
    weight_decay: float = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _nesterov_has_momentum(self) -> Sgd:
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov needs a momentum above 0")
        return self


class Adam(SpecModel):
    """Adam (decay added to the gradient) or AdamW (decay decoupled), as in ``torch.optim``."""

    kind: Literal["adam", "adamw"]
    learning_rate: PositiveFloat
    beta1: Probability = 0.9
    beta2: Probability = 0.999
    epsilon: PositiveFloat = 1e-8
    weight_decay: float = Field(default=0.0, ge=0)


OptimizerSpec = Annotated[Sgd | Adam, Field(discriminator="kind")]


class ConstantSchedule(SpecModel):
    """The learning rate stays as it is."""

    kind: Literal["constant"] = "constant"


class StepSchedule(SpecModel):
    """The learning rate is multiplied by ``factor`` when each of ``epochs`` begins (epochs count from 0)."""

    kind: Literal["step"]
    epochs: tuple[int, ...] = Field(min_length=1)
    factor: float = Field(default=0.1, gt=0)


class CosineSchedule(SpecModel):
    """The learning rate falls along half a cosine to ``final_fraction`` of itself over all epochs."""

    kind: Literal["cosine"]
    final_fraction: float = Field(default=0.0, ge=0, le=1)


ScheduleSpec = Annotated[ConstantSchedule | StepSchedule | CosineSchedule, Field(discriminator="kind")]


class EvaluationSpec(SpecModel):
    """When and on what the network is measured; never on the clock."""

    every_epochs: int = Field(default=1, gt=0)
    """Measure after each so many epochs, and always after the last."""
    train_set: bool = True
    """Also measure on the whole training set, in evaluation mode."""
    batch_size: int = Field(default=1000, gt=0)


LossName = Literal["cross_entropy", "squared_error", "binary_cross_entropy", "one_versus_all_hinge"]


class OneVersusAllHinge(SpecModel):
    """The hinge loss with a weight of one's own for the other classes."""

    kind: Literal["one_versus_all_hinge"]
    mu: PositiveFloat
    """Weight of each of the other classes; 1/(classes - 1) by name alone."""


LossSpec = Annotated[
    Annotated[LossName, Tag("name")] | Annotated[OneVersusAllHinge, Tag("spelt_out")], Discriminator(named_or_spelt_out)
]


class OrthogonalitySpec(SpecModel):
    """A penalty on the weight matrices of an invertible network; its gradient is added to what the rule leaves."""

    later_fields = frozenset({"maps"})

    kind: Literal["off_diagonal", "identity"]
    """Of WᵀW: ``off_diagonal``, the sum of squares off the diagonal, which leaves the lengths of columns free (as in
    GAIT-prop's published code); ``identity``, the sum of squares of WᵀW - I."""
    strength: PositiveFloat
    """What the penalty is multiplied by."""
    maps: Literal["all", "inverted"] = "all"
    """``inverted`` leaves out the maps that read the data: no target is taken through their inverse, and where the data
    are wide their matrices cost more than all others (two products of the inputs cubed per step)."""


class ProtocolSpec(SpecModel):
    """How a network is trained, the same for every rule of a track unless the paper has it otherwise."""

    later_fields = frozenset({"order", "orthogonality"})

    epochs: int = Field(gt=0, le=100_000)
    batch_size: int = Field(gt=0)
    order: Literal["shuffled", "fixed"] = "shuffled"
    """Whether each epoch goes through the examples in a fresh random order, or in that of the data set."""
    last_batch: Literal["keep", "drop"] = "keep"
    """Whether an epoch's last, smaller batch is used. 'drop' gives every step the same shapes."""
    loss: LossSpec = "cross_entropy"
    """``squared_error``: half the squared distance to the one-hot target, summed over classes, batch mean.
    ``binary_cross_entropy``: of the logits' sigmoids and the one-hot target, summed over classes, batch mean.
    ``one_versus_all_hinge``: max(1 - x_c, 0) + mu·Σ max(1 + x_i, 0) over the classes i other than c, batch mean."""
    optimizer: OptimizerSpec
    schedule: ScheduleSpec = ConstantSchedule()
    orthogonality: OrthogonalitySpec | None = None
    """Keeps the weight matrices of an invertible network near orthogonal, whatever the rule; before the optimizer, so
    that it goes through its moments, as in GAIT-prop's published code. On the clock."""
    stop_at_zero_train_error: bool = False
    """Stop after the first measurement with no error on the whole training set (GEVB paper's protocol)."""
    timeout_s: float | None = Field(default=None, gt=0)
    """Give up, with status 'timed_out', once training has been on the clock for so long."""
    evaluation: EvaluationSpec = EvaluationSpec()

    def steps_per_epoch(self, train_examples: int) -> int:
        """Return how many batches so many examples make."""
        full, rest = divmod(train_examples, self.batch_size)
        return full + (1 if rest and (self.last_batch == "keep" or not full) else 0)

    @model_validator(mode="after")
    def _can_see_zero_train_error(self) -> ProtocolSpec:
        if self.stop_at_zero_train_error and not self.evaluation.train_set:
            raise ValueError("stop_at_zero_train_error needs evaluation.train_set")
        return self


class DiagnosticsSpec(SpecModel):
    """What is measured of the credit itself, beside errors and losses; never on the clock."""

    later_fields = frozenset({"every_steps"})

    names: tuple[str, ...] = ()
    """Which diagnostics; `benchsuite list diagnostics` shows them."""
    every_epochs: int = Field(default=1, gt=0)
    """Measure before training and then after each so many epochs; expensive ones before training and at the end."""
    every_steps: int | None = Field(default=None, gt=0)
    """Within epochs too, after each so many steps since training began; expensive ones are not."""
    examples: int = Field(default=128, gt=0)
    """The fixed batch: the first so many training examples, unshuffled."""
