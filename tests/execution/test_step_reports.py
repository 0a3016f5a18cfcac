"""Oracle: the number of batches in an epoch of the digits."""

from __future__ import annotations

from pathlib import Path

import pytest

import benchsuite as bs
from benchsuite.execution import step_reports
from benchsuite.registry import hookimpl


def test_a_long_epoch_tells_its_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a display that stands still for an hour of an epoch on ImageNet, and steps of another epoch."""
    monkeypatch.setattr(step_reports, "EVERY_S", 0.0)

    class Told(bs.Progress):
        def __init__(self) -> None:
            self.steps: list[tuple[int, int, int]] = []

        @hookimpl
        def benchsuite_steps_taken(self, epoch: int, step: int, steps: int) -> None:
            self.steps.append((epoch, step, steps))

    told = Told()
    bs.run(
        "digits-fc",
        rules="backprop",
        seeds=1,
        tier="smoke",
        executor="inline",
        store=tmp_path,
        tracking_uri="none",
        progress=told,
        set={"protocol.epochs": 2, "diagnostics.names": []},
    )
    assert told.steps == [(epoch, step, 45) for epoch in (1, 2) for step in range(1, 46)]
