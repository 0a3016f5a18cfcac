"""Estimate a run's parameters, floating-point operations and memory from shapes alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields
from numbers import Real

from benchsuite.credit.rule import Rule, RuleConfig
from benchsuite.credit.work import CreditWork
from benchsuite.errors import PluginError
from benchsuite.execution.planned_run import Estimate
from benchsuite.networks.shapes.frozen import learning_segments
from benchsuite.networks.shapes.network_shapes import NetworkShapes, SegmentShapes
from benchsuite.specs.models.protocol import ProtocolSpec, Sgd
from benchsuite.training.stages import single_stages

BYTES_PER_NUMBER = 4
"""Bytes of a number under fp32, and under tf32 and bf16, whose weights stay fp32; fp64 takes twice as many."""


def estimate(
    shapes: NetworkShapes,
    rule: type[Rule],
    config: RuleConfig,
    protocol: ProtocolSpec,
    train_examples: int,
    data_bytes: int,
    processes: int = 1,
    bytes_per_number: int = BYTES_PER_NUMBER,
) -> Estimate:
    """Estimate one run.

    Args:
        shapes: shapes of the network.
        rule: gives the work of its credit, and if the optimizer also updates its feedback weights.
        config: of the rule, validated.
        protocol: batch size, epochs and optimizer.
        train_examples: number of training examples.
        data_bytes: size of the data set on the device.
        processes: number of processes that share each batch, one device each; memory is that of one device.
        bytes_per_number: size of a weight or an activation.

    Raises:
        PluginError: if the rule's ``credit_work`` fails, or returns no numbers from zero up.

    """
    forward = sum(s.macs for s in shapes.segments)
    credit = _credit_work(rule, config, shapes)
    trained = shapes.segments if rule.traits.trains_hidden else shapes.segments[-1:]
    batch = min(protocol.batch_size, train_examples)
    per_step = 0.0
    for learning, share in _stages(shapes, protocol):
        changed = [s for s in trained if learning is None or s.name in learning]
        of_batch = batch * (forward + sum(s.macs for s in changed) + credit.per_example + batch * credit.per_pair)
        per_step += share * 2.0 * (of_batch + credit.per_step + _penalty(shapes, changed, protocol))
    steps = protocol.epochs * protocol.steps_per_epoch(train_examples)
    copies = _optimizer_copies(protocol)
    activations = math.prod(shapes.input_shape) + 2 * sum(s.units for s in shapes.segments)
    # A learned feedback weight has its own momentum or moments in the optimizer.
    feedback = credit.state_numel * (1 + copies * rule.traits.learns_feedback)
    numbers = (shapes.parameters + credit.own_parameters) * (2 + copies) + feedback + credit.workspace_numel
    numbers += math.ceil(batch / processes) * (activations + credit.workspace_numel_per_example)
    return Estimate(
        parameters=shapes.parameters,
        own_parameters=round(credit.own_parameters),
        flops_per_step=per_step,
        flops_total=per_step * steps,
        memory_mib=(numbers * bytes_per_number + data_bytes) / 2**20,
    )


def _stages(shapes: NetworkShapes, protocol: ProtocolSpec) -> list[tuple[tuple[str, ...] | None, float]]:
    """Return, for each stage, the segments that learn (None for all) and its share of the epochs."""
    learning = learning_segments(protocol, shapes) or (None,)
    return [(names, share) for names, (_, share, _) in zip(learning, single_stages(protocol), strict=True)]


def _credit_work(rule: type[Rule], config: RuleConfig, shapes: NetworkShapes) -> CreditWork:
    try:
        found = rule.credit_work(config, shapes)
    except (Exception, SystemExit) as error:
        raise PluginError(f"credit_work of {rule.name} failed: {type(error).__name__}: {error}") from error
    if not isinstance(found, CreditWork):
        raise PluginError(f"credit_work of {rule.name} returned {type(found).__name__}, expected CreditWork")
    numbers = {each.name: getattr(found, each.name) for each in fields(found)}
    wrong = [f"{name} = {number!r}" for name, number in numbers.items() if not _is_amount(number)]
    if wrong:
        raise PluginError(f"credit_work of {rule.name} returned {', '.join(wrong)}, expected numbers from zero up")
    return found


def _is_amount(number: object) -> bool:
    return isinstance(number, Real) and 0 <= float(number) < math.inf


def _penalty(shapes: NetworkShapes, trained: Sequence[SegmentShapes], protocol: ProtocolSpec) -> float:
    """Return the macs of the orthogonality penalty's gradient: two matrix products per penalised matrix."""
    if protocol.orthogonality is None:
        return 0.0
    of_all = protocol.orthogonality.maps == "all"
    sizes = [s.output_shape[0] for s in trained if of_all or shapes.upstream[s.name]]
    return sum(2.0 * size**3 for size in sizes)


def _optimizer_copies(protocol: ProtocolSpec) -> int:
    optimizers = [protocol.optimizer, *(stage.optimizer for stage in protocol.stages if stage.optimizer)]
    return max((1 if each.momentum else 0) if isinstance(each, Sgd) else 2 for each in optimizers)
