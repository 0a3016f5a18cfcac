"""Oracle: eager steps on the same GPU. A CUDA graph of a step takes the same batches, draws and rates."""

from __future__ import annotations

import gc
from typing import Any

import pytest
import torch

from benchsuite.execution.setting_up import set_up
from benchsuite.training import recorded_step
from benchsuite.training.step_choice import choose_step

from ..small_runs import MakeRun, MakeSpec
from .recorded_cases import AUGMENTED, CASES, FORMS, Impatient, protocol

CUDA = {"device": "cuda"}


@pytest.mark.gpu
@pytest.mark.parametrize(("rule", "form", "optimizer"), CASES, ids=[f"{rule}-{form}" for rule, form, _ in CASES])
def test_captured_steps_are_eager_ones(
    make_spec: MakeSpec, make_run: MakeRun, rule: str, form: str, optimizer: dict[str, Any]
) -> None:
    """Catches a graph that reads memory that has been replaced, repeats its random numbers or its learning rate.

    The same kernels run in the same order, but cuBLAS and cuDNN may take others in a capture: hence a tolerance.
    """
    changes = {"architecture": FORMS[form], "dataset": AUGMENTED, "protocol": protocol(optimizer=optimizer)}
    eager, captured = (set_up(make_run(make_spec(rule, hardware=CUDA, **changes)).state) for _ in range(2))
    for trainer in (eager, captured):
        trainer.warm_up()
        trainer.begin()
    assert choose_step(captured, "auto").step == "cuda_graph", choose_step(captured, "auto").reason
    for _ in range(2):
        ours, theirs = captured.train_epoch(), eager.train_epoch()
        assert ours.loss == pytest.approx(theirs.loss, rel=1e-3)
    for stream in ("order", "augmentation", "dropout"):
        assert torch.equal(getattr(captured, stream).get_state(), getattr(eager, stream).get_state()), stream
    for name, value in eager.network.state_dict().items():
        torch.testing.assert_close(captured.network.state_dict()[name], value, rtol=1e-3, atol=1e-4, msg=name)


@pytest.mark.gpu
def test_a_capture_that_fails_leaves_training_as_it_was(
    make_spec: MakeSpec, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches generators that still wait for the end of a capture that failed, and a fallback without its reason."""
    monkeypatch.setattr(recorded_step, "why_not_capturable", lambda *given: [])
    # No convolution, whose gradients on a GPU are not the same each time; dropout, for its generator.
    layers = [{"kind": "dense", "units": 12}, {"kind": "dropout", "probability": 0.3}, {"kind": "dense", "units": 10}]
    spec = make_spec(hardware=CUDA, architecture={"layers": layers})
    eager, fallen = (set_up(make_run(spec).state) for _ in range(2))
    for trainer in (eager, fallen):
        trainer.warm_up()
        trainer.begin()
    fallen.rule.__class__ = Impatient
    choice = choose_step(fallen, "auto")
    assert choice.step == "eager"
    assert choice.reason.startswith("the capture failed: ")
    for _ in range(2):
        assert fallen.train_epoch() == eager.train_epoch()


@pytest.mark.gpu
def test_a_captured_step_takes_little_more_memory_than_an_eager_one(make_spec: MakeSpec, make_run: MakeRun) -> None:
    """Catches buffers that are held twice. A graph keeps its memory, which an eager step shares with evaluation."""
    changes = {
        "dataset": {"train_examples": 8192, "height": 28, "width": 28},
        "architecture": {"layers": [{"kind": "dense", "units": 8192}, {"kind": "dense", "units": 8192}]},
        "protocol": {"batch_size": 4096},
    }
    peaks = []
    for step in ("eager", "recorded"):
        trainer = set_up(make_run(make_spec(hardware=CUDA, **changes)).state)
        trainer.warm_up()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        assert choose_step(trainer, step).step == {"eager": "eager", "recorded": "cuda_graph"}[step]
        trainer.train_epoch()
        peaks.append(torch.cuda.max_memory_reserved())
        del trainer
        gc.collect()
    assert peaks[1] <= 1.1 * peaks[0]
