"""Oracle: what is on the clock (docs/concepts/fairness.md). A deadline moves by what is done off the clock."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any, cast

import pytest

from benchsuite.execution.workers.messages import Deadline
from benchsuite.execution.workers.worker import Line, TimeBudget
from benchsuite.training.clock import Clock


def test_the_deadline_told_to_the_command_follows_the_training_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a run that is stopped for time that its diagnostics took, or that gets its budget anew each epoch."""
    now = SimpleNamespace(s=100.0)
    monkeypatch.setattr(time, "perf_counter", lambda: now.s)
    told: list[float | None] = []
    line = SimpleNamespace(send=lambda message: told.append(cast("Deadline", message).at))
    clock = Clock()
    budget = TimeBudget(10.0, clock, cast("Line", cast("Any", line)))
    clock.on_switch = budget.switch
    with clock.measure("setup"):
        now.s += 50
    assert told == []
    with clock.measure("train"):
        now.s += 3
        assert not budget.is_over
        with clock.apart("diagnostics", "train"):
            now.s += 20
            assert not budget.is_over
        now.s += 1
    assert told == [160.0, None, 180.0, None]
    with clock.measure("evaluation"):
        now.s += 40
    with clock.measure("train"):
        now.s += 5
        assert not budget.is_over
        now.s += 2
        assert budget.is_over
    assert told[4:] == [now.s - 7 + 6, None], "4 of 10 s were used before"
