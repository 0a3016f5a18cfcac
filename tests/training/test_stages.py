"""Oracle: which segment may change in which epoch, tensor by tensor; and a run that was never killed."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from benchsuite.errors import ShapeError
from benchsuite.execution import checkpointing
from benchsuite.execution.estimate import estimate
from benchsuite.execution.setting_up import set_up
from benchsuite.networks.architecture_shapes import shapes_of
from benchsuite.networks.shapes.frozen import learning_segments
from benchsuite.records.checks import inconsistencies
from benchsuite.records.model import RunRecord
from benchsuite.registry.manager import Registry
from benchsuite.specs.hashing import spec_hash
from benchsuite.specs.learning_rate import learning_rate_at
from benchsuite.specs.models.protocol import ProtocolSpec
from benchsuite.specs.models.stages import StageSpec, first_epochs
from benchsuite.specs.models.track import RunSpec
from benchsuite.training.step_choice import choose_step
from benchsuite.training.trainer import Trainer

from ..small_runs import MakeRun, MakeSpec

STAGES: list[dict[str, Any]] = [
    {"learns": ["conv*"]},
    {"learns": ["dense2"], "optimizer": {"kind": "sgd", "learning_rate": 0.02, "momentum": 0.9}},
    {"learns": ["readout"], "share": 2},
]
LEARNING = ["conv1", "dense2", "readout", "readout"]


class Stop(BaseException):
    """As a kill would: nothing is written down."""


def staged(make_spec: MakeSpec, rule: str = "backprop", **protocol: Any) -> RunSpec:
    return make_spec(rule, protocol={"stages": STAGES, **protocol})


def changed_segments(trainer: Trainer) -> set[str]:
    """Train an epoch and return the segments of which a parameter changed."""
    before = {name: p.detach().clone() for name, p in trainer.network.named_parameters()}
    trainer.train_epoch()
    return {n.split(".")[1] for n, p in trainer.network.named_parameters() if not torch.equal(p, before[n])}


@pytest.mark.parametrize(
    "rule", ["backprop", "kolen_pollack", "direct_feedback_alignment", "soft_hebb", "local_losses"]
)
@pytest.mark.parametrize("step", ["eager", "recorded"])
def test_in_each_epoch_the_stages_segments_change_and_no_others(
    make_spec: MakeSpec, make_run: MakeRun, rule: str, step: Any
) -> None:
    """Catches a step recorded in one stage that is replayed in the next, and a decay or moment that reaches others."""
    trainer = set_up(make_run(staged(make_spec, rule)).state)
    trainer.warm_up()
    trainer.begin()
    assert (choose_step(trainer, step).step == "recorded") == (step == "recorded")
    assert [changed_segments(trainer) for _ in range(4)] == [{name} for name in LEARNING]


def test_recorded_stages_are_eager_ones_to_the_bit(make_spec: MakeSpec, make_run: MakeRun) -> None:
    """Catches an optimizer state or a draw that recording anew changes."""
    eager, recorded = (set_up(make_run(staged(make_spec)).state) for _ in range(2))
    choose_step(recorded, "recorded")
    for _ in range(4):
        assert recorded.train_epoch() == eager.train_epoch()
    states = recorded.network.state_dict(), eager.network.state_dict()
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


def test_the_step_is_recorded_anew_for_each_stage(make_spec: MakeSpec, make_run: MakeRun) -> None:
    """Catches a graph of one stage that a GPU replays in the next: it trains what must not learn any more."""
    trainer = set_up(make_run(staged(make_spec)).state)
    choose_step(trainer, "recorded")
    assert trainer.recorded is not None
    stale = []
    for _ in range(4):
        trainer.train_epoch()
        stale.append(trainer.recorded.is_stale)
    assert stale == [True, True, False, False]


def test_each_stage_has_its_optimizer_and_the_schedule_anew(make_spec: MakeSpec, make_run: MakeRun) -> None:
    spec = staged(make_spec, schedule={"kind": "cosine"})
    record = make_run(spec).execute()
    assert [e.learning_rate for e in record.epochs] == pytest.approx([0.01, 0.02, 0.01, 0.005])
    assert inconsistencies(record) == []
    trainer = set_up(make_run(spec).state)
    kinds = []
    for _ in range(4):
        kinds.append(type(trainer.optimizer).__name__)
        trainer.train_epoch()
    assert kinds == ["Adam", "SGD", "Adam", "Adam"]


def numbers(record: RunRecord) -> list[object]:
    timeless = {"train_time_s", "images_per_s"}
    return [[e.model_dump(exclude=timeless) for e in record.epochs], [d.model_dump() for d in record.diagnostics]]


@pytest.mark.parametrize("epochs_done", [1, 2, 3], ids=["before a stage", "between stages", "within a stage"])
def test_a_run_killed_in_any_stage_resumes_to_the_same_numbers(
    make_spec: MakeSpec, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, epochs_done: int
) -> None:
    """Catches a checkpoint at the end of a stage that is loaded into the optimizer of another one."""
    spec = staged(make_spec, "kolen_pollack")
    whole = make_run(spec, fresh=True).execute()
    monkeypatch.setattr(checkpointing, "CHECKPOINT_EVERY_S", 0.0)
    train_epoch = Trainer.train_epoch

    def killed(self: Trainer, deadline: float | None = None) -> object:
        if self.epoch == epochs_done:
            raise Stop
        return train_epoch(self, deadline)

    monkeypatch.setattr(Trainer, "train_epoch", killed)
    with pytest.raises(Stop):
        make_run(spec, fresh=True).execute()
    monkeypatch.setattr(Trainer, "train_epoch", train_epoch)
    resumed = make_run(spec).execute()
    assert resumed.resumed == 1
    assert numbers(resumed) == numbers(whole)


def test_a_protocol_without_stages_keeps_its_hash(make_spec: MakeSpec) -> None:
    """Catches stored runs that lose their name."""
    assert "stages" not in make_spec().protocol.model_dump(mode="json")
    assert spec_hash(make_spec()) != spec_hash(staged(make_spec))


@pytest.mark.parametrize(
    ("shares", "epochs", "begins"),
    [((1, 1), 10, (0, 5)), ((1, 50), 51, (0, 1)), ((1, 50), 4, (0, 1)), ((9, 1, 1), 3, (0, 1, 2)), ((1,), 7, (0,))],
)
def test_epochs_are_shared_out_and_no_stage_goes_without(
    shares: tuple[float, ...], epochs: int, begins: tuple[int, ...]
) -> None:
    """Catches a smoke tier of few epochs in which a short stage is rounded away."""
    assert first_epochs([StageSpec(learns=("a",), share=share) for share in shares], epochs) == begins


def test_more_stages_than_epochs_are_refused(make_spec: MakeSpec) -> None:
    with pytest.raises(ValueError, match="3 stages need at least as many epochs, there are 2"):
        staged(make_spec, epochs=2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stages": [{"learns": ["dense9"]}]}, r"stages\.0\.learns: no segment fits 'dense9'; there are conv1, dense2"),
        ({"stages": [{"learns": ["conv1"]}], "frozen": "lower_half"}, r"stages\.0\.learns: all of it is kept"),
    ],
)
def test_what_does_not_fit_is_refused_on_paper(make_spec: MakeSpec, changes: dict[str, Any], message: str) -> None:
    spec = make_spec(protocol=changes)
    with pytest.raises(ShapeError, match=message):
        learning_segments(spec.protocol, shapes_of(spec.architecture, (1, 4, 4), 7))


def test_a_plan_counts_the_gradients_of_the_segments_that_learn(make_spec: MakeSpec, registry: Registry) -> None:
    """Catches a plan of layer-by-layer training that costs as much as training everything always."""
    spec = staged(make_spec)
    shapes, rule = shapes_of(spec.architecture, (1, 4, 4), 7), registry.rule("direct_feedback_alignment")

    def of(protocol: ProtocolSpec) -> float:
        return estimate(shapes, rule, rule.Config(), protocol, 96, 0).flops_per_step

    everything = of(spec.protocol.model_copy(update={"stages": ()}))
    macs = {segment.name: segment.macs for segment in shapes.segments}
    saved = sum(sum(macs.values()) - macs[name] for name in LEARNING) / len(LEARNING)
    assert everything - of(spec.protocol) == pytest.approx(2 * 20 * saved)


def test_rates_of_a_protocol_without_stages_are_as_before(make_spec: MakeSpec) -> None:
    protocol = make_spec(protocol={"schedule": {"kind": "step", "epochs": [2], "factor": 0.5}}).protocol
    assert [learning_rate_at(protocol, epoch) for epoch in range(4)] == pytest.approx([0.01, 0.01, 0.005, 0.005])
