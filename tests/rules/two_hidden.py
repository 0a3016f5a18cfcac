"""A network of two hidden layers in float64, and its forward pass written out with plain tensors."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from benchsuite.testing import SAMPLE_NETWORKS, Trial

TWO_HIDDEN = next(sample for sample in SAMPLE_NETWORKS if sample.name == "dense")
"""20 inputs, 16 units of relu, 12 of tanh, 4 classes."""


class Plain(NamedTuple):
    """Weights, and the pass of a batch: activities after each layer, and softmax minus target per example."""

    weights: list[Tensor]
    biases: list[Tensor]
    first: Tensor
    second: Tensor
    logits: Tensor
    error: Tensor


def started(rule):
    return Trial.start(rule, TWO_HIDDEN, dtype=torch.float64)


def batch_at(position=0):
    return TWO_HIDDEN.batch(position, dtype=torch.float64)


def plain(trial, inputs, targets) -> Plain:
    maps = [trial.network.maps[name] for name in ("dense1", "dense2", "readout")]
    weights, biases = [m.weight.detach().clone() for m in maps], [m.bias.detach().clone() for m in maps]
    first = (inputs @ weights[0].T + biases[0]).clamp(min=0)
    second = torch.tanh(first @ weights[1].T + biases[1])
    logits = second @ weights[2].T + biases[2]
    return Plain(weights, biases, first, second, logits, logits.softmax(1) - torch.eye(4).double()[targets])


def assert_layers(gradients, expected):
    """Compare the gradients of each layer's weight and bias with the expected pairs, in forward order."""
    for name, (weight, bias) in zip(("dense1", "dense2", "readout"), expected, strict=True):
        torch.testing.assert_close(gradients[f"nodes.{name}.map.weight"], weight, rtol=1e-10, atol=1e-13)
        torch.testing.assert_close(gradients[f"nodes.{name}.map.bias"], bias, rtol=1e-10, atol=1e-13)
