"""Strategies of the property tests: chains of every kind, with networks, batches and their NumPy counterparts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from torch import Generator, Tensor

from benchsuite.credit.batch import Batch
from benchsuite.credit.rule import Rule
from benchsuite.networks.architecture_shapes import shapes_of
from benchsuite.networks.builder import build
from benchsuite.networks.criterion import CRITERIA
from benchsuite.networks.network import Network
from benchsuite.networks.shapes.network_shapes import NetworkShapes
from benchsuite.specs.models.architecture import ChainArchitecture, Conv2dLayer, DenseLayer
from benchsuite.specs.models.fixed_layers import PoolLayer

from .reference import LOSSES, Array, Geometry, Learned, Pooling, Trace, run_forward

ACTIVATIONS = (
    "relu",
    "leaky_relu",
    "saturated_linear",
    "hard_sigmoid",
    "tanh",
    "sigmoid",
    "softplus",
    "gelu",
    "identity",
    "scalar_gate",
)

deterministic = settings(
    derandomize=True,
    deadline=None,
    max_examples=25,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
"""The same examples in every run, so that a red build is red for everyone."""


@dataclass(frozen=True)
class Case:
    """One network and batch to be drawn."""

    layers: tuple[dict[str, Any], ...]
    input_shape: tuple[int, ...]
    classes: int
    batch: int
    readout_bias: bool = True
    dtype: torch.dtype = torch.float64
    seed: int = 0

    @property
    def architecture(self) -> ChainArchitecture:
        """The spec."""
        return ChainArchitecture.model_validate(
            {"kind": "chain", "name": "drawn", "layers": self.layers, "readout": {"bias": self.readout_bias}}
        )

    def shapes(self) -> NetworkShapes:
        """Return the network on paper."""
        return shapes_of(self.architecture, self.input_shape, self.classes)

    def network(self) -> Network:
        """Return the network with every parameter drawn, biases and norms included, in training mode."""
        network = build(self.shapes(), Generator().manual_seed(self.seed)).to(self.dtype)
        rng = np.random.default_rng(self.seed)
        with torch.no_grad():
            for segment in network.segments.values():
                weight = segment.map.weight
                weight.copy_(torch.from_numpy(rng.normal(0, weight[0].numel() ** -0.5, weight.shape)))
                if segment.map.bias is not None:
                    segment.map.bias.copy_(torch.from_numpy(rng.normal(0, 0.3, segment.map.bias.shape)))
                if segment.norm is not None:
                    segment.norm.weight.copy_(torch.from_numpy(rng.normal(1, 0.3, segment.norm.weight.shape)))
                    segment.norm.bias.copy_(torch.from_numpy(rng.normal(0, 0.3, segment.norm.bias.shape)))
        return network.train()

    def data(self, criterion: str = "cross_entropy") -> Batch:
        """Return a batch of normal inputs and random targets."""
        rng = np.random.default_rng(self.seed + 1)
        inputs = torch.from_numpy(rng.normal(0, 1, (self.batch, *self.input_shape))).to(self.dtype)
        targets = torch.from_numpy(rng.integers(0, self.classes, self.batch))
        return Batch(inputs, targets, CRITERIA[criterion])

    def random_array(self, *shape: int, salt: int = 2) -> Array:
        """Return normal numbers of this case's seed."""
        return np.random.default_rng((self.seed, salt, *shape)).normal(0, 1, shape)


def counterpart(case: Case, network: Network) -> list[Learned | Pooling]:
    """Return the network's layers for the NumPy reference: structure from the spec, numbers from the parameters."""
    segments = iter(network.segments.items())
    found: list[Learned | Pooling] = []
    layers = [*case.architecture.layers, DenseLayer(kind="dense", units=case.classes, activation="identity")]
    for layer in layers:
        if isinstance(layer, PoolLayer):
            found.append(Pooling(layer.kind, layer.size, layer.stride or layer.size, layer.padding))
        elif isinstance(layer, DenseLayer | Conv2dLayer):
            name, segment = next(segments)
            is_conv = isinstance(layer, Conv2dLayer)
            geometry = Geometry(layer.stride, layer.padding, layer.dilation, layer.groups) if is_conv else None
            has_norm = layer.norm == "batch"
            found.append(
                Learned(
                    name,
                    as_array(segment.map.weight),
                    as_array(segment.map.bias),
                    layer.activation or "relu",
                    geometry,
                    (layer.norm_order or "norm_first") if has_norm else None,
                    as_array(segment.norm.weight) if has_norm else None,
                    as_array(segment.norm.bias) if has_norm else None,
                )
            )
    return found


