"""Oracle: what is on the clock (docs/concepts/fairness.md). A deadline moves by what is done off the clock."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any, cast

import pytest

from benchsuite.execution.workers import worker
from benchsuite.execution.workers.messages import Deadline
from benchsuite.execution.workers.worker import Line, TimeBudget
from benchsuite.training.clock import Clock


def test_the_deadline_told_to_the_command_follows_the_training_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a run that is stopped for time that its diagnostics took, or that gets its budget anew each epoch."""
    now = SimpleNamespace(s=100.0)
    monkeypatch.setattr(time, "perf_counter", lambda: now.s)
    told: list[float | str] = []

    def note(message: Deadline) -> None:
        told.append(message.at if "on the clock" in message.reason else message.reason)

    line = SimpleNamespace(send=note)
    clock = Clock()
    budget = TimeBudget(10.0, clock, cast("Line", cast("Any", line)))
    clock.on_switch = budget.switch
    with clock.measure("setup"):
        now.s += 50
    told.clear()
    with clock.measure("train"):
        now.s += 3
        assert not budget.is_over
        with clock.apart("diagnostics", "train"):
            now.s += 20
            assert not budget.is_over
        now.s += 1
    assert [at for at in told if isinstance(at, float)] == [160.0, 180.0]
    told.clear()
    with clock.measure("evaluation"):
        now.s += 40
        assert not budget.is_over
    with clock.measure("train"):
        now.s += 5
        assert not budget.is_over
        now.s += 2
        assert budget.is_over
    assert [at for at in told if isinstance(at, float)] == [now.s - 7 + 6], "4 of 10 s were used before"


@pytest.mark.parametrize("purpose", ["setup", "evaluation", "diagnostics"])
def test_each_stretch_off_the_clock_has_a_deadline_of_its_own(monkeypatch: pytest.MonkeyPatch, purpose: str) -> None:
    """Catches a rule that hangs in ``attach``, an evaluation or a diagnostic, and with it the command, for ever."""
    now = SimpleNamespace(s=100.0)
    monkeypatch.setattr(time, "perf_counter", lambda: now.s)
    monkeypatch.setattr(worker, "longest_stretch_s", lambda limit: 3 * limit)
    clock = Clock()
    told: list[Deadline] = []
    budget = TimeBudget(10.0, clock, cast("Line", cast("Any", SimpleNamespace(send=told.append))))
    clock.on_switch = budget.switch
    for _ in range(2):
        with clock.measure("train"):
            now.s += 4
        with clock.measure(purpose):
            assert told[-1] == Deadline(now.s + 30, f"more than 30 s off the clock ({purpose})")
            now.s += 29
            assert not budget.is_over
    now.s += 31
    assert budget.is_over, "also between two measurements, as in after_epoch"
