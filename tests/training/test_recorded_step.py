"""Oracle: the same training taken step by step. A recorded step is that step, in other memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from benchsuite.conformance.samples.trial import differing
from benchsuite.execution.run import Run
from benchsuite.execution.setting_up import set_up
from benchsuite.registry.manager import installed_registry
from benchsuite.specs.models.hardware import StepMode
from benchsuite.specs.models.track import RunSpec
from benchsuite.training.step_choice import choose_step
from benchsuite.training.trainer import Trainer

MakeSpec = Callable[..., RunSpec]
MakeRun = Callable[..., Run]

DENSE = {"layers": [{"kind": "dense", "units": 12}, {"kind": "dense", "units": 10}]}
FORMS: dict[str, dict[str, Any]] = {
    "ordinary": {},  # convolution, batch norm, pooling, dropout
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
        forms = [form for form in FORMS if form in rule.traits.forms]
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
        architecture=FORMS[form],
        dataset=AUGMENTED,
        protocol=protocol(optimizer=optimizer),
    )
    for _ in range(EPOCHS):
        assert recorded.train_epoch() == eager.train_epoch()
    assert differing(recorded.state(), eager.state()) == []


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
