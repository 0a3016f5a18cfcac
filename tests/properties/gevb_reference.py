"""An independent reference of vectorized networks in NumPy float64, as their paper writes them.

Nothing here imports torch or benchsuite. The data are written K times into an *expanded* input that is zero elsewhere
(component mu of input unit mu·n0 + j is x_j, all other components zero), so that the first layer is like the others:
every layer is a matrix from input units to output units at each position, shared by the components. Gradients go
through all K components of every unit, one by one; that they are one number times the output error is what the code
under test makes use of, and this file does not. ``test_gevb_reference.py`` holds it against central differences.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Places = NDArray[np.int64]


@dataclass(frozen=True)
class VectorLayer:
    """Vector units in channels and positions: ``h[i, mu, p] = Σ_j W[p, i, j] a[place(p, j), mu] + b[i, mu, p]``.

    Attributes:
        name: of the segment.
        weights: shape (1, channels, fan_in) if positions share them, else (positions, channels, fan_in).
        bias: shape (channels, K, 1) if positions share it, else (channels, K, positions).
        gating: t, shape (channels, K); None for linear units.
        places: for each position which input units it reads, shape (positions, fan_in); one past the last is a zero.
        output_shape: (channels, ...).
        reads_input: whether its input is to be expanded.
        feedback: what credit goes back through, in the weights' shape; the weights if not given.

    """

    name: str
    weights: Array
    bias: Array
    gating: Array | None
    places: Places
    output_shape: tuple[int, ...]
    reads_input: bool = False
    feedback: Array | None = None


@dataclass(frozen=True)
class AveragePool:
    """Means over windows; zeros around count."""

    size: int
    stride: int
    padding: int


@dataclass(frozen=True)
class SumOf:
    """The sum of what the layers this many back give; 1 is the one before."""

    back: tuple[int, ...]


Node = VectorLayer | AveragePool | SumOf


@dataclass
class VectorTrace:
    """One forward pass: what each layer saw, its gate, and the output."""

    nodes: Sequence[Node]
    seen: dict[str, Array] = field(default_factory=dict)
    """The input units of a layer with a zero after the last, shape (batch, K, units + 1)."""
    pre_activations: dict[str, Array] = field(default_factory=dict)
    """Shape (batch, K, channels, positions)."""
    gates: dict[str, Array] = field(default_factory=dict)
    """Shape (batch, channels, positions)."""
    shapes: list[tuple[int, ...]] = field(default_factory=list)
    """Of what each node gives, (batch, K, ...), the data's first."""
    output: Array = field(default_factory=lambda: np.zeros(0))
    """The readout's vector unit, shape (batch, K)."""


@dataclass(frozen=True)
class LayerGradient:
    """In the shapes of a ``VectorLayer``'s weights and bias."""

    weights: Array
    bias: Array


def image_places(
    channels: int, height: int, width: int, kernel: int, stride: int, before: int, after: int, dilation: int
) -> tuple[Places, tuple[int, int]]:
    """Return which input units each position of a convolution reads, and how many positions there are, by counting."""
    rows = [r for r in range(-before, height + after, stride) if r + dilation * (kernel - 1) < height + after]
    columns = [c for c in range(-before, width + after, stride) if c + dilation * (kernel - 1) < width + after]
    outside = channels * height * width
    found = []
    for top in rows:
        for left in columns:
            patch = []
            for channel in range(channels):
                for u in range(kernel):
                    for v in range(kernel):
                        r, c = top + u * dilation, left + v * dilation
                        inside = 0 <= r < height and 0 <= c < width
                        patch.append((channel * height + r) * width + c if inside else outside)
            found.append(patch)
    return np.array(found), (len(rows), len(columns))


def expand(data: Array, components: int) -> Array:
    """Return the data as vector units: K times as many channels, of which component mu has only the mu-th share."""
    batch, channels, *rest = data.shape
    expanded = np.zeros((batch, components, components * channels, *rest))
    for mu in range(components):
        expanded[:, mu, mu * channels : (mu + 1) * channels] = data
    return expanded


def run_vector_forward(nodes: Sequence[Node], data: Array, components: int) -> VectorTrace:
    """Carry a batch through; ``data`` has shape (batch, channels, ...)."""
    trace = VectorTrace(nodes)
    values = [data]
    for node in nodes:
        before = values[-1]
        if isinstance(node, SumOf):
            values.append(sum(values[-steps] for steps in node.back))
        elif isinstance(node, AveragePool):
            values.append(_pool(before, node))
        else:
            values.append(_apply(node, expand(before, components) if node.reads_input else before, trace))
        trace.shapes.append(values[-1].shape)
    trace.output = values[-1].reshape(len(data), components)
    return trace


def _apply(layer: VectorLayer, before: Array, trace: VectorTrace) -> Array:
    batch, components = before.shape[:2]
    units = before.reshape(batch, components, -1)
    seen = np.concatenate([units, np.zeros((batch, components, 1))], axis=2)
    channels, positions = layer.weights.shape[1], len(layer.places)
    h = np.zeros((batch, components, channels, positions))
    for p in range(positions):
        h[:, :, :, p] = seen[:, :, layer.places[p]] @ layer.weights[p % len(layer.weights)].T
    h += layer.bias.transpose(1, 0, 2)
    gate = np.ones((batch, channels, positions))
    if layer.gating is not None:
        for i in range(channels):
            projection = sum(layer.gating[i, mu] * h[:, mu, i] for mu in range(components))
            gate[:, i] = np.where(projection >= 0, 1.0, 0.0)
    trace.seen[layer.name], trace.pre_activations[layer.name], trace.gates[layer.name] = seen, h, gate
    return (h * gate[:, None]).reshape(batch, components, *layer.output_shape)


