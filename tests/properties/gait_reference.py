"""An independent reference of target propagation and GAIT-prop in NumPy float64, as their published code has them.

Nothing here imports torch or benchsuite. Row vectors, ``h = x W + b`` with W of shape (inputs, outputs), inverted by an
explicit inverse; a convolution is that on every patch, its inverse written patch by patch and pixel by pixel. Layers
may pass on fewer outputs than they have; the others come back from the forward pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Gamma = Callable[[Array], Array]
"""Output less target, one row an example, to γ of each example."""


@dataclass(frozen=True)
class SquareLayer:
    """One layer: ``f(x W + b)`` with f(h) = h above zero and slope·h below.

    Attributes:
        weights: square, shape (inputs, outputs).
        slope: of f below zero; 1 for the identity.
        passes: how many outputs (channels) the next layer gets.
        kernel: None for a dense layer.

    """

    weights: Array
    bias: Array
    slope: float
    passes: int
    kernel: int | None = None
    stride: int = 1
    padding: int = 0

    def f(self, h: Array) -> Array:
        return np.where(h > 0, h, self.slope * h)

    def inverse_of_f(self, a: Array) -> Array:
        return np.where(a > 0, a, a / self.slope)

    def derivative(self, a: Array) -> Array:
        return np.where(a > 0, 1.0, self.slope)

    def corners(self, size: Sequence[int]) -> list[tuple[int, int]]:
        ends = [n + 2 * self.padding - (self.kernel or 1) for n in size]
        return [(i, j) for i in range(0, ends[0] + 1, self.stride) for j in range(0, ends[1] + 1, self.stride)]

    def rows(self, x: Array) -> Array:
        """Return what W is applied to: the examples, or every patch of them, shape (batch, places, inputs)."""
        if self.kernel is None:
            return x.reshape(len(x), 1, -1)
        edge = [(0, 0), (0, 0), (self.padding,) * 2, (self.padding,) * 2]
        padded, k = np.pad(x, edge), self.kernel
        return np.stack(
            [padded[:, :, i : i + k, j : j + k].reshape(len(x), -1) for i, j in self.corners(x.shape[2:])], 1
        )

    def shaped(self, rows: Array, x: Array) -> Array:
        """Return rows of outputs, (batch, places, outputs), as the layer gives them."""
        if self.kernel is None:
            return rows[:, 0]
        height = len({i for i, _ in self.corners(x.shape[2:])})
        return rows.transpose(0, 2, 1).reshape(len(x), rows.shape[2], height, -1)

    def as_rows(self, a: Array) -> Array:
        return a.reshape(len(a), a.shape[1], -1).transpose(0, 2, 1)

    def forward(self, x: Array) -> Array:
        return self.f(self.shaped(self.rows(x) @ self.weights + self.bias, x))

    def invert(self, a: Array, x: Array) -> Array:
        """Return the inputs for outputs ``a``; ``x`` is the forward input, for pixels that patches share."""
        rows = (self.as_rows(self.inverse_of_f(a)) - self.bias) @ np.linalg.inv(self.weights)
        if self.kernel is None:
            return rows[:, 0].reshape(x.shape)
        batch, channels, height, width = x.shape
        p, k = self.padding, self.kernel
        total = np.zeros((batch, channels, height + 2 * p, width + 2 * p))
        covered = np.zeros(total.shape[2:])
        for place, (i, j) in enumerate(self.corners((height, width))):
            total[:, :, i : i + k, j : j + k] += rows[:, place].reshape(batch, channels, k, k)
            covered[i : i + k, j : j + k] += 1
        inner = np.s_[p : p + height, p : p + width]
        return total[:, :, *inner] - (covered[inner] - 1) * x


def target_gradients(
    layers: Sequence[SquareLayer], data: Array, output_target: Callable[[Array], Array], gamma: Gamma | None
) -> list[tuple[Array, Array]]:
    """Return each layer's (dW, db), batch means, by GAIT-prop with this γ, or by target propagation if it is None.

    Args:
        layers: from the data up.
        data: one row or image an example.
        output_target: the last layer's outputs to their targets.
        gamma: fixed, or dependent on how far outputs and targets are apart.

    """
    gradients = []
    for layer, x, a, difference, factor in _descent(layers, data, output_target, gamma):
        error = layer.as_rows(factor.reshape(-1, *[1] * (a.ndim - 1)) * difference * layer.derivative(a))
        weights = np.einsum("bpi,bpo->io", layer.rows(x), error)
        gradients.append((weights / len(data), error.sum((0, 1)) / len(data)))
    return gradients[::-1]


def target_differences(
    layers: Sequence[SquareLayer], data: Array, output_target: Callable[[Array], Array], gamma: Gamma | None
) -> list[tuple[Array, Array]]:
    """Return each layer's output and that less its target; arguments as above."""
    return [(a, difference) for _, _, a, difference, _ in _descent(layers, data, output_target, gamma)][::-1]


def _descent(
    layers: Sequence[SquareLayer], data: Array, output_target: Callable[[Array], Array], gamma: Gamma | None
) -> Iterator[tuple[SquareLayer, Array, Array, Array, Array]]:
    """Yield (layer, input, output, output less target, what was divided out of that) from the last layer down."""
    inputs, outputs = [], []
    x = data
    for layer in layers:
        if layer.kernel is None:
            x = x.reshape(len(x), -1)
        inputs.append(x)
        outputs.append(layer.forward(x))
        x = outputs[-1][:, : layer.passes]
    target = output_target(outputs[-1])
    factor = np.ones(len(data))
    for position in range(len(layers) - 1, -1, -1):
        layer, a = layers[position], outputs[position]
        each = (-1, *[1] * (a.ndim - 1))
        difference = a - target
        yield layer, inputs[position], a, difference, factor
        if position == 0:
            break
        step = difference
        if gamma is not None:
            size = gamma(difference.reshape(len(data), -1))
            step = size.reshape(each) * layer.derivative(a) ** 2 * difference
            factor = factor / size
        below = outputs[position - 1]
        found = layer.invert(a - step, inputs[position])
        passed = found.reshape(len(data), layers[position - 1].passes, *below.shape[2:])
        target = np.concatenate([passed, below[:, layers[position - 1].passes :]], 1)


def one_hot_target(classes: int, labels: Array) -> Callable[[Array], Array]:
    """Return the squared error's targets: 0 and 1 at the classes, their own activity at other outputs."""

    def target(a: Array) -> Array:
        chosen = a.copy()
        chosen[:, :classes] = np.eye(classes)[labels]
        return chosen

    return target


def softmax_target(classes: int, labels: Array) -> Callable[[Array], Array]:
    """Return the cross-entropy's targets: an activation less its softmax's error."""

    def target(a: Array) -> Array:
        chosen = a.copy()
        exponentials = np.exp(a[:, :classes] - a[:, :classes].max(1, keepdims=True))
        chosen[:, :classes] -= exponentials / exponentials.sum(1, keepdims=True) - np.eye(classes)[labels]
        return chosen

    return target
