"""Oracle: a hand-written PyTorch loop, and arithmetic on sizes."""

from __future__ import annotations

import gc
import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F

from benchsuite.conformance.kit.guards import no_host_reads
from benchsuite.execution.setting_up import set_up
from benchsuite.registry.manager import installed_registry
from benchsuite.specs.models.protocol import Adam, ProtocolSpec, Sgd
from benchsuite.training.optimization import learning_rate_at, make_optimizer
from benchsuite.training.seeds import AXES, derive_seeds, generator
from benchsuite.training.trainer import Trainer, count_wrong, count_wrong_top5
from benchsuite_rules.backprop import Backprop

from ..small_runs import VECTORIZED, MakeRun, MakeSpec

PLAIN = {"layers": [{"kind": "dense", "units": 12}]}
# For rules that do without norms or need bounded units.
BOUNDED = {"layers": [{"kind": "dense", "units": 12}], "defaults": {"activation": "hard_sigmoid"}}


def test_evaluation_drops_nothing(make_spec: MakeSpec, make_run: MakeRun) -> None:
    """Catches dropout left on, by which two evaluations of the same weights differ and errors look larger."""
    trainer = set_up(make_run(make_spec()).state)
    trainer.train_epoch()
    assert trainer.evaluate("test") == trainer.evaluate("test")


