"""Oracle: a run that nobody stopped. A rule that draws from global streams has its numbers also after a resumption."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest
import torch

from benchsuite.execution.run import Run
from benchsuite.plugin import Batch, StepResult
from benchsuite.specs.models.track import RunSpec
from benchsuite_rules.backprop import Backprop

from .repeated_runs import killed_and_resumed, numbers

assign_credit = Backprop.assign_credit


def assign_credit_and_draw(self: Backprop, batch: Batch) -> StepResult:
    """Draw from all global streams, which the kit refuses."""
    result = assign_credit(self, batch)
    factor = 1 + torch.rand(()) + random.gauss(0, 0.1) + np.random.standard_normal() / 10
    for parameter in self.network.parameters():
        if parameter.grad is not None:
            parameter.grad *= factor
    return result


def test_a_resumed_run_whose_rule_draws_from_global_streams_equals_one_never_killed(
    make_spec: Callable[..., RunSpec],
    make_run: Callable[..., Run],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Catches streams that begin anew, or go on from anywhere, in the process that resumes; under the same key."""
    monkeypatch.setattr(Backprop, "assign_credit", assign_credit_and_draw)
    spec = make_spec()
    before = random.getstate(), torch.get_rng_state()
    whole = make_run(spec, fresh=True).execute()
    assert random.getstate() == before[0], "the caller's"
    assert torch.equal(torch.get_rng_state(), before[1])

    assert numbers(killed_and_resumed(spec, make_run, monkeypatch)) == numbers(whole)
