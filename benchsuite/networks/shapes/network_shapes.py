"""A network on paper: shapes, parameters and operations of every layer, computed without torch.

The builder builds from the shapes, ``plan`` estimates from it, and a rule's requirements are checked against it, so
all three see the same network.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from benchsuite.networks.shapes.custom import CustomActivation
from benchsuite.networks.shapes.custom import CustomLayer as CustomLayer
from benchsuite.networks.shapes.geometry import Shape
from benchsuite.specs.models.activation import Activation
from benchsuite.specs.models.architecture import Initialization, NormOrder, OutputCode, Unconverted
from benchsuite.specs.models.fixed_layers import FixedLayer
from benchsuite.specs.models.norm import Norm

if TYPE_CHECKING:
    from torch import nn

    from benchsuite.networks.maps import LinearMap


@dataclass(frozen=True)
class TakeFirst:
    """Pass the first ``outputs`` units or channels to the next layer; the others are auxiliary and not read."""

    outputs: int
    kind: ClassVar[str] = "pass_on"


AnyFixedLayer = FixedLayer | TakeFirst | CustomLayer
"""A layer between segments."""
DATA = -1
"""In a node's sources: the network's input instead of a node."""


@dataclass(frozen=True)
class SegmentShapes:
    """One segment: a linear map with its norm and nonlinearity."""

    name: str
    map_kind: str
    input_shape: Shape
    output_shape: Shape
    """Output shape of one example, where credit is assigned."""
    map_options: dict[str, Any]
    """Constructor arguments of the map, except its bias."""
    bias: bool
    norm: Norm
    norm_order: NormOrder
    activation: Activation | CustomActivation
    initialization: Initialization
    parameters: int
    macs: int
    """Multiply-adds of the map's forward operation per example, over all components."""
    input_channels: int = 0
    """Channels of the input before flattening; for a vector, its length."""
    reads_input: bool = False
    """True if it reads the network's input and no segment."""
    make_map: Callable[[], LinearMap] | None = field(default=None, compare=False, repr=False)
    """Makes the map, if it is a plugin's own; None for the suite's kinds of maps."""

    @property
    def units(self) -> int:
        """Number of output units per example; in a vectorized network each has several components."""
        return math.prod(self.output_shape)

    @property
    def places(self) -> int:
        """Number of output positions per unit or channel; one in a dense segment."""
        return math.prod(self.output_shape[1:])


@dataclass(frozen=True)
class FixedLayerShapes:
    """A layer between segments, without parameters."""

    layer: AnyFixedLayer
    input_shape: Shape
    """Shape of one input; all terms of a sum have the same shape."""
    output_shape: Shape
    reads_vectors: bool = False
    """True if its inputs are vector units."""


@dataclass(frozen=True)
class NetworkShapes:
    """A whole network: nodes in forward order, the readout last."""

    input_shape: Shape
    classes: int
    nodes: tuple[SegmentShapes | FixedLayerShapes, ...]
    form: str = "ordinary"
    topology: str = "chain"
    sources: tuple[tuple[int, ...], ...] = ()
    """Per node, the positions of the nodes it reads, or ``DATA``. If empty, each node reads the one before."""
    components: int = 1
    """Components per unit: K in a vectorized network, else 1."""
    output_code: OutputCode = "one_hot"
    nonnegative: bool = False
    """True if weights are kept at or above zero in all segments that do not read the network's input."""
    exact_parameters: tuple[str, ...] = ()
    """In an adopted module, names of trainable parameters outside segments: first those of norms, then others. Under
    any rule they train on the exact gradient of the credit that reaches them."""
    further_parameters: int = 0
    """Number of values in ``exact_parameters``."""
    unconverted: Unconverted = "refuse"
    """Treatment of parameters outside segments and norms in an adopted module."""
    make_module: Callable[[], nn.Module] | None = field(default=None, compare=False, repr=False)
    """Creates the module to adopt and initialises it; None for networks of the suite's layers."""
    segments: tuple[SegmentShapes, ...] = field(init=False)

    def __post_init__(self) -> None:
        segments = tuple(n for n in self.nodes if isinstance(n, SegmentShapes))
        object.__setattr__(self, "segments", segments)
        if not self.sources:
            # DATA is -1: the position before the first node.
            object.__setattr__(self, "sources", tuple((position - 1,) for position in range(len(self.nodes))))

    @property
    def parameters(self) -> int:
        """Total number of trainable values."""
        return sum(s.parameters for s in self.segments) + self.further_parameters

    @property
    def auxiliary(self) -> dict[str, int]:
        """Per segment of an invertible network, the number of auxiliary outputs: its last units or channels."""
        if self.form != "invertible":
            return {}
        passed_on = {s.name: s.output_shape[0] for s in self.segments} | {self.segments[-1].name: self.classes}
        for node, after in zip(self.nodes, self.nodes[1:], strict=False):
            if (
                isinstance(node, SegmentShapes)
                and isinstance(after, FixedLayerShapes)
                and isinstance(after.layer, TakeFirst)
            ):
                passed_on[node.name] = after.layer.outputs
        return {s.name: s.output_shape[0] - passed_on[s.name] for s in self.segments}

    @property
    def units_read(self) -> dict[str, int]:
        """Per segment, the number of output units per example that are not auxiliary."""
        return {s.name: s.units - self.auxiliary.get(s.name, 0) * s.places for s in self.segments}

    @cached_property  # asked for per segment
    def upstream(self) -> dict[str, frozenset[str]]:
        """Per segment, all segments its input depends on, directly or not: those that its credit reaches."""
        reached: list[frozenset[str]] = []
        found: dict[str, frozenset[str]] = {}
        for node, sources in zip(self.nodes, self.sources, strict=True):
            above = frozenset[str]().union(*(reached[source] for source in sources if source != DATA))
            if isinstance(node, SegmentShapes):
                found[node.name] = above
                above |= {node.name}
            reached.append(above)
        return found
