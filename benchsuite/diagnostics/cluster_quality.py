"""Quality of the class clusters in a t-SNE of a segment's output."""

from __future__ import annotations

import random
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from benchsuite.credit.batch import Batch
from benchsuite.credit.rule import Rule
from benchsuite.diagnostics.contract import Diagnostic, Measurement
from benchsuite.networks.network import Network
from benchsuite.registry import hookimpl

BENCHSUITE_CONTRACT = 1

Formula = Literal["paper", "authors"]
Points = NDArray[np.floating[Any]]

PRINCIPAL_COMPONENTS = 600
PERPLEXITY = 20.0
LEARNING_RATE = 100.0
ITERATIONS = 5_000
LEAST_POINTS = 4
"""Gives a perplexity of 1, which is a third of the other points."""
SLICE = 250
"""Examples per forward pass: in the GEVB paper's networks the first convolution (128 channels, 10 components) takes
5 MB per example."""


def cluster_quality(points: Points, labels: NDArray[np.integer[Any]], formula: Formula) -> float | None:
    """Return one minus the ratio of distances within classes to those among all points: 0 for no clusters, at most 1.

    ``paper``: 1 - mean_c(S_c) / S, where S is the mean squared distance over pairs of all points, S_c over pairs of
    class c. ``authors``: 1 - mean_c(√S_c) / √S, which the paper's Fig. 3B was made with.

    Args:
        points: shape (points, dimensions).
        labels: class of each point, shape (points,).
        formula: ``paper`` or ``authors``.

    Returns:
        None if all points are equal, one is not finite, or no two share a class. Classes of one point are left out.

    Source: Clark et al. 2021, Fig. 3; the other formula from the authors' code.

    """
    exact = np.asarray(points, dtype=np.float64)
    classes = [exact[labels == label] for label in np.unique(labels)]
    within = np.array([_mean_squared_distance(members) for members in classes if len(members) > 1])
    if not len(within) or not np.isfinite(exact).all() or (exact == exact[0]).all():
        return None
    overall = _mean_squared_distance(exact)
    if formula == "authors":
        return float(1 - np.sqrt(within).mean() / np.sqrt(overall))
    return float(1 - within.mean() / overall)


def _mean_squared_distance(points: Points) -> float:
    # Over distinct pairs it is twice the summed variance with denominator n - 1, so no pairs are computed.
    return float(2 * points.var(axis=0, ddof=1).sum())


def embed(features: Points) -> Points | None:
    """Return a reproducible two-dimensional t-SNE of the features, shape (points, 2).

    The features are centred and projected on at most 600 principal components. The t-SNE has perplexity 20 (at most a
    third of the other points), learning rate 100 and at most 5,000 iterations from a fixed random start, as in Clark
    et al. 2021, appendix K. It is scikit-learn's instead of a GPU implementation.

    Args:
        features: shape (points, dimensions).

    Returns:
        None if all points are equal, one is not finite, or there are fewer than four.

    """
    if len(features) < LEAST_POINTS or not np.isfinite(features).all() or (features == features[0]).all():
        return None
    # scikit-learn's lazy imports draw from Python's global random stream, which must stay as it was.
    before = random.getstate()
    try:
        return _embedded(features)
    finally:
        random.setstate(before)


def _embedded(features: Points) -> Points:
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    components = PCA(min(PRINCIPAL_COMPONENTS, *features.shape), random_state=0).fit_transform(features)
    perplexity = min(PERPLEXITY, (len(features) - 1) / 3)
    options = {"perplexity": perplexity, "learning_rate": LEARNING_RATE, "max_iter": ITERATIONS}
    tsne = TSNE(**options, init="random", random_state=0)
    embedded: Points = tsne.fit_transform(components)
    return embedded


def represented_by(network: Network) -> str | None:
    """Return the last hidden segment whose output is an image, else the last hidden segment, else None."""
    hidden = network.shapes.segments[:-1]
    of_images = [segment for segment in hidden if len(segment.output_shape) > 1]
    candidates = of_images or hidden
    return candidates[-1].name if candidates else None


class _ClusterQuality(Diagnostic):
    only_at_ends = True
    formula: ClassVar[Formula]

    def __init__(self, segment: str | None = None) -> None:
        self.segment = segment

    def measure(self, rule: Rule, batch: Batch) -> Measurement:
        """Return the quality for one segment, by default the last with an image as output; None if undefined."""
        network = rule.network
        segment = self.segment or represented_by(network)
        if segment is None:
            return {}
        parts = []
        with torch.no_grad(), network.observed() as outputs:
            for inputs in torch.split(batch.inputs, SLICE):
                network(inputs)
                parts.append(outputs[segment].flatten(1).float().cpu())
        points = embed(torch.cat(parts).numpy())
        labels = batch.targets.cpu().numpy()
        return {segment: None if points is None else cluster_quality(points, labels, self.formula)}


class ClusterQualityOfAuthors(_ClusterQuality):
    """The quantity of the GEVB paper's Fig. 3B, which shows the difference between the end and the start."""

    name = "cluster_quality_authors"
    summary = (
        "One minus the ratio of root mean squared distances, within a class (averaged over classes) and among"
        " all, in a two-dimensional t-SNE (perplexity 20) of a fixed batch's activations, all components of "
        "all units, in the last segment of images, after its nonlinearity and before pooling. Before training"
        " and at the end only."
    )
    formula = "authors"


class ClusterQualityOfPaper(_ClusterQuality):
    """The quantity as the GEVB paper's text defines it; the paper gives no numbers for it."""

    name = "cluster_quality_paper"
    summary = (
        "One minus the ratio of mean squared distances, within a class (averaged over classes) and among all,"
        " in a two-dimensional t-SNE (perplexity 20) of a fixed batch's activations, all components of all "
        "units, in the last segment of images, after its nonlinearity and before pooling. Before training and"
        " at the end only."
    )
    formula = "paper"


@hookimpl
def benchsuite_diagnostics() -> list[type[Diagnostic]]:
    """Return the diagnostics of this module."""
    return [ClusterQualityOfAuthors, ClusterQualityOfPaper]
