"""Oracle: the plan. A step is recorded or compiled if it can be, else the record says why not."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from benchsuite.credit.batch import Batch, StepResult
from benchsuite.specs.models.hardware import StepMode
from benchsuite.training.ranks import Ranks
from benchsuite.training.step_choice import choose_step, compile_step
from benchsuite.training.trainer import Trainer

from ..small_runs import MakeRun, MakeSpec
from .recorded_cases import DENSE, OPTIMIZERS, Impatient, protocol


def test_a_step_that_cannot_be_recorded_is_eager_and_the_record_says_why(
    make_spec: MakeSpec, make_run: MakeRun
) -> None:
    """Catches a fallback that nobody can see, and one that has changed the numbers."""
    numbers = []
    for wanted in ("recorded", "eager"):
        run = make_run(make_spec(hardware={"step": wanted}, protocol={"epochs": 2}), fresh=True)
        run.state.registry.rules["backprop"] = Impatient
        record = run.execute()
        assert record.hardware.step == "eager"
        reason = record.hardware.step_reason
        expected = "recorded_cases.py" if wanted == "recorded" else "the hardware spec asks for it"
        assert expected in reason, reason
        if wanted == "recorded":
            assert reason.endswith("reads a tensor's value on the host")
        numbers.append([(epoch.running_loss, epoch.test) for epoch in record.epochs])
    assert numbers[0] == numbers[1]


@pytest.mark.parametrize(("wanted", "used"), [("auto", "eager"), ("recorded", "recorded")])
def test_a_record_has_the_step_that_was_taken(make_spec: MakeSpec, make_run: MakeRun, wanted: str, used: str) -> None:
    """Catches records that always say eager, and a recorded run with other numbers or another id."""
    plain = make_run(make_spec(protocol={"epochs": 2})).execute()
    record = make_run(make_spec(hardware={"step": wanted}, protocol={"epochs": 2}), fresh=True).execute()
    assert record.hardware.step == used
    assert (record.hardware.step_reason == "") == (used == "recorded")
    assert record.spec_hash == plain.spec_hash
    assert [(e.running_loss, e.test) for e in record.epochs] == [(e.running_loss, e.test) for e in plain.epochs]


def test_what_can_be_told_beforehand_is_not_tried(trainers: Callable[..., list[Trainer]]) -> None:
    """Catches a step that is recorded although no epoch has a full batch of its own on the device."""
    (trainer,) = trainers("eager", architecture=DENSE)
    reasons = {"auto": "only CUDA has graphs", "eager": "the hardware spec asks for it"}
    for wanted, reason in reasons.items():
        assert reason in choose_step(trainer, wanted).reason  # type: ignore[arg-type]
    trainer.protocol = trainer.protocol.model_copy(update={"batch_size": 200})
    assert choose_step(trainer, "recorded").reason == "an epoch has no full batch"
    trainer.ranks = Ranks(0, 2, 0)
    assert choose_step(trainer, "recorded").reason.startswith("2 processes share the run")
    trainer.data = SimpleNamespace(device=torch.device("cpu"))  # type: ignore[assignment]
    assert choose_step(trainer, "recorded").reason == "examples are read from files during training"
    assert trainer.recorded is None


def test_a_step_that_cannot_be_compiled_is_not_and_the_record_says_so(
    make_spec: MakeSpec, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a run that is lost for want of a compiler, and one that passes for compiled."""

    def broken(*given: Any, **named: Any) -> StepResult:
        raise RuntimeError("no compiler\nhere")

    monkeypatch.setattr(torch, "compile", lambda step, **how: broken)
    record = make_run(make_spec(hardware={"compile": "default"}, protocol={"epochs": 1})).execute()
    assert record.status == "completed"
    assert record.hardware.compiled == "none"
    assert "not compiled: RuntimeError: no compiler" in record.hardware.notes
    assert record.timing.compile_time_s is not None


def test_full_batches_take_the_compiled_step_and_its_time_is_apart(
    make_spec: MakeSpec, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a compiled step that is never taken, a shorter batch that is compiled too, and another mode."""
    sizes: list[int] = []
    modes: list[str] = []

    def compiled(step: Callable[..., StepResult], *, dynamic: bool, mode: str) -> Callable[..., StepResult]:
        modes.append(mode)

        def noted(network: Any, rule: Any, optimizer: Any, batch: Batch, **how: Any) -> StepResult:
            sizes.append(len(batch.targets))
            return step(network, rule, optimizer, batch, **how)

        return noted

    monkeypatch.setattr(torch, "compile", compiled)
    spec = make_spec(hardware={"compile": "max-autotune", "step": "recorded"}, protocol={"epochs": 2})
    record = make_run(spec).execute()
    assert modes == ["max-autotune-no-cudagraphs"], "its own graphs would be captured within ours"
    assert set(sizes) == {20}
    assert len(sizes) == 1 + 2 + 2 * 4, "compiling, recording, and two epochs of four full batches"
    assert (record.hardware.compiled, record.hardware.step) == ("max-autotune", "recorded")
    assert record.spec_hash != make_run(make_spec(protocol={"epochs": 2})).state.identity.spec_hash


@pytest.mark.slow
@pytest.mark.parametrize("step", ["eager", "recorded"])
def test_a_compiled_step_agrees_with_the_plain_one_to_rounding(
    trainers: Callable[..., list[Trainer]], step: StepMode
) -> None:
    """Catches a compiled step that leaves out what Python does around the products, such as ``after_update``."""
    changes: dict[str, Any] = {"architecture": DENSE, "protocol": protocol(optimizer=OPTIMIZERS[0])}
    plain, compiled = trainers("eager", "eager", rule="kolen_pollack", **changes)
    assert compile_step(compiled, "default") == ""
    choose_step(compiled, step)
    for _ in range(3):
        ours, theirs = compiled.train_epoch(), plain.train_epoch()
        assert ours.loss == pytest.approx(theirs.loss, rel=1e-4)
    for module in ("network", "rule"):
        for name, value in getattr(plain, module).state_dict().items():
            torch.testing.assert_close(getattr(compiled, module).state_dict()[name], value, rtol=1e-3, atol=1e-5)
