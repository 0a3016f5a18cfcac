"""Oracle: the same training taken step by step. A recorded step is that step, in other memory."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from benchsuite.conformance.kit.guards import no_host_reads
from benchsuite.conformance.samples.trial import differing
from benchsuite.credit.batch import Batch
from benchsuite.errors import NotCapturableError, TimeBudgetSpentError
from benchsuite.execution.setting_up import set_up
from benchsuite.training import recorded_step
from benchsuite.training.optimization import load_optimizer_state, set_learning_rate
from benchsuite.training.recorded_step import RecordedStep
from benchsuite.training.step_choice import choose_step
from benchsuite.training.trainer import Trainer

from ..small_runs import SHORT_LOOPS, MakeRun, MakeSpec
from .recorded_cases import AUGMENTED, CASES, DENSE, EPOCHS, FORMS, OPTIMIZERS, protocol
from .tape import Tape


@pytest.mark.parametrize(("rule", "form", "optimizer"), CASES, ids=[f"{rule}-{form}" for rule, form, _ in CASES])
def test_fifty_recorded_steps_are_fifty_eager_ones_to_the_bit(
    trainers: Callable[..., list[Trainer]], rule: str, form: str, optimizer: dict[str, Any]
) -> None:
    """Catches a step that takes another batch, draw, learning rate or optimizer state than an eager one."""
    eager, recorded = trainers(
        "eager",
        "recorded",
        rule=rule,
        config=SHORT_LOOPS.get(rule, {}),
        architecture=FORMS[form],
        dataset=AUGMENTED,
        protocol=protocol(optimizer=optimizer),
    )
    for _ in range(EPOCHS):
        assert recorded.train_epoch() == eager.train_epoch()
    assert differing(recorded.state(), eager.state()) == []


def taping(trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> list[Tape]:
    """Have a trainer's step captured on a tape instead of a CUDA graph; return the tapes that will be made."""
    tapes: list[Tape] = []

    def capture(act: Callable[[], None], side: object, generators: list[torch.Generator]) -> Tape:
        buffers = act.__self__._buffers  # type: ignore[attr-defined]
        changed = [
            *trainer.network.state_dict().values(),
            *(value for value in trainer.rule.state_dict().values() if isinstance(value, torch.Tensor)),
            *(value for state in trainer.optimizer.state.values() for value in state.values()),
            buffers._step,
        ]
        values = [tensor.clone() for tensor in changed]
        states = [generator.get_state() for generator in generators]
        with Tape() as tape:
            act()
        # A capture does nothing yet.
        for tensor, value in zip(changed, values, strict=True):
            tensor.detach().copy_(value)
        for generator, state in zip(generators, states, strict=True):
            generator.set_state(state)
        tapes.append(tape)
        return tape

    monkeypatch.setattr(recorded_step, "capture", capture)
    monkeypatch.setattr(recorded_step, "side_stream", lambda device: object())
    monkeypatch.setattr(recorded_step, "on_side_stream", lambda side: nullcontext())
    monkeypatch.setattr(recorded_step, "StepsInFlight", lambda device: SimpleNamespace(add=lambda: None))
    return tapes


@pytest.mark.parametrize(("rule", "form", "optimizer"), CASES, ids=[f"{rule}-{form}" for rule, form, _ in CASES])
def test_replaying_the_operations_of_one_step_is_training(
    trainers: Callable[..., list[Trainer]],
    monkeypatch: pytest.MonkeyPatch,
    rule: str,
    form: str,
    optimizer: dict[str, Any],
) -> None:
    """Catches a step whose Python must run again: a counter, a tensor put in another's place, a host's number."""
    changes = {
        "config": SHORT_LOOPS.get(rule, {}),
        "architecture": FORMS[form],
        "dataset": AUGMENTED,
        "protocol": {"epochs": EPOCHS, "optimizer": optimizer},
    }
    eager, taped = trainers("eager", "eager", rule=rule, **changes)
    tapes = taping(taped, monkeypatch)
    assert choose_step(taped, "recorded").step == "recorded"
    for _ in range(3):
        assert taped.train_epoch() == eager.train_epoch()
    assert differing(taped.state(), eager.state()) == []
    assert [tape.replays for tape in tapes] == [3 * 4], "full batches alone"