def _windows(length: int, pool: AveragePool) -> list[range]:
    starts = range(-pool.padding, length + pool.padding, pool.stride)
    return [range(s, s + pool.size) for s in starts if s + pool.size <= length + pool.padding]


def _pool(before: Array, pool: AveragePool) -> Array:
    *_, height, width = before.shape
    rows, columns = _windows(height, pool), _windows(width, pool)
    after = np.zeros((*before.shape[:-2], len(rows), len(columns)))
    for i, window in enumerate(rows):
        for j, across in enumerate(columns):
            for r in set(window) & set(range(height)):
                for c in set(across) & set(range(width)):
                    after[..., i, j] += before[..., r, c] / pool.size**2
    return after


def _pool_back(cotangent: Array, shape: tuple[int, ...], pool: AveragePool) -> Array:
    *_, height, width = shape
    before = np.zeros(shape)
    for i, window in enumerate(_windows(height, pool)):
        for j, across in enumerate(_windows(width, pool)):
            for r in set(window) & set(range(height)):
                for c in set(across) & set(range(width)):
                    before[..., r, c] += cotangent[..., i, j] / pool.size**2
    return before


def cross_entropy_at(logits: Array, targets: NDArray[np.int64]) -> tuple[float, Array]:
    """Return the mean softmax cross-entropy and its gradient by the logits."""
    shifted = logits - logits.max(1, keepdims=True)
    probability = np.exp(shifted) / np.exp(shifted).sum(1, keepdims=True)
    chosen = np.arange(len(targets)), targets
    error = probability.copy()
    error[chosen] -= 1
    return float(-np.log(probability[chosen]).mean()), error / len(targets)


def exact_cotangents(trace: VectorTrace, error: Array) -> dict[str, Array]:
    """Return the gradient by every layer's activations, or what feedback makes of it; (batch, K, channels, positions).

    Args:
        trace: a forward pass.
        error: dL/d(output vector), shape (batch, K).

    """
    arriving: dict[int, Array] = {len(trace.nodes): error.reshape(trace.shapes[-1])}
    found: dict[str, Array] = {}

    def send(place: int, cotangent: Array) -> None:
        arriving[place] = arriving.get(place, 0) + cotangent

    for place in range(len(trace.nodes), 0, -1):
        node = trace.nodes[place - 1]
        if place not in arriving:
            continue
        cotangent = arriving[place]
        if isinstance(node, SumOf):
            for steps in node.back:
                send(place - steps, cotangent)
        elif isinstance(node, AveragePool):
            send(place - 1, _pool_back(cotangent, trace.shapes[place - 2], node))
        else:
            found[node.name] = cotangent.reshape(*cotangent.shape[:2], *trace.gates[node.name].shape[1:])
            if not node.reads_input:
                send(place - 1, _pull_back(node, trace, found[node.name]).reshape(trace.shapes[place - 2]))
    return found


def _pull_back(layer: VectorLayer, trace: VectorTrace, cotangent: Array) -> Array:
    at_map = cotangent * trace.gates[layer.name][:, None]
    back = layer.weights if layer.feedback is None else layer.feedback
    below = np.zeros_like(trace.seen[layer.name])
    for p, places in enumerate(layer.places):
        spread = at_map[:, :, :, p] @ back[p % len(back)]
        for f, place in enumerate(places):
            below[:, :, place] += spread[:, :, f]
    return below[:, :, :-1]


def gradients_of_cotangents(trace: VectorTrace, cotangents: dict[str, Array]) -> dict[str, LayerGradient]:
    """Return the gradients for a cotangent at each layer's activations, its gate applied here."""
    found = {}
    for layer in trace.nodes:
        if isinstance(layer, VectorLayer) and layer.name in cotangents:
            at_map = cotangents[layer.name] * trace.gates[layer.name][:, None]
            weights, bias = np.zeros_like(layer.weights), np.zeros_like(layer.bias)
            for p, places in enumerate(layer.places):
                seen = trace.seen[layer.name][:, :, places]
                weights[p % len(weights)] += np.einsum("bmi,bmj->ij", at_map[:, :, :, p], seen)
                bias[:, :, p % bias.shape[2]] += at_map[:, :, :, p].sum(0).T
            found[layer.name] = LayerGradient(weights, bias)
    return found


def gevb_gradients(trace: VectorTrace, error: Array) -> dict[str, LayerGradient]:
    """Return GEVB's descent directions: ``G_i Σ_mu a_j,mu e_mu`` for weights, ``G_i e_mu`` for biases.

    Args:
        trace: a forward pass.
        error: dL/d(output vector), already divided by the batch, shape (batch, K).

    Source: Clark et al. 2021, eq. 9; convolutions and locally connected layers: appendix H and the authors' code.

    """
    found = {}
    for layer in trace.nodes:
        if isinstance(layer, VectorLayer):
            gate = trace.gates[layer.name]
            weights, bias = np.zeros_like(layer.weights), np.zeros_like(layer.bias)
            for p, places in enumerate(layer.places):
                for b in range(len(error)):
                    presynaptic = error[b] @ trace.seen[layer.name][b][:, places]
                    weights[p % len(weights)] += np.outer(gate[b, :, p], presynaptic)
                    bias[:, :, p % bias.shape[2]] += np.outer(gate[b, :, p], error[b])
            found[layer.name] = LayerGradient(weights, bias)
    return found
