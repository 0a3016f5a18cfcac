"""Oracles: distances of all pairs, worked out by hand or by SciPy, and points whose clusters are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import brentq
from scipy.spatial.distance import pdist

from benchsuite.credit.batch import Batch
from benchsuite.diagnostics import cluster_quality as module
from benchsuite.diagnostics.cluster_quality import (
    ClusterQualityOfAuthors,
    ClusterQualityOfPaper,
    cluster_quality,
    embed,
    represented_by,
)
from benchsuite.networks.criterion import CrossEntropy

from .test_credit_spread import CONV, DENSE, NONNEGATIVE, batch_of

BOTH = ["paper", "authors"]


def test_four_points_by_hand():
    """Squared distances 4 and 16 within the classes, 100, 116, 64 and 80 between them: 380/6 overall."""
    points, labels = np.array([[0.0, 0.0], [2.0, 0.0], [10.0, 0.0], [10.0, 4.0]]), np.array([0, 0, 1, 1])
    assert cluster_quality(points, labels, "paper") == pytest.approx(1 - 10 / (380 / 6))
    assert cluster_quality(points, labels, "authors") == pytest.approx(1 - 3 / (380 / 6) ** 0.5)


@pytest.mark.parametrize("seed", range(4))
def test_it_is_that_of_all_pairs(seed):
    """Classes of different sizes, far from the origin: would catch a mean over points, or pairs with themselves."""
    rng = np.random.default_rng(seed)
    points, labels = rng.normal(1e3, 1, (40, 3)) * [1, 2, 3], rng.integers(0, 3, 40) * 5
    within = [(pdist(points[labels == c]) ** 2).mean() for c in (0, 5, 10)]
    overall = (pdist(points) ** 2).mean()
    assert cluster_quality(points, labels, "paper") == pytest.approx(1 - np.mean(within) / overall)
    assert cluster_quality(points, labels, "authors") == pytest.approx(1 - np.mean(np.sqrt(within)) / overall**0.5)


def test_the_two_formulas_differ_by_the_ratio_worked_out_from_the_authors_numbers():
    """Classes alike but for their place have paper = 1 - (1 - authors)²; 0.0784 → 0.2551 grows 1.67 times as far."""
    rng = np.random.default_rng(0)
    cloud, places = rng.normal(0, 1, (50, 2)), rng.normal(0, 1, (10, 2))
    labels = np.repeat(np.arange(10), 50)

    def points(apart: float) -> np.ndarray:
        return np.concatenate([cloud + apart * place for place in places])

    apart = [brentq(lambda d, q=q: cluster_quality(points(d), labels, "authors") - q, 0, 10) for q in (0.0784, 0.2551)]
    start, end = (cluster_quality(points(d), labels, "paper") for d in apart)
    assert end == pytest.approx(1 - (1 - 0.2551) ** 2)
    assert (end - start) / (0.2551 - 0.0784) == pytest.approx(1.67, abs=0.005)


@pytest.mark.parametrize("formula", BOTH)
def test_ends_of_the_scale(formula):
    corners, labels = np.array([[0.0, 0.0], [0.0, 0.0], [5.0, 1.0], [5.0, 1.0]]), np.array([0, 0, 1, 1])
    assert cluster_quality(corners, labels, formula) == 1
    rng = np.random.default_rng(1)
    assert cluster_quality(rng.normal(size=(4000, 2)), np.arange(4000) % 10, formula) == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("formula", BOTH)
def test_a_class_of_one_point_is_left_out_and_nothing_to_compare_is_undefined(formula):
    points = np.array([[0.0], [1.0], [9.0]])
    expected = {"paper": 1 - 1 / ((1 + 81 + 64) / 3), "authors": 1 - 1 / ((1 + 81 + 64) / 3) ** 0.5}
    assert cluster_quality(points, np.array([0, 0, 1]), formula) == pytest.approx(expected[formula])
    assert cluster_quality(points, np.array([0, 1, 2]), formula) is None
    assert cluster_quality(np.full((4, 2), 0.1), np.array([0, 0, 1, 1]), formula) is None
    assert cluster_quality(np.array([[np.nan], [1.0]]), np.array([0, 0]), formula) is None


def clusters(points: int = 90, dimensions: int = 700) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    labels = np.arange(points) % 3
    return rng.normal(0, 1, (points, dimensions)) + 10 * np.eye(3, dimensions)[labels], labels


def test_clusters_that_are_there_are_seen_and_the_picture_is_the_same_each_time():
    features, labels = clusters()
    points = embed(features)
    assert points.shape == (90, 2)
    assert cluster_quality(points, labels, "authors") > 0.5
    np.testing.assert_array_equal(embed(features), points)


def test_where_the_points_are_does_not_matter():
    """Centred before the projection: would catch a mean that takes the first component."""
    features, labels = clusters(60, 40)
    moved = cluster_quality(embed(features + 1000), labels, "authors")
    assert moved > 0.5


@pytest.mark.parametrize("shape", [(4, 3), (30, 1), (10, 700), (700, 5)])
def test_few_points_or_few_dimensions_are_no_obstacle(shape, monkeypatch):
    monkeypatch.setattr(module, "ITERATIONS", 250)
    points = embed(np.random.default_rng(0).normal(size=shape).astype(np.float32))
    assert points.shape == (shape[0], 2)
    assert np.isfinite(points).all()


def test_points_that_are_nearly_all_the_same_are_no_obstacle():
    features = np.zeros((30, 5), dtype=np.float32)
    features[0] = 1
    assert np.isfinite(embed(features)).all()


@pytest.mark.parametrize("features", [np.ones((30, 5)), np.full((30, 5), np.inf), np.eye(3)], ids=["same", "inf", "3"])
def test_nothing_to_embed_is_undefined(features):
    assert embed(features) is None


def test_the_features_go_through_the_papers_steps(monkeypatch):
    """The settings of its appendix K, held against what reaches scikit-learn."""
    import sklearn.manifold

    seen = {}

    class Spy(sklearn.manifold.TSNE):
        def fit_transform(self, components):
            seen.update(self.get_params(), components=components)
            return components[:, :2]

    monkeypatch.setattr(sklearn.manifold, "TSNE", Spy)
    features = np.random.default_rng(0).normal(5, 1, (650, 700))
    embed(features)
    assert seen["components"].shape == (650, 600)
    np.testing.assert_allclose(seen["components"].mean(0), 0, atol=1e-10)
    assert (seen["perplexity"], seen["learning_rate"], seen["max_iter"]) == (20, 100, 5000)
    assert seen["random_state"] is not None
    embed(features[:31])
    assert seen["perplexity"] == 10


@pytest.mark.parametrize("form", [None, NONNEGATIVE], ids=["ordinary", "vectorized"])
def test_what_is_embedded_is_the_last_segment_of_images_before_pooling(attach, form, monkeypatch):
    """Would catch the pre-activation, one component alone, the pooled image, or the last slice in the place of all."""
    rule, batch = attach("backprop", CONV, (2, 4, 4), form=form), batch_of(2, 4, 4, size=9)
    monkeypatch.setattr(module, "SLICE", 4)
    seen = []
    monkeypatch.setattr(module, "embed", lambda features: seen.append(features) or features[:, :2].astype(float))
    with rule.network.observed() as outputs:
        rule.network(batch.inputs)
    expected = outputs["conv1"].detach().flatten(1).numpy()
    found = {d.name: d().measure(rule, batch) for d in (ClusterQualityOfAuthors, ClusterQualityOfPaper)}
    np.testing.assert_allclose(seen[0], expected, rtol=1e-6, atol=1e-7)
    labels = batch.targets.numpy()
    for formula in BOTH:
        assert found[f"cluster_quality_{formula}"] == {"conv1": cluster_quality(seen[0][:, :2], labels, formula)}


def test_a_segment_may_be_asked_for_and_without_images_it_is_the_last_hidden_one(attach):
    network = attach("backprop", DENSE).network
    assert represented_by(network) == "dense2"
    assert represented_by(attach("backprop", []).network) is None
    assert ClusterQualityOfAuthors().measure(attach("backprop", []), batch_of(5)) == {}
    rule = attach("backprop", DENSE)
    assert list(ClusterQualityOfPaper("dense1").measure(rule, batch_of(5, size=20))) == ["dense1"]


def test_a_network_whose_units_are_all_off_has_none(attach):
    rule = attach("backprop", [{"kind": "dense", "units": 3}])
    rule.network.maps["dense1"].bias.data.fill_(-100)
    batch = Batch(torch.rand(9, 5).double(), torch.arange(9) % 2, CrossEntropy())
    assert ClusterQualityOfAuthors().measure(rule, batch) == {"dense1": None}
