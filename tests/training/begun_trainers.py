"""A fixture: trainers of one spec that differ in how their step is taken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from benchsuite.execution.setting_up import set_up
from benchsuite.specs.models.hardware import StepMode
from benchsuite.training.step_choice import choose_step
from benchsuite.training.trainer import Trainer

from ..small_runs import MakeRun, MakeSpec


@pytest.fixture
def trainers(make_spec: MakeSpec, make_run: MakeRun) -> Callable[..., list[Trainer]]:
    """Return a function to trainers of one spec that have begun, one per wanted step."""

    def make(*wanted: StepMode, rule: str = "backprop", **changes: Any) -> list[Trainer]:
        spec = make_spec(rule, **changes)
        made = []
        for step in wanted:
            trainer = set_up(make_run(spec).state)
            trainer.warm_up()
            trainer.begin()
            choice = choose_step(trainer, step)
            assert (choice.step == "eager") == (step == "eager"), choice.reason
            made.append(trainer)
        return made

    return make