def test_a_capture_that_is_refused_leaves_training_as_it_was_anywhere(
    trainers: Callable[..., list[Trainer]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a fallback from an error of CUDA's that keeps the warm-up's weights, or the zeros of its optimizer."""

    def refused(*given: object) -> None:
        raise NotCapturableError("the capture failed: RuntimeError: operation not permitted")

    eager, fallen = trainers("eager", "eager", rule="weight_mirror", protocol=protocol(optimizer=OPTIMIZERS[0]))
    taping(fallen, monkeypatch)
    monkeypatch.setattr(recorded_step, "capture", refused)
    choice = choose_step(fallen, "recorded")
    assert (choice.step, choice.reason) == ("eager", "the capture failed: RuntimeError: operation not permitted")
    assert differing(fallen.state(), eager.state()) == []
    for _ in range(2):
        assert fallen.train_epoch() == eager.train_epoch()
    assert differing(fallen.state(), eager.state()) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"protocol": protocol(last_batch="drop")},
        {"protocol": protocol(order="fixed", batch_size=96)},
        {
            "protocol": protocol(orthogonality={"kind": "off_diagonal", "strength": 0.1}),
            "architecture": FORMS["invertible"],
        },
        {"hardware": {"precision": "fp64"}, "architecture": DENSE},
        {"hardware": {"precision": "bf16"}},
    ],
    ids=["no rest", "one batch", "regulariser", "fp64", "bf16"],
)
def test_a_recorded_step_holds_to_its_protocol(trainers: Callable[..., list[Trainer]], changes: dict[str, Any]) -> None:
    """Catches parts of the protocol that the recorded step leaves out."""
    eager, recorded = trainers("eager", "recorded", **changes)
    for _ in range(2):
        assert recorded.train_epoch() == eager.train_epoch()
    assert differing(recorded.state(), eager.state()) == []


def test_nothing_is_read_on_the_host_within_an_epoch(trainers: Callable[..., list[Trainer]]) -> None:
    """Catches a counter or a sum that is read each step: a GPU would wait for it."""
    (trainer,) = trainers("recorded", dataset=AUGMENTED)
    with no_host_reads():
        assert [*trainer._steps()] == [20, 20, 20, 20, 16]


def test_a_recorded_step_takes_the_batches_of_its_own_buffers(trainers: Callable[..., list[Trainer]]) -> None:
    """Catches a step that keeps its first batch, or an order that stays from the epoch before: losses hide both."""
    (trainer,) = trainers("recorded", architecture=DENSE, dataset=AUGMENTED)
    seen: list[Batch] = []
    take = trainer.take_step
    trainer.take_step = lambda batch: (seen.append(batch), take(batch))[1]  # type: ignore[method-assign]
    for _ in range(2):
        state = trainer.order.get_state(), trainer.augmentation.get_state()
        seen.clear()
        trainer.train_epoch()
        trainer.order.set_state(state[0])
        trainer.augmentation.set_state(state[1])
        expected = list(trainer.batches())
        assert [len(batch.targets) for batch in seen] == [20, 20, 20, 20, 16]
        for own, other in zip(seen, expected, strict=True):
            assert torch.equal(own.inputs, other.inputs)
            assert torch.equal(own.targets, other.targets)


@pytest.mark.parametrize("rule", ["weight_mirror", "node_perturbation", "kolen_pollack"])
def test_recording_leaves_no_trace_in_the_trainers_state(make_spec: MakeSpec, make_run: MakeRun, rule: str) -> None:
    """Catches steps of the warm-up that stay: weights, running averages, streams, optimizer state."""
    spec = make_spec(rule)
    trainer, plain = (set_up(make_run(spec).state) for _ in range(2))
    for each in (trainer, plain):
        each.begin()
        each.train_epoch()
    assert choose_step(trainer, "recorded").step == "recorded"
    assert differing(trainer.state(), plain.state()) == []


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda optimizer: optimizer["kind"])
@pytest.mark.parametrize("rule", ["kolen_pollack", "weight_mirror"])
def test_all_that_a_recorded_step_uses_stays_where_it_is(
    trainers: Callable[..., list[Trainer]], rule: str, optimizer: dict[str, Any]
) -> None:
    """Catches state that is made or replaced after the recording: a replay would go on with what was there before."""
    (trainer,) = trainers("recorded", rule=rule, dataset=AUGMENTED, protocol=protocol(optimizer=optimizer))

    def places() -> dict[str, int]:
        states = [state for weight, state in trainer.optimizer.state.items()]
        assert len(states) == len(list(trainer._learning)), "all weights have state before the first step"
        tensors = [
            *trainer.network.state_dict().values(),
            *(value for value in trainer.rule.state_dict().values() if isinstance(value, torch.Tensor)),
            *(value for state in states for value in state.values()),
            trainer.sums.loss,
            trainer.sums.wrong,
        ]
        return {str(number): tensor.data_ptr() for number, tensor in enumerate(tensors)}

    before = places()
    for _ in range(2):
        trainer.train_epoch()
        assert places() == before


def test_a_learning_rate_on_the_device_is_changed_in_place() -> None:
    """Catches a schedule that replaces the tensor that a captured step reads, and a state loaded over it."""
    weight = torch.nn.Parameter(torch.ones(2))
    rate = torch.tensor(0.1)
    optimizer = torch.optim.SGD([{"params": [weight], "lr": rate, "rate": 2.0}])
    set_learning_rate(optimizer, 0.25)
    assert optimizer.param_groups[0]["lr"] is rate
    assert rate.item() == 0.5
    load_optimizer_state(optimizer, optimizer.state_dict())
    assert optimizer.param_groups[0]["lr"] == 0.5
    assert isinstance(optimizer.param_groups[0]["lr"], float), "saved on a GPU, resumed on a CPU"


def test_a_state_that_is_loaded_has_the_step_recorded_anew(
    trainers: Callable[..., list[Trainer]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a graph that goes on in the optimizer's old tensors after a checkpoint has put others in their place."""
    eager, recorded = trainers("eager", "recorded", protocol=protocol(optimizer=OPTIMIZERS[0]))
    saved = eager.state()
    prepared: list[RecordedStep] = []
    prepare = RecordedStep.prepare
    monkeypatch.setattr(RecordedStep, "prepare", lambda self: (prepared.append(self), prepare(self))[1])
    recorded.train_epoch()
    assert not prepared
    recorded.load_state(saved)
    assert [recorded.train_epoch() for _ in range(2)] == [eager.train_epoch() for _ in range(2)]
    assert len(prepared) == 1
    assert differing(recorded.state(), eager.state()) == []
    recorded.set_channels_last(True)
    recorded.train_epoch()
    assert len(prepared) == 2, "weights have another memory format"


def test_between_steps_and_deadlines_are_kept_between_replays(trainers: Callable[..., list[Trainer]]) -> None:
    """Catches diagnostics within an epoch, and time budgets, that a recorded epoch passes over."""
    (trainer,) = trainers("recorded", architecture=DENSE)
    asked: list[int] = []
    trainer.between_steps = asked.append
    trainer.train_epoch()
    assert asked == [1, 2, 3, 4]
    with pytest.raises(TimeBudgetSpentError):
        trainer.train_epoch(deadline=0.0)
    assert asked == [1, 2, 3, 4]
