"""Oracle: the same training taken step by step. A recorded step is that step, in other memory."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from benchsuite.conformance.kit.guards import no_host_reads
from benchsuite.conformance.samples.trial import differing
from benchsuite.credit.batch import Batch, StepResult
from benchsuite.errors import NotCapturableError, TimeBudgetSpentError
from benchsuite.execution.run import Run
from benchsuite.execution.setting_up import set_up
from benchsuite.registry.manager import installed_registry
from benchsuite.specs.models.hardware import StepMode
from benchsuite.specs.models.track import RunSpec
from benchsuite.training import recorded_step
from benchsuite.training.optimization import load_optimizer_state, set_learning_rate
from benchsuite.training.ranks import Ranks
from benchsuite.training.recorded_step import RecordedStep
from benchsuite.training.step_choice import choose_step, compile_step
from benchsuite.training.trainer import Trainer
from benchsuite_rules.backprop import Backprop

from ..small_runs import SHORT_LOOPS
from .tape import Tape

MakeSpec = Callable[..., RunSpec]
MakeRun = Callable[..., Run]

DENSE = {"layers": [{"kind": "dense", "units": 12}, {"kind": "dense", "units": 10}]}
FORMS: dict[str, dict[str, Any]] = {
    "ordinary": {},  # convolution, batch norm, pooling, dropout
    "bounded": {  # for rules that do without norms or need bounded units
        "defaults": {"activation": "hard_sigmoid"},
        "layers": [
            {"kind": "conv2d", "channels": 4, "kernel": 3},
            {"kind": "max_pool", "size": 2},
            {"kind": "dense", "units": 12},
        ],
    },
    "vectorized": {
        "form": "vectorized",
        "weight_sign": "nonnegative",
        "defaults": {"activation": "vector_gate", "initialization": {"scheme": "he_normal", "on_off": "channels"}},
        "layers": [
            {"kind": "conv2d", "channels": 4, "kernel": 3, "padding": 1},
            {"kind": "average_pool", "size": 2},
            {"kind": "dense", "units": 12},
        ],
    },
    "invertible": {
        "form": "invertible",
        "defaults": {"activation": {"kind": "leaky_relu", "slope": 0.1}, "initialization": {"scheme": "orthogonal"}},
        "layers": [{"kind": "dense", "units": 16}, {"kind": "dense", "units": 16}],
    },
}
OPTIMIZERS: tuple[dict[str, Any], ...] = (
    {"kind": "sgd", "learning_rate": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.001},
    {"kind": "adam", "learning_rate": 0.01},
    {"kind": "adamw", "learning_rate": 0.01, "weight_decay": 0.01},
)
AUGMENTED = {"augmentation": {"kind": "crop_and_flip", "padding": 1}}
EPOCHS = 10
"""Of four full batches and a shorter one: 50 steps."""


def cases() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield every rule in one of its forms, backprop in all; optimizers take turns."""
    for number, (name, rule) in enumerate(sorted(installed_registry().rules.items())):
        ordinary = "bounded" if not rule.traits.norms or rule.traits.activations is not None else "ordinary"
        forms = [ordinary if form == "ordinary" else form for form in FORMS if form in rule.traits.forms]
        for form in forms if name == "backprop" else forms[-1:] if number % 2 else forms[:1]:
            yield name, form, OPTIMIZERS[number % len(OPTIMIZERS)]


CASES = list(cases())


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


def protocol(**changes: Any) -> dict[str, Any]:
    return {"epochs": EPOCHS, "schedule": {"kind": "cosine"}, **changes}


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


class Impatient(Backprop):
    """Backprop that stops when it has converged."""

    def assign_credit(self, batch: Batch) -> StepResult:
        result = super().assign_credit(batch)
        if float(result.loss) > 1e9:
            raise RuntimeError
        return result


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
        expected = "test_recorded_step.py" if wanted == "recorded" else "the hardware spec asks for it"
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
