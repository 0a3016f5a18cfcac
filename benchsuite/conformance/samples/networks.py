"""Small networks that together cover what a rule may meet: all maps, pools, norms, dropout, no biases."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Generator, Tensor, nn

from benchsuite.credit.batch import Batch
from benchsuite.networks.adoption import adopt, made_module, shapes_of_module
from benchsuite.networks.architecture_shapes import shapes_of
from benchsuite.networks.builder import build
from benchsuite.networks.criterion import CRITERIA
from benchsuite.networks.initialization import initialize
from benchsuite.networks.maps import LinearMap
from benchsuite.networks.network import Network
from benchsuite.networks.segments import Segment
from benchsuite.networks.shapes.geometry import Shape
from benchsuite.networks.shapes.network_shapes import NetworkShapes, SegmentShapes
from benchsuite.specs.models.architecture import ChainArchitecture, Initialization


@dataclass(frozen=True)
class SampleNetwork:
    """An architecture and the shape of its data; a training step takes about a millisecond.

    Attributes:
        architecture: spec that the network is built from.
        input_shape: shape of one example.
        classes: width of the readout.
        criterion: name of the loss of its batches.

    """

    architecture: ChainArchitecture
    input_shape: Shape
    classes: int = 4
    criterion: str = "cross_entropy"

    @property
    def name(self) -> str:
        """The architecture's name, as test ids show it."""
        return self.architecture.name

    @cached_property
    def shapes(self) -> NetworkShapes:
        """The network's shapes; computed once, as every collected test asks for them."""
        return self._choose_memory_format()

    def _choose_memory_format(self) -> NetworkShapes:
        return shapes_of(self.architecture, self.input_shape, self.classes)

    @property
    def mixes_examples(self) -> bool:
        """True if an example's activations depend on the rest of the batch, or on random draws."""
        layers = self.architecture.layers
        normed = any(segment.norm == "batch" for segment in self.shapes.segments)
        return normed or any(layer.kind == "dropout" for layer in layers)

    def build(self, generator: Generator) -> Network:
        """Return the network with weights drawn from ``generator``."""
        return build(self.shapes, generator)

    def batch(
        self, position: int, size: int = 12, dtype: torch.dtype = torch.float32, criterion: str | None = None
    ) -> Batch:
        """Return the random batch at one position of a fixed order: the same for every rule."""
        generator = Generator().manual_seed(1_000 + position)
        inputs = torch.randn(size, *self.input_shape, generator=generator).to(dtype)
        targets = torch.randint(self.classes, (size,), generator=generator)
        return Batch(inputs, targets, CRITERIA[criterion or self.criterion])

    def for_losses(self, losses: Collection[str] | None) -> SampleNetwork:
        """Return the network with a loss among these; itself if its own is, or any will do."""
        if losses is None or self.criterion in losses:
            return self
        return replace(self, criterion=min(losses))


