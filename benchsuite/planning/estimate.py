"""Parameters, floating-point operations and memory of a run, from its outline alone."""

from __future__ import annotations

import math
from dataclasses import dataclass

from benchsuite.network.outline import ArchitectureOutline
from benchsuite.rule import RuleTraits
from benchsuite.spec.protocol import ProtocolSpec, Sgd

BYTES_PER_NUMBER = 4


@dataclass(frozen=True)
class Estimate:
    """What one run would take; a plan, not a measurement."""

    parameters: int
    flops_per_step: float
    """Of forward, credit and weight gradients; a multiply and an add count as two."""
    flops_total: float
    """Over all epochs, evaluation left out."""
    memory_mib: float
    """Data, weights, gradients, optimizer state, feedback and one batch's activations, all resident at once."""


def estimate(
    outline: ArchitectureOutline,
    traits: RuleTraits,
    protocol: ProtocolSpec,
    train_examples: int,
    data_bytes: int,
    processes: int = 1,
) -> Estimate:
    """Estimate one run.

    Args:
        outline: the network on paper.
        traits: of the rule; says which products it makes, and whether the optimizer has its feedback weights too.
        protocol: batch size, epochs and optimizer.
        train_examples: how many there are.
        data_bytes: size of the data set as it lies on the device.
        processes: how many share each batch, a device each; memory is one device's.

    """
    forward = sum(s.multiply_adds for s in outline.segments)
    hidden_units = sum(s.units for s in outline.segments[:-1])
    if traits.mechanism == "replaced_feedback":
        upstream = outline.upstream
        credit = sum(s.multiply_adds for s in outline.segments if upstream[s.name])
        exact = traits.hidden_update_is_backprop
        feedback = 0 if exact else sum(s.parameters for s in outline.segments if upstream[s.name])
    else:
        credit = outline.classes * hidden_units
        feedback = outline.classes * hidden_units
    batch = min(protocol.batch_size, train_examples)
    per_step = 2.0 * batch * (2 * forward + credit)
    steps = protocol.epochs * math.ceil(train_examples / batch)
    copies = _optimizer_copies(protocol)
    activations = math.ceil(batch / processes) * (
        math.prod(outline.input_shape) + 2 * sum(s.units for s in outline.segments)
    )
    # A feedback weight that learns has moments of its own; its gradient is the forward weight's tensor.
    feedback *= 1 + copies * traits.learns_feedback
    numbers = outline.parameters * (2 + copies) + feedback + activations
    return Estimate(
        parameters=outline.parameters,
        flops_per_step=per_step,
        flops_total=per_step * steps,
        memory_mib=(numbers * BYTES_PER_NUMBER + data_bytes) / 2**20,
    )


def hours(flops: float, tflops: float, processes: int = 1) -> float:
    """Return how long so many operations take on devices that sustain ``tflops`` each, evaluation left out."""
    return flops / (tflops * 1e12 * processes) / 3600


def _optimizer_copies(protocol: ProtocolSpec) -> int:
    optimizer = protocol.optimizer
    if isinstance(optimizer, Sgd):
        return 1 if optimizer.momentum else 0
    return 2