def trace_of(case: Case, network: Network, criterion: str = "cross_entropy") -> tuple[Trace, Array]:
    """Return the reference's forward pass and output error for the case's batch."""
    batch = case.data(criterion)
    trace = run_forward(counterpart(case, network), as_array(batch.inputs))
    return trace, LOSSES[criterion](trace.logits, batch.targets.numpy())[1]


def as_array(values: Tensor | None) -> Any:
    """Return a copy in float64, or None."""
    return None if values is None else values.detach().to(torch.float64).numpy().copy()


def gradients_under(rule: Rule, case: Case, network: Network, criterion: str = "cross_entropy") -> dict[str, Any]:
    """Return every parameter's gradient after one call of the rule, by parameter path within the segments."""
    network.zero_grad(set_to_none=True)
    rule.assign_credit(case.data(criterion))
    return gradients_of(network)


def gradients_of(network: Network) -> dict[str, Any]:
    """Return gradients by ``segment.parameter``."""
    return {
        f"{name}.{path}": as_array(parameter.grad)
        for name, segment in network.segments.items()
        for path, parameter in segment.named_parameters()
    }


def descend(network: Network, rate: float) -> None:
    """Take one plain gradient step."""
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.grad is not None:
                parameter -= rate * parameter.grad


def attached(rule: Rule, network: Network, seed: int = 7) -> Rule:
    """Attach a rule with a seeded feedback stream."""
    rule.attach(network, Generator().manual_seed(seed))
    return rule


def assert_gradients(found: Mapping[str, Any], expected: Mapping[str, Any], dtype: torch.dtype) -> None:
    """Hold gradients by ``segment.parameter`` against the reference's ``Gradient`` by segment."""
    flat = {f"{name}.{path}": v for name, g in expected.items() for path, v in g.by_parameter().items()}
    assert found, "nothing was compared"
    for path, value in found.items():
        assert value is not None, f"{path} got no gradient"
        assert_near(value, flat[path], dtype, path)


def assert_near(found: Any, expected: Any, dtype: torch.dtype = torch.float64, what: str = "") -> None:
    """Hold an array against another up to rounding of ``dtype``, relative to the largest expected number.

    The floors are for what is zero in exact arithmetic, such as a bias before a norm of a tiny variance.
    """
    found = as_array(found) if isinstance(found, Tensor) else np.asarray(found)
    expected = as_array(expected) if isinstance(expected, Tensor) else np.asarray(expected)
    assert found.shape == expected.shape, f"{what}: shape {found.shape}, expected {expected.shape}"
    relative = 1e-9 if dtype == torch.float64 else 2e-4
    floor = 0.1 if dtype == torch.float64 else 1e-3
    allowed = relative * max(floor, float(np.abs(expected).max(initial=0.0)))
    off = float(np.abs(found - expected).max(initial=0.0))
    assert off <= allowed, f"{what}: off by {off:.3g}, {allowed:.3g} allowed"


# --- strategies -------------------------------------------------------------------------------------------------------


def _segment_options(norms: bool) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "activation": st.sampled_from(ACTIVATIONS),
            "bias": st.booleans(),
            "norm": st.sampled_from(["none", "batch"]) if norms else st.just("none"),
            "norm_order": st.sampled_from(["norm_first", "activation_first"]),
        }
    )


@st.composite
def dense_chains(draw: st.DrawFn, hidden: tuple[int, int] = (1, 5), norms: bool = False) -> Case:
    """Draw dense chains; with norms only in float64, where a tiny variance leaves digits to compare."""
    widths = draw(st.lists(st.integers(1, 40), min_size=hidden[0], max_size=hidden[1]))
    layers = tuple({"kind": "dense", "units": n, **draw(_segment_options(norms))} for n in widths)
    return Case(
        layers=layers,
        input_shape=(draw(st.integers(1, 40)),),
        classes=draw(st.integers(2, 12)),
        batch=draw(st.integers(2 if norms else 1, 16)),
        readout_bias=draw(st.booleans()),
        dtype=torch.float64 if norms else draw(st.sampled_from([torch.float32, torch.float64])),
        seed=draw(st.integers(0, 2**31)),
    )