class CustomMap(LinearMap):
    """Map whose units each sum two inputs at fixed places: neither dense nor convolutional; its weight is (units, 2).

    It implements the abstract contract of ``LinearMap`` and no more, so a rule that says ``map_kinds=None`` must work
    with it.
    """

    kind = "custom"
    places: Tensor

    def __init__(self, inputs: int, units: int, bias: bool = True) -> None:
        super().__init__((units, 2), units, bias)
        self.inputs = inputs
        first = torch.arange(units) % inputs
        self.register_buffer("places", torch.stack([first, (3 * first + 1) % inputs], dim=1), persistent=False)

    @property
    def fan_in(self) -> int:
        """Two inputs per unit."""
        return 2

    @property
    def fan_out(self) -> int:
        """Number of units that an input reaches on average, at least one."""
        return max(1, 2 * self.weight.shape[0] // self.inputs)

    def apply_weight(self, inputs: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """Return each unit's weighted sum, shape (batch, units)."""
        outputs = (inputs[:, self.places] * weight).sum(2)
        return outputs if bias is None else outputs + bias

    def pull_back(self, cotangent: Tensor, weight: Tensor, input_shape: torch.Size) -> Tensor:
        """Return the cotangent spread over the inputs the units read, shape (batch, inputs)."""
        spread = (cotangent.unsqueeze(2) * weight).flatten(1)
        return spread.new_zeros(input_shape).index_add_(1, self.places.flatten(), spread)

    def weight_gradient(self, inputs: Tensor, cotangent: Tensor) -> Tensor:
        """Return the sum over the batch of cotangent times what the unit reads, shape (units, 2)."""
        return (cotangent.unsqueeze(2) * inputs[:, self.places]).sum(0)

    def bias_gradient(self, cotangent: Tensor) -> Tensor:
        """Return the sum over the batch, shape (units,)."""
        return cotangent.sum(0)


@dataclass(frozen=True)
class _WithCustomMap(SampleNetwork):
    """The architecture's network in which the segment ``dense2`` has a ``CustomMap``."""

    def _choose_memory_format(self) -> NetworkShapes:
        ordinary = super()._choose_memory_format()
        nodes = [
            replace(node, map_kind=CustomMap.kind)
            if isinstance(node, SegmentShapes) and node.name == "dense2"
            else node
            for node in ordinary.nodes
        ]
        return replace(ordinary, nodes=tuple(nodes))

    def build(self, generator: Generator) -> Network:
        plan = self.shapes
        paper = next(s for s in plan.segments if s.map_kind == CustomMap.kind)
        strange = CustomMap(**paper.map_options, bias=paper.bias)
        initialize(strange, Initialization(), generator)
        segment = Segment(strange, paper.activation, None, paper.norm_order)
        ordinary = build(super()._choose_memory_format(), generator)
        return Network(plan, [(n, segment if n == paper.name else node) for n, node in ordinary.steps()])


class _Gated(nn.Module):
    """A grouped conv, a layer over positions and a gate: a module that the suite could not build itself."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 6, (1, 3), stride=2, groups=2)
        self.mix = nn.Linear(6, 6)
        self.gate = nn.Linear(6, 6, bias=False)
        self.readout = nn.Linear(6, 4)

    def forward(self, inputs: Tensor) -> Tensor:
        features = self.conv(inputs).tanh().permute(0, 2, 3, 1)
        mixed = self.mix(features).relu()
        pooled = mixed.mean((1, 2))
        return self.readout(pooled * self.gate(pooled).sigmoid() + features.mean((1, 2)))  # type: ignore[no-any-return]


@dataclass(frozen=True)
class _Adopted(SampleNetwork):
    """Sample network made from a module that the suite has not built."""

    def _choose_memory_format(self) -> NetworkShapes:
        return shapes_of_module(made_module(_Gated, Generator()), self.input_shape, classes=self.classes).shapes

    def build(self, generator: Generator) -> Network:
        return adopt(made_module(_Gated, generator), self.input_shape, classes=self.classes)


def _chain(name: str, *layers: dict[str, Any], **defaults: Any) -> ChainArchitecture:
    description = {"kind": "chain", "name": name, "layers": layers, "defaults": defaults}
    return ChainArchitecture.model_validate(description)


def _vectorized(
    name: str, *layers: dict[str, Any], nonnegative: bool, bits: int | None = None, bias: bool = True
) -> ChainArchitecture:
    initialization = {"scheme": "he_normal", "on_off": "channels" if nonnegative else "none"}
    return ChainArchitecture.model_validate(
        {
            "kind": "chain",
            "name": name,
            "layers": layers,
            "form": "vectorized",
            "weight_sign": "nonnegative" if nonnegative else "mixed",
            "output_code": {"kind": "binary", "bits": bits} if bits else "one_hot",
            "defaults": {"activation": "vector_gate", "bias": bias, "initialization": initialization},
        }
    )


def _invertible(name: str, *layers: dict[str, Any], scheme: str = "orthogonal", **readout: Any) -> ChainArchitecture:
    return ChainArchitecture.model_validate(
        {
            "kind": "chain",
            "name": name,
            "layers": layers,
            "form": "invertible",
            "readout": readout,
            "defaults": {"activation": {"kind": "leaky_relu", "slope": 0.3}, "initialization": {"scheme": scheme}},
        }
    )


def _dense(units: int, activation: str, **options: Any) -> dict[str, Any]:
    return {"kind": "dense", "units": units, "activation": activation, **options}


def _conv(channels: int, **options: Any) -> dict[str, Any]:
    return {"kind": "conv2d", "channels": channels, "kernel": 3, "padding": 1, **options}


def _local(channels: int, **options: Any) -> dict[str, Any]:
    return {"kind": "locally_connected2d", "channels": channels, "kernel": 3, "padding": 1, **options}


def _square(units: int, **options: Any) -> dict[str, Any]:
    return {"kind": "dense", "units": units, **options}


_NORM_FIRST = {"norm": "batch", "norm_order": "norm_first", "bias": False}
_ACTIVATION_FIRST = {"norm": "batch", "norm_order": "activation_first"}
_GROUP_NORM = {"norm": {"kind": "group", "groups": 3}, "bias": False}
_LAYER_NORM = {"norm": "layer", "norm_order": "activation_first"}
_MAX_POOL = {"kind": "max_pool", "size": 2}
_AVERAGE_POOL = {"kind": "average_pool", "size": 2}
_SUM = {"kind": "sum"}
_DROPOUT = {"kind": "dropout", "probability": 0.3}

SAMPLE_NETWORKS: tuple[SampleNetwork, ...] = (
    SampleNetwork(_chain("no-hidden"), (20,)),
    SampleNetwork(_chain("one-hidden", _dense(12, "tanh")), (20,)),
    SampleNetwork(_chain("dense", _dense(16, "relu"), _dense(12, "tanh")), (20,)),
    SampleNetwork(
        _chain("dropout-no-bias", _dense(16, "relu"), _DROPOUT, _dense(12, "sigmoid"), _DROPOUT, bias=False), (20,)
    ),
    SampleNetwork(
        _chain("batch-norm", _dense(16, "relu", **_NORM_FIRST), _dense(12, "tanh", **_ACTIVATION_FIRST)), (20,)
    ),
    SampleNetwork(
        _chain("conv", _conv(6), _MAX_POOL, _conv(8, groups=2), _AVERAGE_POOL, _dense(12, "leaky_relu")), (2, 8, 8)
    ),
    SampleNetwork(
        _chain(
            "conv-norm-dropout", _conv(6, stride=2, **_NORM_FIRST), _DROPOUT, _conv(8, **_ACTIVATION_FIRST), _MAX_POOL
        ),
        (2, 8, 8),
    ),
    # Norms of a single example: the checks that batch norm rules out, such as that of two processes, apply here.
    SampleNetwork(
        _chain("layer-norm", _conv(6, stride=2, **_GROUP_NORM), _MAX_POOL, _dense(12, "tanh", **_LAYER_NORM)), (2, 8, 8)
    ),
    SampleNetwork(
        _chain(
            "residual",
            _conv(3, activation="tanh"),
            _conv(3),
            _SUM,
            _MAX_POOL,
            _conv(3),
            _SUM,
        ),
        (2, 6, 6),
    ),
    SampleNetwork(
        _chain(
            "residual-projection",
            _conv(4, stride=2, **_NORM_FIRST),
            _conv(6, groups=2),
            _conv(6, activation="identity", **_NORM_FIRST),
            {"kind": "conv2d", "channels": 6, "kernel": 1, "activation": "identity", "reads": 3},
            _SUM,
            {"kind": "activation", "activation": "relu"},
            {"kind": "global_average_pool"},
        ),
        (2, 8, 8),
    ),
    _Adopted(_chain("adopted"), (2, 6, 6)),
    SampleNetwork(_chain("locally-connected", _local(4), _AVERAGE_POOL, _local(6, stride=2)), (2, 6, 6)),
    SampleNetwork(
        _chain(
            "bounded-units",
            _conv(4),
            _MAX_POOL,
            _conv(6),
            _AVERAGE_POOL,
            _dense(8, "hard_sigmoid"),
            activation="hard_sigmoid",
        ),
        (2, 8, 8),
    ),
    _WithCustomMap(_chain("unheard-of-map", _dense(16, "tanh"), _dense(12, "tanh"), _dense(10, "tanh")), (20,)),
    SampleNetwork(
        _vectorized("vectorized-dense", _dense(16, "vector_gate"), _dense(12, "vector_gate"), nonnegative=True), (20,)
    ),
    SampleNetwork(
        _vectorized("vectorized-code", _dense(16, "vector_gate"), nonnegative=False, bits=6, bias=False), (20,), 5
    ),
    SampleNetwork(
        _vectorized(
            "vectorized-conv", _conv(4, stride=2), _AVERAGE_POOL, _conv(6), _dense(8, "vector_gate"), nonnegative=True
        ),
        (2, 8, 8),
    ),
    SampleNetwork(
        _vectorized("vectorized-locally-connected", _local(4), _AVERAGE_POOL, _local(6, stride=2), nonnegative=False),
        (2, 6, 6),
    ),
    SampleNetwork(
        _vectorized("vectorized-residual", _conv(4), _conv(4), _SUM, _AVERAGE_POOL, nonnegative=True), (2, 6, 6)
    ),
    # Weights that are not orthogonal: with them a target differs from backprop's.
    SampleNetwork(
        _invertible("invertible-tower", _square(20), _square(16), _square(10), scheme="lecun_normal", bias=False), (20,)
    ),
    SampleNetwork(
        _invertible(
            "invertible-conv",
            _conv(5, stride=2),
            _conv(3, kernel=2, padding=0),
            _square(9, activation="identity"),
            scheme="lecun_normal",
            activation="leaky_relu",
        ),
        (2, 8, 8),
    ),
)
"""Networks that ``RuleConformance`` runs on by default."""

DIGITS_NETWORKS: tuple[SampleNetwork, ...] = (
    SampleNetwork(_chain("digits", _dense(16, "relu")), (64,), classes=10),
    SampleNetwork(_vectorized("vectorized-digits", _dense(16, "vector_gate"), nonnegative=True), (64,), classes=10),
    SampleNetwork(_invertible("invertible-digits", _square(32), _square(16)), (64,), classes=10),
    SampleNetwork(_chain("two-layer-digits", _dense(32, "relu"), _dense(16, "relu")), (64,), classes=10),
    SampleNetwork(_chain("bounded-digits", _dense(16, "hard_sigmoid")), (64,), classes=10),
)
"""Networks for scikit-learn's digits; ``RuleConformance`` trains the first that the rule can work in. They are so
narrow that random features are not enough."""
