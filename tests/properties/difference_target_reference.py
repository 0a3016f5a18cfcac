"""An independent reference of difference target propagation in NumPy float64, algorithm 1 of Lee et al. 2015.

Nothing here imports torch or benchsuite. Row vectors; layer l is ``f(x Wᵀ + b)``, its decoder ``s(h V + c)`` with V of
W's shape and s the nonlinearity of the layer below. The last layer is linear and has the loss.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Function = Callable[[Array], Array]

FUNCTIONS: dict[str, tuple[Function, Function]] = {
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0).astype(float)),
    "leaky_relu": (lambda z: np.where(z > 0, z, 0.01 * z), lambda z: np.where(z > 0, 1.0, 0.01)),
    "softplus": (lambda z: np.logaddexp(z, 0), lambda z: 1 / (1 + np.exp(-z))),
    "identity": (lambda z: z, np.ones_like),
}
"""By name: the function and its derivative."""


@dataclass(frozen=True)
class Layer:
    """One layer and its decoder; the first layer has none."""

    weights: Array
    bias: Array
    function: str
    decoder: Array | None = None
    offset: Array | None = None
    noise: Array | None = None
    """On the layer's input, while its decoder learns."""


@dataclass(frozen=True)
class Gradients:
    """Result of one layer: forward weight and bias, decoder and offset, and how far its target is."""

    weights: Array
    bias: Array
    decoder: Array | None
    offset: Array | None
    difference: Array | None


def difference_target_step(
    layers: Sequence[Layer], data: Array, error: Callable[[Array], Array], step: float, from_readout: bool
) -> list[Gradients]:
    """Return the gradients of one step, layer by layer from the data.

    Args:
        layers: from the data up, the readout last.
        data: one row an example.
        error: logits to each example's own gradient of its loss, not divided by the batch.
        step: how far along the gradient the first target is; differences are divided by it in gradients.
        from_readout: whether the readout has the first target, and a decoder; else the layer below it.

    """
    inputs, sums, outputs = [], [], []
    x = data
    for layer in layers:
        inputs.append(x)
        sums.append(x @ layer.weights.T + layer.bias)
        x = FUNCTIONS[layer.function][0](sums[-1])
        outputs.append(x)
    count, last = len(data), len(layers) - 1
    at_output = error(outputs[last])
    targets: dict[int, Array] = {}
    if from_readout:
        targets[last] = outputs[last] - step * at_output
    else:
        targets[last - 1] = outputs[last - 1] - step * at_output @ layers[last].weights
    for above in range(max(targets), 0, -1):
        decoded, decoded_target = (_decode(layers, above, h)[1] for h in (outputs[above], targets[above]))
        targets[above - 1] = inputs[above] - decoded + decoded_target
    found = []
    for place, layer in enumerate(layers):
        if place == last:
            credit = at_output
        else:
            credit = (outputs[place] - targets[place]) / step * FUNCTIONS[layer.function][1](sums[place])
        decoder, offset = _reconstruct(layers, place, inputs[place])
        difference = outputs[place] - targets[place] if place in targets else None
        found.append(Gradients(credit.T @ inputs[place] / count, credit.mean(0), decoder, offset, difference))
    return found


def _decode(layers: Sequence[Layer], place: int, h: Array) -> tuple[Array, Array]:
    z = h @ layers[place].decoder + layers[place].offset
    return z, FUNCTIONS[layers[place - 1].function][0](z)


def _reconstruct(layers: Sequence[Layer], place: int, x: Array) -> tuple[Array | None, Array | None]:
    """Return the gradients of the mean over examples of ½|g(f(x + noise)) - (x + noise)|² by V and c."""
    layer = layers[place]
    if layer.decoder is None:
        return None, None
    noisy = x if layer.noise is None else x + layer.noise
    h = FUNCTIONS[layer.function][0](noisy @ layer.weights.T + layer.bias)
    z, r = _decode(layers, place, h)
    at_sum = (r - noisy) * FUNCTIONS[layers[place - 1].function][1](z)
    return h.T @ at_sum / len(x), at_sum.mean(0)
