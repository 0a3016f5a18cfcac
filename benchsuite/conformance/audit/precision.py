"""Compare a rule's update, in the number format of a run, with the same update in float64.

The reference has the same weights, feedback weights and random numbers, and works the credit out as exactly as the rule
can (``Rule.reference_config``). How far the reference itself is decided by rounding is measured too: its weights and
inputs are changed by one rounding, which changes every later rounding.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from benchsuite.conformance.audit.trait_test import relative_change
from benchsuite.credit.batch import Batch
from benchsuite.credit.rule import Rule
from benchsuite.diagnostics.observe import assigned_gradients
from benchsuite.networks.network import Network
from benchsuite.networks.tf32 import without_tf32
from benchsuite.records.audit import SegmentPrecision

THRESHOLD = 0.1
"""Relative difference above which the number format counts as deciding an update; as an angle, about six degrees."""


@dataclass(frozen=True)
class PrecisionMeasurement:
    """Differences of one update from its reference.

    Attributes:
        segments: one entry per segment with a gradient, in forward order.
        uncertainty: largest relative change of a segment's reference under one rounding of weights and inputs.

    """

    segments: tuple[SegmentPrecision, ...]
    uncertainty: float


def measure_precision(rule: Rule, reference: Rule, batch: Batch) -> PrecisionMeasurement:
    """Compare a rule's gradients with those of its reference, per segment.

    Args:
        rule: attached, on its device, with the weights to compare at. Neither it nor its network changes.
        reference: the same rule, with its reference config, attached to another network of the same kind on the same
            device. It and its network get the other's state, and are in float64 and in evaluation mode afterwards.
        batch: on that device.

    """
    with _evaluated(rule):
        found = _by_segment(rule.network, assigned_gradients(rule, batch))
    network = reference.network
    network.load_state_dict(rule.network.state_dict())
    reference.load_state_dict(rule.state_dict())
    network.autocast_dtype = None
    for module in (network, reference):
        module.double().eval()
    wide = replace(batch, inputs=batch.inputs.double())
    with without_tf32():
        exact = _by_segment(network, assigned_gradients(reference, wide))
        _round_once(network)
        again = _by_segment(network, assigned_gradients(reference, replace(wide, inputs=_rounded(wide.inputs, 0))))
    uncertainty = max((_difference(again[name], exact[name]) for name in exact), default=0.0)
    return PrecisionMeasurement(
        tuple(
            _compared(name, found[name], exact[name]) for name in network.segments if name in exact and name in found
        ),
        uncertainty,
    )


def _by_segment(network: Network, gradients: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return each segment's gradients as one vector in float64; those without any are left out."""
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    found = {}
    for segment, module in network.segments.items():
        own = [gradients[name] for p in module.parameters() if (name := names[id(p)]) in gradients]
        if own:
            found[segment] = torch.cat([gradient.detach().double().flatten() for gradient in own])
    return found


def _compared(segment: str, own: Tensor, exact: Tensor) -> SegmentPrecision:
    return SegmentPrecision(
        segment=segment, relative_difference=_difference(own, exact), angle_deg=_angle_deg(own, exact)
    )


def _difference(own: Tensor, exact: Tensor) -> float:
    """Return the norm of the difference as a multiple of the larger norm; 2, the largest value, if it is not finite."""
    found = relative_change(float(exact.norm()), float(own.norm()), float((own - exact).norm()))
    return found if math.isfinite(found) else 2.0


def _angle_deg(own: Tensor, exact: Tensor) -> float | None:
    """Return the angle from both chords, since the arc cosine knows nothing below 1e-6 degrees; None without one."""
    norms = own.norm(), exact.norm()
    if not all(bool(norm > 0) and bool(norm.isfinite()) for norm in norms):
        return None
    one, other = own / norms[0], exact / norms[1]
    return float(torch.rad2deg(2 * torch.atan2((one - other).norm(), (one + other).norm())))


@torch.no_grad()
def _round_once(network: Network) -> None:
    for seed, parameter in enumerate(network.parameters(), start=1):
        parameter.copy_(_rounded(parameter, seed))


def _rounded(values: Tensor, seed: int) -> Tensor:
    """Return values that are up to one rounding away."""
    noise = torch.rand(values.shape, dtype=values.dtype, generator=torch.Generator().manual_seed(seed))
    step = noise.sub_(0.5).mul_(2 * torch.finfo(values.dtype).eps).to(values.device)
    return values + values * step


@contextmanager
def _evaluated(rule: Rule) -> Iterator[None]:
    """Put a rule and its network into evaluation mode within the block."""
    modules: tuple[nn.Module, ...] = (rule, rule.network)
    modes = [module.training for module in modules]
    for module in modules:
        module.eval()
    try:
        yield
    finally:
        for module, mode in zip(modules, modes, strict=True):
            module.train(mode)
