"""Oracle: what "kept" and "anew" mean, tensor by tensor; and a run that was never killed."""

from __future__ import annotations

import pytest
import torch

from benchsuite.errors import ShapeError
from benchsuite.execution import checkpointing
from benchsuite.networks.architecture_shapes import require_pretrainable
from benchsuite.records.model import RunRecord
from benchsuite.specs.hashing import spec_hash
from benchsuite.specs.models.track import RunSpec
from benchsuite.training.pretraining import pretraining_specs
from benchsuite.training.seeds import derive_seeds
from benchsuite.training.trainer import Trainer

from ..small_runs import MakeRun, MakeSpec

LAYERS = [
    {"kind": "conv2d", "channels": 4, "kernel": 3, "padding": 1, "norm": "batch"},
    {"kind": "max_pool", "size": 2},
    {"kind": "conv2d", "channels": 5, "kernel": 3, "padding": 1},
    {"kind": "dense", "units": 12},
]
UNTIED = [*LAYERS[:2], {**LAYERS[2], "kind": "locally_connected2d"}, LAYERS[3]]
FIRST = {"epochs": 2, "keep": ["conv1"], "batch_size": 16}


class Stop(BaseException):
    """As a kill would: nothing is written down."""


@pytest.fixture
def pretrained(make_spec: MakeSpec) -> MakeSpec:
    """Return a function to the spec of an untied network whose first segment is trained in the tied one and kept."""

    def make(rule: str = "backprop", **changes: object) -> RunSpec:
        tied = {"name": "tied", "kind": "chain", "layers": LAYERS}
        pretraining = {**FIRST, "architecture": tied, **changes.pop("pretraining", {})}  # type: ignore[dict-item]
        architecture = {"name": "untied", "layers": UNTIED}
        return make_spec(rule, architecture=architecture, pretraining=pretraining, **changes)

    return make


@pytest.fixture
def networks(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, torch.Tensor]]]:
    """Collect the network's state before and after each epoch of both trainings."""
    seen: list[tuple[str, dict[str, torch.Tensor]]] = []
    train_epoch = Trainer.train_epoch

    def watched(self: Trainer, deadline: float | None = None) -> object:
        def state(when: str) -> None:
            seen.append((when, {k: v.clone() for k, v in self.network.state_dict().items()}))

        state("before")
        sums = train_epoch(self, deadline)
        state("after")
        return sums

    monkeypatch.setattr(Trainer, "train_epoch", watched)
    return seen


RULES = (
    ("backprop", {}),
    ("feedback_alignment", {}),
    ("direct_feedback_alignment", {}),
    ("kolen_pollack", {"decay": 0.01}),
    ("updated_random_feedback", {"connectivity": 0.5}),
    ("weight_mirror", {"initial_mirror_steps": 3}),
)


@pytest.mark.parametrize(("rule", "config"), RULES, ids=[name for name, _ in RULES])
def test_what_is_kept_never_changes_and_the_rest_starts_anew(
    pretrained: MakeSpec, make_run: MakeRun, networks: list, rule: str, config: dict
) -> None:
    """Catches a decay, a mask, a norm's running average or an optimizer that reaches a frozen segment."""
    record = make_run(pretrained(rule, config=config)).execute()
    assert record.status == "completed", record.reason
    assert [e.epoch for e in record.pretraining] == [1, 2]
    assert len(record.epochs) == 4
    *_, first_end = [state for _, state in networks[:4]]
    for _, state in networks[4:]:
        for name, tensor in first_end.items():
            if name.startswith("nodes.conv1."):
                assert torch.equal(state[name], tensor), name
    start, end = networks[4][1], networks[-1][1]
    moved = {name.split(".")[1] for name in start if not torch.equal(start[name], end[name])}
    assert moved == {"local2", "dense3", "readout"}
    assert not torch.equal(start["nodes.dense3.map.weight"], first_end["nodes.dense3.map.weight"])


