"""Similarity of a locally connected segment's filters across positions."""

from __future__ import annotations

import torch
from torch import Tensor

from benchsuite.credit.batch import Batch
from benchsuite.credit.rule import Rule
from benchsuite.diagnostics.contract import Diagnostic, Measurement
from benchsuite.networks.maps.locally_connected import LocallyConnected2d
from benchsuite.registry import hookimpl

BENCHSUITE_CONTRACT = 1


def mean_pairwise_correlation(filters: Tensor) -> float | None:
    """Return the mean Pearson correlation of the filters at two positions, over all pairs of them and all channels.

    Args:
        filters: shape (positions, channels, fan_in).

    Returns:
        None with fewer than two positions, if a filter is constant, or if a weight is not finite.

    """
    positions = len(filters)
    exact = filters.double()
    centred = exact - exact.mean(2, keepdim=True)
    lengths = centred.norm(dim=2, keepdim=True)  # (positions, channels, 1)
    # The mean of equal numbers may differ from them by rounding; the difference would look like a direction.
    varies = (lengths > 1e-12 * exact.norm(dim=2, keepdim=True)) & lengths.isfinite()
    if positions < 2 or not bool(varies.all()):
        return None
    # The squared length of the sum of unit vectors is their number plus the cosines of all ordered pairs.
    summed = (centred / lengths).sum(0).square().sum(1)  # (channels,)
    return float(((summed - positions) / (positions * (positions - 1))).mean())


class FilterCorrelation(Diagnostic):
    """Similarity of one channel's filters across positions, where each learns apart (URFB paper, Fig. 8)."""

    name = "filter_correlation"
    summary = (
        "Pearson correlation between the filters of one channel at two positions, mean over all pairs of positions and "
        "all channels, in a locally connected segment: 1 is a convolution, 0 are filters that have nothing to do with "
        "each other. Only positions whose whole patch lies in the image; no data. Where all positions start from one "
        "filter (`replicated`), it starts at 1."
    )

    def measure(self, rule: Rule, batch: Batch) -> Measurement:
        """Return the correlation per locally connected segment."""
        shapes = {segment.name: segment.input_shape for segment in rule.network.shapes.segments}
        return {
            name: mean_pairwise_correlation(_inner_filters(each, *shapes[name][-2:]))
            for name, each in rule.network.maps.items()
            if isinstance(each, LocallyConnected2d)
        }


def _inner_filters(each: LocallyConnected2d, height: int, width: int) -> Tensor:
    """Return the filters of positions that see no padding: a weight on padding keeps its initial value for ever."""
    rows, columns = (_inner(each, n, size) for n, size in zip(each.output_size, (height, width), strict=True))
    weight = each.weight.detach()
    return weight[torch.outer(rows, columns).flatten().to(weight.device)]  # (inner positions, channels, fan_in)


def _inner(each: LocallyConnected2d, positions: int, size: int) -> Tensor:
    """Return, along one axis of the image, which positions have their whole patch within it."""
    starts = torch.arange(positions) * each.stride - each.padding
    return (starts >= 0) & (starts + each.kernel <= size)


@hookimpl
def benchsuite_diagnostics() -> list[type[Diagnostic]]:
    """Return the diagnostic of this module."""
    return [FilterCorrelation]
