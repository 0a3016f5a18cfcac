"""Roofline of a training step: the least time for its operations and its bytes at the device's measured limits."""

from __future__ import annotations

import math
from collections.abc import Iterable

from benchsuite.execution.estimate import BYTES_PER_NUMBER, estimate
from benchsuite.networks.shapes.network_shapes import NetworkShapes
from benchsuite.records.selftest import Roof, Row
from benchsuite.registry.manager import Registry
from benchsuite.results.model import BASELINE_RULE
from benchsuite.specs.models.protocol import ProtocolSpec

WEIGHT_TRIPS = 10
"""Times that each weight, or a number that belongs to it, is read or written: weights are read forward and backward,
gradients written and read, and the optimizer reads and writes a weight and its two moments."""

UNIT_TRIPS = 5
"""The same of each unit's output: written, read by the next segment and by its weight gradient; its credit is written
and read."""


def roofline_ms(
    shapes: NetworkShapes, protocol: ProtocolSpec, registry: Registry, precision: str, rows: Iterable[Row]
) -> float | None:
    """Return the least time of the baseline's step in milliseconds; None if the limits were not measured.

    Args:
        shapes: of the network.
        protocol: batch size and optimizer.
        registry: provides the baseline.
        precision: of matrix products.
        rows: of the parts before, among them the limits.

    """
    limits = {(row.operation, row.precision): row.rate for row in rows if isinstance(row, Roof)}
    product, copy = limits.get(("matrix product", precision)), limits.get(("copy", "fp32"))
    if product is None or copy is None:
        return None
    rule = registry.rule(BASELINE_RULE)
    config = registry.validated_config(BASELINE_RULE, {})
    flops = estimate(shapes, rule, config, protocol, protocol.batch_size, 0).flops_per_step
    inputs = math.prod(shapes.input_shape)
    of_batch = inputs + UNIT_TRIPS * sum(segment.units for segment in shapes.segments)
    numbers = WEIGHT_TRIPS * shapes.parameters + protocol.batch_size * of_batch
    return max(flops / (product * 1e9), numbers * BYTES_PER_NUMBER / (copy * 1e9)) * 1000