def test_the_kept_segment_was_trained(pretrained: MakeSpec, make_run: MakeRun, networks: list) -> None:
    make_run(pretrained()).execute()
    drawn, kept = networks[0][1], networks[4][1]
    assert not torch.equal(drawn["nodes.conv1.map.weight"], kept["nodes.conv1.map.weight"])
    assert not torch.equal(drawn["nodes.conv1.norm.running_mean"], kept["nodes.conv1.norm.running_mean"])


def numbers(record: RunRecord) -> list[object]:
    timeless = {"train_time_s", "images_per_s"}
    return [[e.model_dump(exclude=timeless) for e in epochs] for epochs in (record.pretraining, record.epochs)] + [
        [d.model_dump() for d in record.diagnostics]
    ]


@pytest.mark.parametrize("epoch_of_all", [1, 3], ids=["in the pretraining", "in the run"])
def test_a_run_killed_in_either_training_resumes_to_the_same_numbers(
    pretrained: MakeSpec, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, epoch_of_all: int
) -> None:
    spec = pretrained("kolen_pollack")
    whole = make_run(spec, fresh=True).execute()
    monkeypatch.setattr(checkpointing, "CHECKPOINT_EVERY_S", 0.0)
    train_epoch = Trainer.train_epoch
    begun = 0

    def killed(self: Trainer, deadline: float | None = None) -> object:
        nonlocal begun
        if begun == epoch_of_all:
            raise Stop
        begun += 1
        return train_epoch(self, deadline)

    monkeypatch.setattr(Trainer, "train_epoch", killed)
    with pytest.raises(Stop):
        make_run(spec, fresh=True).execute()
    monkeypatch.setattr(Trainer, "train_epoch", train_epoch)
    resumed = make_run(spec).execute()
    assert resumed.resumed == 1
    assert numbers(resumed) == numbers(whole)
    on_the_clock = sum(e.train_time_s for e in (*resumed.pretraining, *resumed.epochs))
    assert resumed.timing.train_time_s == pytest.approx(on_the_clock)


def test_pretraining_draws_from_streams_of_its_own(pretrained: MakeSpec) -> None:
    """Catches a pretraining that starts from the run's own initial weights and sees its examples in the same order."""
    spec = pretrained()
    own, main = pretraining_specs(spec).seeds, derive_seeds(spec.seed)
    assert own.keys() == main.keys()
    assert not set(own.values()) & set(main.values())


def test_pretraining_is_part_of_a_runs_name_and_its_absence_is_not(make_spec: MakeSpec, pretrained: MakeSpec) -> None:
    assert "pretraining" not in make_spec().model_dump(mode="json")
    one, two = pretrained(), pretrained(pretraining={"epochs": 3})
    assert spec_hash(one) != spec_hash(two)


@pytest.mark.parametrize(
    ("pretraining", "message"),
    [
        ({"keep": ["dense9"]}, r"no segment 'dense9' in the pretraining's network.*did you mean 'dense3'"),
        ({"keep": ["conv2"]}, r"no segment 'conv2' in the run's network"),
        (
            {
                "keep": ["dense3"],
                "architecture": {"name": "a", "kind": "chain", "layers": [*LAYERS[:3], {"kind": "dense", "units": 6}]},
            },
            r"segment 'dense3' is not the same in both networks: dense .*'units': 6.* and dense .*12",
        ),
    ],
)
def test_what_does_not_fit_is_refused_on_paper(pretrained: MakeSpec, pretraining: dict, message: str) -> None:
    spec = pretrained(pretraining=pretraining)
    with pytest.raises(ShapeError, match=message):
        require_pretrainable(spec.pretraining, spec.architecture, (1, 4, 4), 7)


@pytest.mark.parametrize(
    ("pretraining", "message"),
    [({"keep": []}, "must keep at least one segment"), ({"epochs": 0}, "keeps segments of a pretraining of 0 epochs")],
)
def test_a_pretraining_that_says_nothing_is_refused(pretrained: MakeSpec, pretraining: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pretrained(pretraining=pretraining)
