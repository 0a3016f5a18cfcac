"""Oracle: NumPy's correlations of all pairs of filters, and networks whose filters are drawn together or apart."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch

from benchsuite.credit.batch import Batch
from benchsuite.diagnostics.filter_similarity import FilterCorrelation, mean_pairwise_correlation
from benchsuite.networks.criterion import CrossEntropy

NOTHING = Batch(torch.empty(0, 2, 6, 6), torch.empty(0, dtype=torch.int64), CrossEntropy())


def layers(replicated: bool) -> list[dict[str, object]]:
    local = {"kind": "locally_connected2d", "channels": 3, "kernel": 3, "padding": "same", "replicated": replicated}
    return [local, {"kind": "dense", "units": 4}]


def test_it_is_the_mean_over_all_pairs_of_positions_and_over_channels():
    """Catches pairs of a filter with itself, which would make independent filters look alike."""
    filters = np.random.default_rng(0).normal(size=(5, 2, 9)) + 3.0
    expected = np.mean(
        [np.corrcoef(filters[i, c], filters[j, c])[0, 1] for c in range(2) for i, j in combinations(range(5), 2)]
    )
    assert mean_pairwise_correlation(torch.from_numpy(filters)) == pytest.approx(expected)


def test_filters_start_alike_where_one_is_drawn_for_all_positions(attach):
    one, apart = (FilterCorrelation().measure(attach("backprop", layers(r), (2, 6, 6)), NOTHING) for r in (True, False))
    assert one == {"local1": pytest.approx(1)}
    assert abs(apart["local1"]) < 0.1


def test_positions_at_the_border_do_not_count(attach):
    """Catches weights on padding, which no data ever change, taken for learned ones that stayed alike."""
    rule = attach("backprop", layers(False), (2, 6, 6))
    weight = rule.network.maps["local1"].weight
    before = FilterCorrelation().measure(rule, NOTHING)
    with torch.no_grad():
        border = torch.ones(6, 6, dtype=torch.bool)
        border[1:-1, 1:-1] = False
        weight[border.flatten()] = weight[0].clone()
    assert FilterCorrelation().measure(rule, NOTHING) == before


def test_what_has_no_direction_has_no_correlation():
    assert mean_pairwise_correlation(torch.ones(3, 1, 4)) is None
    assert mean_pairwise_correlation(torch.randn(1, 1, 4)) is None
    assert mean_pairwise_correlation(torch.tensor([[[1.0, 2.0]], [[float("nan"), 2.0]]])) is None