def test_an_epoch_is_what_a_hand_written_loop_does(make_spec: MakeSpec, make_run: MakeRun) -> None:
    spec = make_spec(architecture=PLAIN, protocol={"optimizer": {"kind": "sgd", "learning_rate": 0.1, "momentum": 0.9}})
    run = make_run(spec)
    trainer = set_up(run.state)
    state = {name: value.clone() for name, value in trainer.network.state_dict().items()}
    sums = trainer.train_epoch()

    dataset = run.state.identity.data.dataset
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 12), torch.nn.ReLU(), torch.nn.Linear(12, 7))
    model.load_state_dict(dict(zip(model.state_dict(), state.values(), strict=True)))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    order = torch.randperm(96, generator=generator(run.state.identity.seeds, "order"))
    total, wrong = 0.0, 0
    for start in range(0, 96, 20):
        chosen = order[start : start + 20]
        inputs = (dataset.train_inputs[chosen].float() / 255 - 0.5) / 0.5
        logits = model(inputs)
        loss = F.cross_entropy(logits, dataset.train_targets[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(chosen)
        wrong += int((logits.argmax(1) != dataset.train_targets[chosen]).sum())
    assert sums.loss == pytest.approx(total / 96, rel=1e-5)
    assert sums.error == pytest.approx(wrong / 96)
    assert sums.examples == 96
    for mine, theirs in zip(trainer.network.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("last_batch", "sizes"), [("keep", [20, 20, 20, 20, 16]), ("drop", [20, 20, 20, 20])])
def test_all_batches_have_one_shape_but_the_last_that_is_kept(
    make_spec: MakeSpec, make_run: MakeRun, last_batch: str, sizes: list[int]
) -> None:
    trainer = set_up(make_run(make_spec(protocol={"last_batch": last_batch})).state)
    assert [len(batch.targets) for batch in trainer.batches()] == sizes
    assert trainer.steps_per_epoch == len(sizes)


def test_every_epoch_sees_every_example_once_in_another_order(make_spec: MakeSpec, make_run: MakeRun) -> None:
    trainer = set_up(make_run(make_spec()).state)
    first = torch.cat([b.inputs.flatten(1) for b in trainer.batches()])
    second = torch.cat([b.inputs.flatten(1) for b in trainer.batches()])
    assert not torch.equal(first, second)
    assert torch.equal(first.sum(0).sort().values, first.sum(0).sort().values)
    sort = lambda rows: sorted(map(tuple, rows.tolist()))  # noqa: E731
    assert sort(first) == sort(second)


def test_a_fixed_order_is_the_data_sets_own_in_every_epoch(make_spec: MakeSpec, make_run: MakeRun) -> None:
    """Would catch a random order drawn once and kept, and one that differs from seed to seed."""
    for seed in (0, 1):
        run = make_run(make_spec(seed=seed, protocol={"order": "fixed", "last_batch": "drop"}))
        trainer = set_up(run.state)
        for _ in range(2):
            targets = torch.cat([batch.targets for batch in trainer.batches()])
            assert torch.equal(targets, run.state.identity.data.dataset.train_targets[:80])


RULES_AND_FORMS = [
    (name, form)
    for name, rule in sorted(installed_registry().rules.items())
    for form in ("ordinary", "vectorized")
    if form in rule.traits.forms
]


@pytest.mark.parametrize(("rule", "form"), RULES_AND_FORMS)
def test_no_step_reads_a_value_on_the_host(make_spec: MakeSpec, make_run: MakeRun, rule: str, form: str) -> None:
    """On a GPU one such read a step halves the speed of a small network."""
    traits = installed_registry().rule(rule).traits
    bounded = BOUNDED if not traits.norms or traits.activations is not None else {}
    trainer = set_up(make_run(make_spec(rule, architecture=VECTORIZED if form == "vectorized" else bounded)).state)
    trainer.network.train()
    batches = list(trainer.batches())
    with no_host_reads():
        for batch in batches:
            trainer._step(batch)


def test_warming_up_leaves_no_trace(make_spec: MakeSpec, make_run: MakeRun) -> None:
    warmed, cold = (set_up(make_run(make_spec("feedback_alignment")).state) for _ in range(2))
    warmed.warm_up()
    for _ in range(2):
        assert warmed.train_epoch() == cold.train_epoch()
    for one, two in zip(warmed.network.state_dict().values(), cold.network.state_dict().values(), strict=True):
        assert torch.equal(one, two)


def test_training_holds_the_data_once_and_one_copy_of_the_state(make_spec: MakeSpec, make_run: MakeRun) -> None:
    """Data once, as uint8; weights, gradients, optimizer state, and at most one more copy of the network."""
    spec = make_spec(
        dataset={"train_examples": 4000, "test_examples": 500, "height": 16, "width": 16},
        architecture={"layers": [{"kind": "dense", "units": 256}, {"kind": "dense", "units": 128}]},
        protocol={"batch_size": 8, "epochs": 1},
    )
    run = make_run(spec)
    gc.collect()
    before = live_bytes()
    data = run.state.identity.data.dataset
    data_bytes = sum(t.numel() for t in (data.train_inputs, data.test_inputs))
    target_bytes = 8 * (len(data.train_targets) + len(data.test_targets))
    trainer = set_up(run.state)
    trainer.warm_up()
    highest, steps = [0], [0]
    step = trainer._step

    def watched(batch: object) -> object:
        result = step(batch)  # type: ignore[arg-type]
        steps[0] += 1
        if steps[0] % 100 == 0:  # looking at every object of the process takes a tenth of a second
            highest[0] = max(highest[0], live_bytes())
        return result

    trainer._step = watched  # type: ignore[method-assign,assignment]
    trainer.train_epoch()
    network_bytes = 4 * sum(p.numel() for p in trainer.network.parameters())
    order_bytes = 8 * 4000
    allowed = network_bytes * (1 + 1 + 2 + 1) + target_bytes + order_bytes + 64_000
    assert 0 < highest[0] - before <= allowed
    assert trainer.data.train_inputs.dtype == torch.uint8
    assert highest[0] - before < data_bytes + network_bytes * 5, "the data set has been copied"


def live_bytes() -> int:
    """Return the bytes of all tensors' storages that Python can reach."""
    storages = {}
    for found in gc.get_objects():
        # Not isinstance: that asks objects for their __class__, which some answer with a warning.
        if issubclass(type(found), torch.Tensor):
            for tensor in (found, found.grad if found.is_leaf else None):
                if tensor is not None:
                    storage = tensor.untyped_storage()
                    storages[storage.data_ptr()] = storage.nbytes()
    return sum(storages.values())


def test_seeds_of_axes_and_indices_share_nothing() -> None:
    found = [derive_seeds(seed)[axis] for seed in range(50) for axis in AXES]
    assert len(set(found)) == len(found)
    assert all(0 <= value < 2**63 for value in found)
    assert derive_seeds(3) == derive_seeds(3)


def test_errors_are_counted_as_wrong_also_when_an_output_is_not_a_number() -> None:
    logits = torch.tensor([[1.0, 2.0], [3.0, 0.0], [math.nan, 0.0]])
    assert count_wrong(logits, torch.tensor([1, 1, 0])).item() == 2


def test_top5_error_counts_classes_outside_the_five_largest() -> None:
    logits = torch.arange(8.0).repeat(8, 1)
    assert count_wrong_top5(logits, torch.arange(8)).item() == 3


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ({"kind": "constant"}, [1, 1, 1, 1]),
        ({"kind": "step", "epochs": [1, 3], "factor": 0.1}, [1, 0.1, 0.1, 0.01]),
        ({"kind": "cosine"}, [1, 0.5 + math.sqrt(0.125), 0.5, 0.5 - math.sqrt(0.125)]),
        ({"kind": "cosine", "final_fraction": 1}, [1, 1, 1, 1]),
    ],
)
def test_schedules_are_what_their_formulas_say(schedule: dict[str, object], expected: list[float]) -> None:
    protocol = ProtocolSpec.model_validate(
        {"epochs": 4, "batch_size": 1, "optimizer": {"kind": "sgd", "learning_rate": 1.0}, "schedule": schedule}
    )
    assert [learning_rate_at(protocol, epoch) for epoch in range(4)] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("spec", "reference"),
    [
        (
            Sgd(kind="sgd", learning_rate=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
            lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
        ),
        (
            Adam(kind="adam", learning_rate=0.1, beta2=0.99, weight_decay=0.01),
            lambda p: torch.optim.Adam(p, lr=0.1, betas=(0.9, 0.99), weight_decay=0.01),
        ),
        (
            Adam(kind="adamw", learning_rate=0.1, weight_decay=0.01),
            lambda p: torch.optim.AdamW(p, lr=0.1, weight_decay=0.01),
        ),
    ],
)
def test_optimizers_are_torchs_own(
    spec: Sgd | Adam, reference: Callable[[list[torch.nn.Parameter]], torch.optim.Optimizer]
) -> None:
    start = torch.linspace(-1, 1, 5, dtype=torch.float64)
    mine, theirs = torch.nn.Parameter(start.clone()), torch.nn.Parameter(start.clone())
    network = torch.nn.ParameterList([mine])
    network.segments = {}  # type: ignore[assignment]  # a network of one parameter outside of segments
    own = make_optimizer(spec, network, Backprop())  # type: ignore[arg-type]
    for parameter, optimizer in ((mine, own), (theirs, reference([theirs]))):
        for step in range(5):
            parameter.grad = torch.sin(parameter.detach() * (step + 1))
            optimizer.step()
    torch.testing.assert_close(mine, theirs)


