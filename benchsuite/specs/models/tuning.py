"""A tuning: one rule on one track, its search space and its budget, fully explicit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, model_validator

from benchsuite.specs.models.base import SpecModel
from benchsuite.specs.models.track import RunSpec
from benchsuite.specs.models.tuning_budget import SearchDimension, TuningBudget

RATE = "protocol.optimizer.learning_rate"
"""The setting that is searched for every rule."""

CONFIG = "rule.config."
"""Start of the fields that are a rule's hyperparameters."""


class TuningSpec(SpecModel):
    """Everything that determines a tuning; this is hashed."""

    run: RunSpec
    """The run of every trial. What is searched stands at the middle of its range, so that a rule's default has no
    influence."""
    space: tuple[SearchDimension, ...] = Field(min_length=1, max_length=16)
    """Searched settings: the learning rate first, then the rule's tunable hyperparameters by name."""
    budget: TuningBudget

    @model_validator(mode="after")
    def _sees_no_test_set(self) -> TuningSpec:
        if self.run.has_test or not self.run.holds_out:
            raise ValueError("the run of a tuning must hold out validation examples and withhold the test set")
        if self.space[0].field != RATE:
            raise ValueError(f"the first field of space must be {RATE}")
        return self

    def run_of_trial(self, number: int, settings: dict[str, float | int]) -> RunSpec:
        """Return the run of a trial; finalists, whose numbers come after those of the others, run longer."""
        run = self.run
        if number >= self.budget.trials:
            protocol = run.protocol.model_copy(update={"epochs": self.budget.final_epochs})
            run = run.model_copy(update={"protocol": protocol})
        return with_settings(run, settings)


def tuned_title(name: str, budget: str) -> str:
    """Return the title of a tuned row.

    Args:
        name: title of the row whose settings were tuned.
        budget: the tuning's budget in words.

    """
    return f"{name}, tuned ({budget})"


def config_of(settings: Mapping[str, float | int]) -> dict[str, Any]:
    """Return the searched hyperparameters of the rule, by name."""
    return {field.removeprefix(CONFIG): value for field, value in settings.items() if field.startswith(CONFIG)}


def with_settings(run: RunSpec, settings: dict[str, float | int]) -> RunSpec:
    """Return a run with other values of searched fields."""
    optimizer = run.protocol.optimizer.model_copy(update={"learning_rate": settings[RATE]})
    return run.model_copy(
        update={
            "protocol": run.protocol.model_copy(update={"optimizer": optimizer}),
            "rule": run.rule.model_copy(update={"config": {**run.rule.config, **config_of(settings)}}),
        }
    )