@st.composite
def conv_geometries(draw: st.DrawFn, height: int, width: int, channels: int) -> dict[str, int]:
    """Draw a convolution that leaves at least one position, strides that do not divide included."""
    groups = draw(st.sampled_from([g for g in (1, 2, 3, 4) if channels % g == 0]))
    padding = draw(st.integers(0, 2))
    dilation = draw(st.integers(1, 2))
    widest = (min(height, width) + 2 * padding - 1) // dilation + 1
    return {
        "channels": groups * draw(st.integers(1, 3)),
        "kernel": draw(st.integers(1, min(3, widest))),
        "stride": draw(st.integers(1, 3)),
        "padding": padding,
        "dilation": dilation,
        "groups": groups,
    }


def slid(length: int, window: int, stride: int, padding: int, dilation: int = 1) -> int:
    """Count positions one by one: how often a window fits."""
    starts = range(-padding, length + padding, stride)
    return sum(1 for start in starts if start + dilation * (window - 1) < length + padding)


@st.composite
def conv_chains(
    draw: st.DrawFn,
    convs: tuple[int, int] = (1, 2),
    denses: tuple[int, int] = (0, 1),
    pools: bool = True,
    norms: bool = True,
) -> Case:
    """Draw convolutions with pools between, then dense layers."""
    shape = (draw(st.integers(1, 4)), draw(st.integers(3, 8)), draw(st.integers(3, 8)))
    start = shape
    layers: list[dict[str, Any]] = []
    for _ in range(draw(st.integers(*convs))):
        c, h, w = shape
        geometry = draw(conv_geometries(h, w, c))
        layers.append({"kind": "conv2d", **geometry, **draw(_segment_options(norms))})
        k, s, p, d = (geometry[n] for n in ("kernel", "stride", "padding", "dilation"))
        shape = (geometry["channels"], slid(h, k, s, p, d), slid(w, k, s, p, d))
        if pools and draw(st.booleans()):
            size = draw(st.integers(1, min(3, *shape[1:])))
            pool = {"size": size, "stride": draw(st.integers(1, 3)), "padding": draw(st.integers(0, size // 2))}
            layers.append({"kind": draw(st.sampled_from(["max_pool", "average_pool"])), **pool})
            shape = (shape[0], *(slid(n, size, pool["stride"], pool["padding"]) for n in shape[1:]))
    layers += [
        {"kind": "dense", "units": draw(st.integers(1, 20)), **draw(_segment_options(norms))}
        for _ in range(draw(st.integers(*denses)))
    ]
    return Case(
        layers=tuple(layers),
        input_shape=start,
        classes=draw(st.integers(2, 8)),
        batch=draw(st.integers(2, 5)),
        readout_bias=draw(st.booleans()),
        seed=draw(st.integers(0, 2**31)),
    )


@st.composite
def local_chains(draw: st.DrawFn) -> Case:
    """Draw one or two locally connected segments, the second after a pool, then the readout."""
    shape = (draw(st.integers(1, 3)), draw(st.integers(3, 8)), draw(st.integers(3, 8)))
    start = shape
    layers: list[dict[str, Any]] = []
    for _ in range(draw(st.integers(1, 2))):
        geometry = draw(conv_geometries(shape[1], shape[2], 1))
        k, s, p = (geometry[n] for n in ("kernel", "stride", "padding"))
        own = {"channels": draw(st.integers(1, 4)), "kernel": k, "stride": s, "padding": p}
        layers.append({"kind": "locally_connected2d", **own, **draw(_segment_options(norms=True))})
        shape = (own["channels"], slid(shape[1], k, s, p), slid(shape[2], k, s, p))
        size = draw(st.integers(1, min(2, *shape[1:])))
        layers.append({"kind": "average_pool", "size": size})
        shape = (shape[0], *(slid(n, size, size, 0) for n in shape[1:]))
    return Case(
        tuple(layers), start, draw(st.integers(2, 8)), draw(st.integers(2, 5)), seed=draw(st.integers(0, 2**31))
    )


def dense_case(*units: int, inputs: int = 7, classes: int = 5, batch: int = 6, **options: Any) -> Case:
    """Return a fixed dense case; ``options`` are those of its segments."""
    layers = tuple({"kind": "dense", "units": n, **options} for n in units)
    return Case(layers=layers, input_shape=(inputs,), classes=classes, batch=batch, seed=11)


def conv_case(*layers: dict[str, Any], **options: Any) -> Case:
    """Return a fixed case of two input channels, 8x8, or with the fields in ``options``."""
    base = Case(layers=layers, input_shape=(2, 8, 8), classes=4, batch=3, seed=12)
    return replace(base, **options)
