"""An independent reference in NumPy float64: forward passes and gradients written by hand.

Nothing here imports torch or benchsuite. Dense maps are matrix products; convolutions are loops over the kernel's
offsets and the groups; pooling loops over output positions; batch normalisation and every nonlinearity carry their
derivative written out. ``test_reference.py`` holds this file itself against central differences.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

Array = NDArray[np.float64]

NORM_EPSILON = 1e-5
LEAK = 0.01


def _sigmoid(h: Array) -> Array:
    return 1 / (1 + np.exp(-h))


def _gauss_cumulative(h: Array) -> Array:
    return 0.5 * (1 + erf(h / np.sqrt(2)))


def _gate(h: Array) -> NDArray[np.bool_]:
    """Positive values in odd channels, negative ones in even channels."""
    side = np.array([-1.0, 1.0])[np.arange(h.shape[1]) % 2].reshape(-1, *[1] * (h.ndim - 2))
    return side * h > 0


NONLINEARITIES: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "relu": (lambda h: np.where(h > 0, h, 0.0), lambda h: np.where(h > 0, 1.0, 0.0)),
    "scalar_gate": (lambda h: np.where(_gate(h), h, 0.0), lambda h: _gate(h).astype(h.dtype)),
    "leaky_relu": (lambda h: np.where(h > 0, h, LEAK * h), lambda h: np.where(h > 0, 1.0, LEAK)),
    "saturated_linear": (lambda h: np.clip(h, -1, 1), lambda h: np.where(np.abs(h) < 1, 1.0, 0.0)),
    "hard_sigmoid": (lambda h: np.clip(h, 0, 1), lambda h: np.where((h > 0) & (h < 1), 1.0, 0.0)),
    "tanh": (np.tanh, lambda h: 1 - np.tanh(h) ** 2),
    "sigmoid": (_sigmoid, lambda h: _sigmoid(h) * (1 - _sigmoid(h))),
    "softplus": (lambda h: np.logaddexp(0, h), _sigmoid),
    "gelu": (
        lambda h: h * _gauss_cumulative(h),
        lambda h: _gauss_cumulative(h) + h * np.exp(-(h**2) / 2) / np.sqrt(2 * np.pi),
    ),
    "identity": (lambda h: h, np.ones_like),
}
"""Each with its derivative."""


@dataclass(frozen=True)
class Geometry:
    """Stride, padding, dilation and groups of a convolution."""

    stride: int = 1
    padding: int = 0
    dilation: int = 1
    groups: int = 1


@dataclass(frozen=True)
class Learned:
    """A linear map with its nonlinearity and perhaps a batch norm; dense if it has no geometry."""

    name: str
    weight: Array
    bias: Array | None
    activation: str
    geometry: Geometry | None = None
    norm_order: str | None = None
    gain: Array | None = None
    shift: Array | None = None


@dataclass(frozen=True)
class Pooling:
    """Pooling between learned layers."""

    kind: str
    size: int
    stride: int
    padding: int = 0


@dataclass
class Gradient:
    """Gradients of one learned layer."""

    weight: Array
    bias: Array
    pre_activation: Array
    """Cotangent at the linear map's output."""
    gain: Array | None = None
    shift: Array | None = None

    def by_parameter(self) -> dict[str, Array | None]:
        """Return them under torch's names for a segment's parameters."""
        return {"map.weight": self.weight, "map.bias": self.bias, "norm.weight": self.gain, "norm.bias": self.shift}


@dataclass
class Trace:
    """A forward pass: what each layer received, and each learned layer's inner values."""

    layers: Sequence[Learned | Pooling]
    received: list[Array] = field(default_factory=list)
    inner: dict[str, dict[str, Any]] = field(default_factory=dict)
    outputs: dict[str, Array] = field(default_factory=dict)
    logits: Array = field(default_factory=lambda: np.zeros(0))


# --- linear maps ------------------------------------------------------------------------------------------------------


def _window(padded: Array, u: int, v: int, height: int, width: int, g: Geometry) -> tuple[slice, slice]:
    top, left = u * g.dilation, v * g.dilation
    return slice(top, top + g.stride * (height - 1) + 1, g.stride), slice(
        left, left + g.stride * (width - 1) + 1, g.stride
    )


