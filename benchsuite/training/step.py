"""One training step, the same wherever a network trains: in a run, a study, the conformance kit and the audits."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import torch
from torch import Tensor

from benchsuite.credit.batch import Batch, StepResult
from benchsuite.credit.rule import Rule
from benchsuite.errors import PluginError
from benchsuite.networks.network import Network
from benchsuite.specs.models.protocol import OrthogonalitySpec
from benchsuite.training.optimization import match_gradient_layouts
from benchsuite.training.orthogonality import add_orthogonality_gradients

Averaging = Callable[[Batch], AbstractContextManager[None]]
"""Returns a context manager around the rule's work on one rank's part of a batch; when it exits, gradients are those of
the whole batch, on every rank."""


def training_step(
    network: Network,
    rule: Rule,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    *,
    orthogonality: OrthogonalitySpec | None = None,
    averaging: Averaging | None = None,
) -> StepResult:
    """Take one training step: the rule sets gradients, the optimizer updates weights, the rule's ``after_update`` runs.

    Reads no tensor's value on the host, so that the step can be captured in a CUDA graph.

    Args:
        network: in training mode.
        rule: attached to it.
        optimizer: of the network's parameters and the feedback weights that the rule learns.
        batch: inputs (batch, *input_shape) and targets (batch,), in the weights' memory format.
        orthogonality: the protocol's penalty; None for none.
        averaging: averages gradients over ranks that share the batch; None for one process.

    Returns:
        Loss (scalar) and logits (batch, classes) of the forward pass, before the update.

    """
    result = compute_gradients(network, rule, optimizer, batch, orthogonality=orthogonality, averaging=averaging)
    update_weights(network, optimizer)
    rule.after_update()
    return result


def compute_gradients(
    network: Network,
    rule: Rule,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    *,
    orthogonality: OrthogonalitySpec | None = None,
    averaging: Averaging | None = None,
) -> StepResult:
    """Clear gradients, then compute those of one step: the first half of ``training_step``, with the same arguments."""
    optimizer.zero_grad(set_to_none=True)
    if averaging is None:
        result = rule.assign_credit(batch)
    else:
        with averaging(batch):
            result = rule.assign_credit(batch)
    _check_result(result, rule, batch)
    if orthogonality is not None:
        add_orthogonality_gradients(network, orthogonality)
    return result


def _check_result(result: object, rule: Rule, batch: Batch) -> None:
    """Raise PluginError unless a rule's step gave a loss and a row of logits per example; no value is read."""
    fault = _fault(result, len(batch.targets))
    if fault is not None:
        expected = (
            f"StepResult(loss, logits): a scalar, and logits of shape (batch, classes), here ({len(batch.targets)}, …)"
        )
        raise PluginError(f"rule '{rule.name}': assign_credit returned {fault}; expected {expected}")


def _fault(result: object, examples: int) -> str | None:
    if not isinstance(result, StepResult):
        return type(result).__name__
    parts: tuple[tuple[str, object, int], ...] = (("loss", result.loss, 0), ("logits", result.logits, 2))
    for part, value, dimensions in parts:
        if not isinstance(value, Tensor):
            return f"{value!r} as {part}"
        if value.ndim != dimensions or (dimensions and len(value) != examples):
            return f"{part} of shape {tuple(value.shape)}"
    return None


def update_weights(network: Network, optimizer: torch.optim.Optimizer) -> None:
    """Step the optimizer and apply the constraints on weights: the second half of ``training_step``."""
    match_gradient_layouts(weight for group in optimizer.param_groups for weight in group["params"])
    optimizer.step()
    network.constrain()