@pytest.mark.gpu
@pytest.mark.parametrize(
    ("rule", "architecture"),
    [
        *((rule, PLAIN) for rule in ("backprop", "feedback_alignment", "direct_feedback_alignment", "readout_only")),
        *((rule, VECTORIZED) for rule in ("gevb", "backprop", "feedback_alignment")),
    ],
)
def test_a_step_can_be_captured_in_a_cuda_graph(
    make_spec: MakeSpec, make_run: MakeRun, rule: str, architecture: dict[str, object]
) -> None:
    """Static shapes and no host reads are what it takes; the captured step must give the eager step's gradients."""
    trainer: Trainer = set_up(
        make_run(
            make_spec(rule, architecture=architecture, hardware={"device": "cuda"}, protocol={"last_batch": "drop"})
        ).state
    )
    batch = next(trainer.batches())
    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        for _ in range(3):
            trainer.optimizer.zero_grad(set_to_none=True)
            trainer.rule.assign_credit(batch)
    torch.cuda.current_stream().wait_stream(side)
    eager = [p.grad.clone() if p.grad is not None else None for p in trainer.network.parameters()]
    graph = torch.cuda.CUDAGraph()
    trainer.optimizer.zero_grad(set_to_none=True)
    with torch.cuda.graph(graph):
        trainer.rule.assign_credit(batch)
    graph.replay()
    for expected, parameter in zip(eager, trainer.network.parameters(), strict=True):
        assert (expected is None) == (parameter.grad is None)
        if expected is not None:
            torch.testing.assert_close(parameter.grad, expected)