def _pad(x: Array, padding: int) -> Array:
    return np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))


def convolve(x: Array, weight: Array, g: Geometry) -> Array:
    """Return the cross-correlation ``y[b,o,p] = Σ_{c,u,v} W[o,c,u,v] x[b,c,s·p + d·(u,v) - pad]``."""
    padded = _pad(x, g.padding)
    channels, per_group, kernel, _ = weight.shape
    height, width = ((n - g.dilation * (kernel - 1) - 1) // g.stride + 1 for n in padded.shape[2:])
    y = np.zeros((len(x), channels, height, width))
    outputs = channels // g.groups
    for o in range(channels):
        first = (o // outputs) * per_group
        for c in range(per_group):
            for u in range(kernel):
                for v in range(kernel):
                    rows, columns = _window(padded, u, v, height, width, g)
                    y[:, o] += weight[o, c, u, v] * padded[:, first + c, rows, columns]
    return y


def convolve_transposed(cotangent: Array, weight: Array, g: Geometry, input_shape: tuple[int, ...]) -> Array:
    """Return the cotangent at the input: every product of ``convolve`` walked the other way."""
    padded = _pad(np.zeros(input_shape), g.padding)
    channels, per_group, kernel, _ = weight.shape
    height, width = cotangent.shape[2:]
    outputs = channels // g.groups
    for o in range(channels):
        first = (o // outputs) * per_group
        for c in range(per_group):
            for u in range(kernel):
                for v in range(kernel):
                    rows, columns = _window(padded, u, v, height, width, g)
                    padded[:, first + c, rows, columns] += weight[o, c, u, v] * cotangent[:, o]
    rows, columns = (slice(g.padding, g.padding + n) for n in input_shape[2:])
    return padded[:, :, rows, columns]


def convolution_weight_gradient(x: Array, cotangent: Array, g: Geometry, shape: tuple[int, ...]) -> Array:
    """Return ``Σ_{b,p} cotangent[b,o,p] x[b,c,s·p + d·(u,v) - pad]``."""
    padded = _pad(x, g.padding)
    channels, per_group, kernel, _ = shape
    height, width = cotangent.shape[2:]
    outputs = channels // g.groups
    gradient = np.zeros(shape)
    for o in range(channels):
        first = (o // outputs) * per_group
        for c in range(per_group):
            for u in range(kernel):
                for v in range(kernel):
                    rows, columns = _window(padded, u, v, height, width, g)
                    gradient[o, c, u, v] = (cotangent[:, o] * padded[:, first + c, rows, columns]).sum()
    return gradient


# --- pooling ----------------------------------------------------------------------------------------------------------


def _pool_positions(x: Array, pool: Pooling) -> tuple[Array, int, int]:
    fill = -np.inf if pool.kind == "max_pool" else 0.0
    edges = ((0, 0), (0, 0), (pool.padding, pool.padding), (pool.padding, pool.padding))
    padded = np.pad(x, edges, constant_values=fill)
    height, width = ((n - pool.size) // pool.stride + 1 for n in padded.shape[2:])
    return padded, height, width


def pool_forward(x: Array, pool: Pooling) -> Array:
    """Return maxima or means of the windows; padding counts as zeros in a mean."""
    padded, height, width = _pool_positions(x, pool)
    y = np.zeros((*x.shape[:2], height, width))
    for i in range(height):
        for j in range(width):
            top, left = i * pool.stride, j * pool.stride
            window = padded[:, :, top : top + pool.size, left : left + pool.size]
            y[:, :, i, j] = window.max((2, 3)) if pool.kind == "max_pool" else window.sum((2, 3)) / pool.size**2
    return y


def pool_backward(x: Array, cotangent: Array, pool: Pooling) -> Array:
    """Return the cotangent at the input; of equal maxima the first in reading order gets it."""
    padded, height, width = _pool_positions(x, pool)
    pulled = np.zeros_like(padded)
    for i in range(height):
        for j in range(width):
            top, left = i * pool.stride, j * pool.stride
            here = (slice(None), slice(None), slice(top, top + pool.size), slice(left, left + pool.size))
            if pool.kind == "max_pool":
                flat = padded[here].reshape(*x.shape[:2], -1)
                mark = np.zeros_like(flat)
                np.put_along_axis(mark, flat.argmax(-1)[..., None], 1.0, -1)
                pulled[here] += mark.reshape(padded[here].shape) * cotangent[:, :, i, j, None, None]
            else:
                pulled[here] += cotangent[:, :, i, j, None, None] / pool.size**2
    rows, columns = (slice(pool.padding, pool.padding + n) for n in x.shape[2:])
    return pulled[:, :, rows, columns]


# --- one learned layer ------------------------------------------------------------------------------------------------


def _per_channel(values: Array, dimensions: int) -> Array:
    return values.reshape(1, -1, *[1] * (dimensions - 2))


def _others(x: Array) -> tuple[int, ...]:
    return (0, *range(2, x.ndim))


def _norm_forward(x: Array, layer: Learned) -> tuple[Array, dict[str, Array]]:
    mean = x.mean(_others(x), keepdims=True)
    scale = 1 / np.sqrt(((x - mean) ** 2).mean(_others(x), keepdims=True) + NORM_EPSILON)
    standard = (x - mean) * scale
    assert layer.gain is not None
    assert layer.shift is not None
    y = standard * _per_channel(layer.gain, x.ndim) + _per_channel(layer.shift, x.ndim)
    return y, {"standard": standard, "scale": scale}


def _norm_backward(cotangent: Array, layer: Learned, kept: Mapping[str, Array]) -> tuple[Array, Array, Array]:
    standard, axes = kept["standard"], _others(cotangent)
    assert layer.gain is not None
    inner = cotangent * _per_channel(layer.gain, cotangent.ndim)
    centred = inner - inner.mean(axes, keepdims=True)
    pulled = kept["scale"] * (centred - standard * (inner * standard).mean(axes, keepdims=True))
    return pulled, (cotangent * standard).sum(axes), cotangent.sum(axes)


def apply_map(x: Array, layer: Learned) -> Array:
    """Return the linear map's output with its bias."""
    y = x @ layer.weight.T if layer.geometry is None else convolve(x, layer.weight, layer.geometry)
    return y if layer.bias is None else y + _per_channel(layer.bias, y.ndim)


def pull_back(cotangent: Array, layer: Learned, weight: Array, input_shape: tuple[int, ...]) -> Array:
    """Return the cotangent at the map's input, through ``weight``."""
    if layer.geometry is None:
        return cotangent @ weight
    return convolve_transposed(cotangent, weight, layer.geometry, input_shape)


def _forward_learned(x: Array, layer: Learned) -> tuple[Array, dict[str, Any]]:
    nonlinearity = NONLINEARITIES[layer.activation][0]
    kept: dict[str, Any] = {"map_inputs": x}
    h = apply_map(x, layer)
    if layer.norm_order is None:
        kept["before"] = h
        return nonlinearity(h), kept
    if layer.norm_order == "norm_first":
        kept["before"], kept["norm"] = _norm_forward(h, layer)
        return nonlinearity(kept["before"]), kept
    kept["before"] = h
    y, kept["norm"] = _norm_forward(nonlinearity(h), layer)
    return y, kept


def _local_gradient(cotangent: Array, layer: Learned, kept: Mapping[str, Any]) -> Gradient:
    derivative = NONLINEARITIES[layer.activation][1](kept["before"])
    gain = shift = None
    if layer.norm_order is None:
        delta = cotangent * derivative
    elif layer.norm_order == "norm_first":
        delta, gain, shift = _norm_backward(cotangent * derivative, layer, kept["norm"])
    else:
        pulled, gain, shift = _norm_backward(cotangent, layer, kept["norm"])
        delta = pulled * derivative
    x = kept["map_inputs"]
    if layer.geometry is None:
        weight = delta.T @ x
    else:
        weight = convolution_weight_gradient(x, delta, layer.geometry, layer.weight.shape)
    return Gradient(weight, delta.sum(_others(delta)), delta, gain, shift)


# --- whole chains -----------------------------------------------------------------------------------------------------


def run_forward(layers: Sequence[Learned | Pooling], inputs: Array) -> Trace:
    """Run a chain forward; an image is flattened, channel slowest, where a dense layer follows it."""
    trace = Trace(layers)
    values = np.asarray(inputs, np.float64)
    for layer in layers:
        trace.received.append(values)
        if isinstance(layer, Pooling):
            values = pool_forward(values, layer)
            continue
        arriving = values.reshape(len(values), -1) if layer.geometry is None else values
        values, trace.inner[layer.name] = _forward_learned(arriving, layer)
        trace.outputs[layer.name] = values
    trace.logits = values
    return trace


def gradients_along_chain(
    trace: Trace, error: Array, feedback: Mapping[str, Array] | None = None
) -> dict[str, Gradient]:
    """Return all gradients with the error travelling back, through ``feedback`` where a layer is named there.

    Without feedback it is backpropagation; with a random matrix for every layer it is feedback alignment.
    """
    feedback = feedback or {}
    found: dict[str, Gradient] = {}
    cotangent = error
    for layer, received in zip(reversed(trace.layers), reversed(trace.received), strict=True):
        if isinstance(layer, Pooling):
            cotangent = pool_backward(received, cotangent.reshape(pool_forward(received, layer).shape), layer)
            continue
        cotangent = cotangent.reshape(trace.outputs[layer.name].shape)
        found[layer.name] = _local_gradient(cotangent, layer, trace.inner[layer.name])
        arriving = trace.inner[layer.name]["map_inputs"].shape
        delta = found[layer.name].pre_activation
        cotangent = pull_back(delta, layer, feedback.get(layer.name, layer.weight), arriving).reshape(received.shape)
    return found


def gradients_from_credit(trace: Trace, credit: Mapping[str, Array]) -> dict[str, Gradient]:
    """Return each named layer's gradient with its own credit at its output; nothing travels between layers."""
    learned = {layer.name: layer for layer in trace.layers if isinstance(layer, Learned)}
    return {
        name: _local_gradient(value.reshape(trace.outputs[name].shape), learned[name], trace.inner[name])
        for name, value in credit.items()
    }


# --- losses -----------------------------------------------------------------------------------------------------------


def one_hot(targets: NDArray[np.int64], classes: int) -> Array:
    """Return rows of the identity."""
    return np.eye(classes)[targets]


def cross_entropy(logits: Array, targets: NDArray[np.int64]) -> tuple[Array, Array]:
    """Return the mean cross-entropy and its gradient ``(softmax - onehot) / batch``."""
    shifted = logits - logits.max(1, keepdims=True)
    log_probability = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    loss = -log_probability[np.arange(len(logits)), targets].mean()
    return loss, (np.exp(log_probability) - one_hot(targets, logits.shape[1])) / len(logits)


def squared_error(logits: Array, targets: NDArray[np.int64]) -> tuple[Array, Array]:
    """Return half the squared distance, summed over classes and meaned over the batch, and its gradient."""
    difference = logits - one_hot(targets, logits.shape[1])
    return 0.5 * (difference**2).sum() / len(logits), difference / len(logits)


def one_versus_all_hinge(logits: Array, targets: NDArray[np.int64], mu: float | None = None) -> tuple[Array, Array]:
    """Return the hinge loss of every example and class, looped, and its gradient; no error on the margin itself."""
    batch, classes = logits.shape
    mu = (1 / (classes - 1) if classes > 1 else 0.0) if mu is None else mu
    loss, gradient = np.zeros(()), np.zeros(logits.shape)
    for b in range(batch):
        for i in range(classes):
            side, weight = (-1, 1.0) if i == targets[b] else (1, mu)
            if 1 + side * logits[b, i] > 0:
                loss = loss + weight * (1 + side * logits[b, i]) / batch
                gradient[b, i] = weight * side / batch
    return loss, gradient


def binary_cross_entropy(logits: Array, targets: NDArray[np.int64]) -> tuple[Array, Array]:
    """Return -log of each class's probability of being right, summed over classes, meaned over the batch."""
    onehot, probability = one_hot(targets, logits.shape[1]), 1 / (1 + np.exp(-logits))
    loss = -(onehot * np.log(probability) + (1 - onehot) * np.log1p(-probability)).sum() / len(logits)
    return loss, (probability - onehot) / len(logits)


LOSSES = {
    "cross_entropy": cross_entropy,
    "squared_error": squared_error,
    "one_versus_all_hinge": one_versus_all_hinge,
    "binary_cross_entropy": binary_cross_entropy,
}
