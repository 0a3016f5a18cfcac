"""Oracle: a training run never stopped, and the forward weights' own path. Rules whose feedback weights change."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable

import pytest
import torch

from benchsuite.conformance.kit.guards import no_host_reads
from benchsuite.credit.rule import Rule
from benchsuite.execution.setting_up import set_up
from benchsuite.networks.architecture_shapes import shapes_of
from benchsuite.networks.builder import build
from benchsuite.training.seeds import generator
from benchsuite.training.trainer import Trainer
from benchsuite_rules.kolen_pollack import KolenPollack
from benchsuite_rules.sign_symmetry import SignSymmetry
from benchsuite_rules.updated_random_feedback import UpdatedRandomFeedback
from benchsuite_rules.weight_mirror import WeightMirror

from ..small_runs import MakeRun, MakeSpec

MakeTrainer = Callable[[Callable[[], Rule]], Trainer]
RULES: dict[str, Callable[[], Rule]] = {
    "kolen_pollack": KolenPollack,
    "urfb": lambda: UpdatedRandomFeedback(UpdatedRandomFeedback.Config(feedback_rate=0.5, connectivity=0.7)),
    "weight_mirror": lambda: WeightMirror(WeightMirror.Config(mirror_batch_size=8, norm_control="scaling")),
    "sign_symmetry": lambda: SignSymmetry(SignSymmetry.Config(magnitude="fresh_random")),
}
OPTIMIZERS: dict[str, dict[str, object]] = {
    "momentum": {"kind": "sgd", "learning_rate": 0.05, "momentum": 0.9, "nesterov": True},
    "adam": {"kind": "adam", "learning_rate": 0.01, "weight_decay": 0.001},
}
every_rule = pytest.mark.parametrize("make_rule", RULES.values(), ids=RULES)
every_optimizer = pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)


@pytest.fixture
def make_trainer(make_spec: MakeSpec, make_run: MakeRun) -> Callable[..., Trainer]:
    """Return a function that sets up training of conv, norm, pool and dropout under a rule, as a run does."""

    def make(make_rule: Callable[[], Rule], **optimizer: object) -> Trainer:
        schedule = {"kind": "step", "epochs": [1, 3], "factor": 0.5}
        run = make_run(make_spec(protocol={"optimizer": optimizer, "schedule": schedule}))
        data = set_up(run.state).data
        network = build(shapes_of(run.spec.architecture, (1, 4, 4), 7), generator(run.state.identity.seeds, "init"))
        rule = make_rule()
        rule.attach(network, generator(run.state.identity.seeds, "feedback"))
        return Trainer(network, rule, data, run.spec.protocol, run.state.identity.seeds)

    return make


def saved(trainer: Trainer) -> dict[str, object]:
    stream = io.BytesIO()
    torch.save(trainer.state(), stream)
    stream.seek(0)
    state: dict[str, object] = torch.load(stream, weights_only=True)
    return state


@every_rule
@every_optimizer
def test_training_resumed_equals_training_never_stopped(make_trainer, make_rule, optimizer) -> None:
    """To the bit: feedback weights, their momentum and moments, masks, and a rule's own random stream come back."""
    straight, resumed = (make_trainer(make_rule, **optimizer) for _ in range(2))
    straight.warm_up()
    for _ in range(2):
        straight.train_epoch()
    checkpoint = saved(straight)
    resumed.warm_up()
    resumed.train_epoch()  # whatever it did before must not matter
    resumed.load_state(checkpoint)
    for _ in range(2):
        assert straight.train_epoch() == resumed.train_epoch()
    for one, two in ((straight.network, resumed.network), (straight.rule, resumed.rule)):
        assert tensors(one.state_dict()) == tensors(two.state_dict())


@every_rule
def test_warming_up_leaves_no_trace(make_trainer, make_rule) -> None:
    warmed, cold = (make_trainer(make_rule, **OPTIMIZERS["adam"]) for _ in range(2))
    warmed.warm_up()
    assert warmed.train_epoch() == cold.train_epoch()
    assert tensors(warmed.rule.state_dict()) == tensors(cold.rule.state_dict())


@every_rule
@every_optimizer
def test_no_step_reads_a_value_on_the_host(make_trainer, make_rule, optimizer) -> None:
    trainer = make_trainer(make_rule, **optimizer)
    trainer.warm_up()
    batches = list(trainer.batches())
    with no_host_reads():
        for batch in batches:
            trainer._step(batch)


@every_optimizer
def test_a_scheduled_rate_is_the_feedback_weights_too(make_trainer, optimizer) -> None:
    """Over steps of the schedule the feedback weights go half the forward weights' way, without decay exactly."""
    rate = {**optimizer, "weight_decay": 0.0}
    trainer = make_trainer(lambda: UpdatedRandomFeedback(UpdatedRandomFeedback.Config(feedback_rate=0.5)), **rate)
    feedback = trainer.rule.feedback.by_segment
    weights = {name: trainer.network.maps[name].weight.detach() for name in feedback}
    before = copy.deepcopy((weights, feedback))
    for _ in range(4):
        trainer.train_epoch()
    for name, feedback_weight in feedback.items():
        way = weights[name] - before[0][name]
        torch.testing.assert_close(feedback_weight - before[1][name], 0.5 * way, rtol=1e-4, atol=1e-5)


def tensors(state: dict[str, object]) -> dict[str, object]:
    """Return a state as numbers that ``==`` compares."""
    flat: dict[str, object] = {}
    for name, value in state.items():
        inner = value if isinstance(value, dict) else {"": value}
        for key, part in inner.items():
            flat[f"{name}.{key}"] = part.tolist() if isinstance(part, torch.Tensor) else part
    return flat
