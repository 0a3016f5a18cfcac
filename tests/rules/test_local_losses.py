"""Oracle: the paper's losses, written out on each layer's own graph in float64 and differentiated by autograd."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from benchsuite.credit.batch import Batch, BatchShard
from benchsuite.networks.architecture_shapes import shapes_of
from benchsuite.specs.models.architecture import ChainArchitecture
from benchsuite.testing import SAMPLE_NETWORKS, Trial
from benchsuite_rules.local_losses import LocalLosses

from .two_hidden import batch_at, plain, started


def _similarity(vectors):
    """Return the paper's S: cosines of centred vectors between all pairs of examples."""
    centred = vectors - vectors.mean(1, keepdim=True)
    norms = centred.square().sum(1).sqrt()
    return (centred @ centred.T) / (norms[:, None] * norms[None, :])


def _similarity_loss(vectors, targets):
    return (_similarity(vectors) - _similarity(torch.eye(4).double()[targets])).square().mean()


@pytest.mark.parametrize("loss", ["pred", "sim", "predsim"])
def test_each_layer_and_its_heads_descend_the_layers_own_losses(loss):
    """Catches credit that passes between layers, a similarity gradient of half the size, and exchanged β and 1 - β."""
    trial, batch = started(LocalLosses(LocalLosses.Config(loss=loss, similarity_weight=0.7))), batch_at()
    seen = plain(trial, batch.inputs, batch.targets)
    gradients = trial.gradients(batch)
    for name, inputs, activation in (("dense1", batch.inputs, torch.relu), ("dense2", seen.first, torch.tanh)):
        linear = trial.network.maps[name]
        h = activation(inputs @ linear.weight.T + linear.bias)
        parts, heads = {}, []
        if loss != "sim":
            classifier = trial.rule.classifiers[name]
            heads += [classifier.weight, classifier.bias]
            parts["pred"] = F.cross_entropy(h @ classifier.weight.T + classifier.bias, batch.targets)
        if loss != "pred":
            mapped = trial.rule.similarity_maps[name]
            heads.append(mapped.weight)
            parts["sim"] = _similarity_loss(h @ mapped.weight.T, batch.targets)
        whole = 0.3 * parts["pred"] + 0.7 * parts["sim"] if loss == "predsim" else parts[loss]
        weight, bias, *of_heads = torch.autograd.grad(whole, [linear.weight, linear.bias, *heads])
        torch.testing.assert_close(gradients[f"nodes.{name}.map.weight"], weight, rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(gradients[f"nodes.{name}.map.bias"], bias, rtol=1e-9, atol=1e-12)
        for head, gradient in zip(heads, of_heads, strict=True):
            torch.testing.assert_close(head.grad, gradient, rtol=1e-9, atol=1e-12)


def test_images_are_averaged_for_the_classifier_and_compared_by_the_spread_of_their_channels():
    """Catches a classifier of all positions, and similarities of channel means."""
    conv = next(sample for sample in SAMPLE_NETWORKS if sample.name == "conv")
    rule = LocalLosses(LocalLosses.Config(similarity_weight=0.7, classifier_inputs=100))
    trial, batch = Trial.start(rule, conv, dtype=torch.float64), conv.batch(0, dtype=torch.float64)
    linear = trial.network.maps["conv1"]
    h = torch.relu(F.conv2d(batch.inputs, linear.weight, linear.bias, padding=1))  # (batch, 6, 8, 8)
    pooled = h.view(-1, 6, 4, 2, 4, 2).mean((3, 5)).flatten(1)  # 96 numbers
    classifier, mapped = trial.rule.classifiers["conv1"], trial.rule.similarity_maps["conv1"]
    spread = F.conv2d(h, mapped.weight, padding=1).flatten(2).std(2)  # (batch, 6)
    pred = F.cross_entropy(pooled @ classifier.weight.T + classifier.bias, batch.targets)
    (expected,) = torch.autograd.grad(0.3 * pred + 0.7 * _similarity_loss(spread, batch.targets), [linear.weight])
    found = trial.gradients(batch)["nodes.conv1.map.weight"]
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


def test_two_ranks_compare_the_examples_of_the_whole_batch():
    """Catches similarities within a rank's own examples, which under torchrun would be another rule."""
    whole = batch_at()
    trial = started(LocalLosses(LocalLosses.Config(loss="sim")))
    expected = trial.gradients(whole)
    size, parts = len(whole.targets), {}

    def reduced(values):
        """Add the other rank's part, which a first round has noted in the same order."""
        noted.append(values)
        return values + other[len(noted) - 1] if other else values

    for rank, start in ((0, 0), (1, 4), (0, 0), (1, 4)):
        noted, other = [], parts.get(1 - rank, [])
        own = slice(0, 4) if rank == 0 else slice(4, size)
        shard = BatchShard(start=start, batch_size=size, all_reduce_sum=reduced)
        found = trial.gradients(Batch(whole.inputs[own], whole.targets[own], whole.criterion, shard))
        parts[rank] = noted
        if rank == 0:
            first = found
    for name in ("nodes.dense1.map.weight", "nodes.dense2.map.weight"):
        averaged = first[name] * 4 / size + found[name] * (size - 4) / size
        torch.testing.assert_close(averaged, expected[name], rtol=1e-9, atol=1e-12)


def test_images_too_large_for_the_classifier_are_averaged_as_far_as_they_must():
    """Catches windows that are one size too large, and a plan of another size than the classifier."""
    layers = [{"kind": "conv2d", "channels": 3, "kernel": 3, "padding": 1}]
    spec = {"kind": "chain", "name": "asked", "layers": layers}
    shapes = shapes_of(ChainArchitecture.model_validate(spec), (1, 7, 10), 4)
    for most, inputs in ((210, 3 * 7 * 10), (209, 3 * 4 * 10), (119, 3 * 4 * 5), (3, 3), (1, 3)):
        config = LocalLosses.Config(loss="pred", classifier_inputs=most)
        assert LocalLosses.credit_work(config, shapes).own_parameters == (inputs + 1) * 4
