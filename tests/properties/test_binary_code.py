"""Oracle: autograd, bits written down, and the likelihood of each class worked out one by one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F

from benchsuite.execution.run import Run
from benchsuite.networks.criterion import criterion_of
from benchsuite.specs.models.protocol import BinaryCodeSpec, ProtocolSpec
from benchsuite.specs.models.track import RunSpec

from ..small_runs import make_run, make_spec, store  # noqa: F401 - fixtures

CODE = criterion_of(BinaryCodeSpec(kind="binary_code"))


@pytest.mark.parametrize(("classes", "bits"), [(2, 1), (7, 3), (8, 3), (9, 4), (100, 7)])
def test_there_are_as_many_outputs_as_the_largest_index_has_bits(classes: int, bits: int) -> None:
    content = {"epochs": 1, "batch_size": 1, "optimizer": {"kind": "sgd", "learning_rate": 1}}
    assert ProtocolSpec.model_validate(content | {"loss": {"kind": "binary_code"}}).outputs(classes) == bits
    assert ProtocolSpec.model_validate(content).outputs(classes) == classes


def test_the_error_is_autograds_and_the_loss_that_of_the_bits() -> None:
    """Catches bits in another order for the loss than for its gradient: class 5 of 7 is 1, 0, 1 from the lowest."""
    logits = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    targets = torch.tensor([5, 0, 6, 3])
    bits = torch.tensor([[1, 0, 1], [0, 0, 0], [0, 1, 1], [1, 1, 0]], dtype=torch.float64)
    loss = CODE(logits, targets)
    expected = F.binary_cross_entropy_with_logits(logits, bits, reduction="none").sum(1)
    assert loss.item() == pytest.approx(expected.mean().item())
    assert CODE.per_example(logits, targets).tolist() == pytest.approx(expected.tolist())
    (gradient,) = torch.autograd.grad(loss, logits)
    found, error = CODE.loss_and_error(logits, targets)
    assert found.item() == pytest.approx(loss.item())
    assert torch.allclose(error, gradient)


def test_the_likeliest_class_is_predicted_and_never_a_code_of_none() -> None:
    """Catches 7, the code of no class of 7, predicted where all bits are on."""
    logits = torch.cat([torch.randn(20, 3), torch.tensor([[3.0, 2.0, 1.0]])])
    likelihoods = torch.stack([-CODE.per_example(logits, torch.full((21,), c)) for c in range(7)], 1)
    assert CODE.class_scores(logits, 7).argmax(1).tolist() == likelihoods.argmax(1).tolist()
    assert CODE.class_scores(logits, 7)[-1].argmax() == 3


@pytest.mark.parametrize("rule", ["backprop", "direct_feedback_alignment"])
def test_a_run_has_an_output_per_bit_and_learns_classes(
    make_spec: Callable[..., RunSpec],  # noqa: F811
    make_run: Callable[..., Run],  # noqa: F811
    rule: str,
) -> None:
    """Catches errors counted on bits: of 3 outputs none is class 4, and most of 7 classes would be wrong for ever."""
    network = {"architecture": {"layers": [{"kind": "dense", "units": 32}]}}
    protocol = {"epochs": 40, "loss": {"kind": "binary_code"}}
    record = make_run(make_spec(rule, protocol=protocol, **network)).execute()
    assert record.status == "completed", record.traceback
    one_per_class = make_run(make_spec(rule, protocol={"epochs": 1}, **network), fresh=True).execute()
    assert record.network
    assert one_per_class.network
    assert one_per_class.network.parameters - record.network.parameters == (7 - 3) * (32 + 1)
    assert record.epochs[-1].train
    assert record.epochs[-1].train.error < 0.3
