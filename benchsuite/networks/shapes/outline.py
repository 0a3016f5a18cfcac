"""The network on paper: shapes, parameters and work of every layer, worked out before torch is needed.

The builder builds from an outline, ``plan`` estimates from it, and a rule's needs are checked against it, so all three
see the same network.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from benchsuite.networks.shapes.geometry import Shape
from benchsuite.specs.models.activation import Activation
from benchsuite.specs.models.architecture import Initialization, NormOrder, OutputCode, Unconverted
from benchsuite.specs.models.joints import JointLayer

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class PassOn:
    """The first so many units or channels go to the next layer; the others, auxiliary ones, go nowhere."""

    outputs: int
    kind: ClassVar[str] = "pass_on"


AnyJoint = JointLayer | PassOn
"""What lies between segments."""
DATA = -1
"""In a node's sources: what comes from the data and from no node."""


@dataclass(frozen=True)
class SegmentOutline:
    """One segment: a linear map with its norm and nonlinearity."""

    name: str
    map_kind: str
    input_shape: Shape
    output_shape: Shape
    """Of one example, where credit is placed."""
    map_options: dict[str, Any]
    """Constructor arguments of the map beside its bias."""
    bias: bool
    norm: str
    norm_order: NormOrder
    activation: Activation
    initialization: Initialization
    parameters: int
    multiply_adds: int
    """Of the map's forward operation, for one example; all components."""
    input_channels: int = 0
    """Channels of what comes in, before it was flattened; of a vector its length."""
    reads_data: bool = False
    """Whether it reads the data and no segment."""

    @property
    def units(self) -> int:
        """Units of one example's output; in a vectorized network each has several components."""
        return math.prod(self.output_shape)

    @property
    def places(self) -> int:
        """Positions at which each unit or channel of an output stands; one in a dense segment."""
        return math.prod(self.output_shape[1:])


@dataclass(frozen=True)
class JointOutline:
    """What lies between segments and learns nothing."""

    layer: AnyJoint
    input_shape: Shape
    """Of one of its inputs; all terms of a sum have the same."""
    output_shape: Shape
    reads_vectors: bool = False
    """Whether what comes in are vector units."""


@dataclass(frozen=True)
class ArchitectureOutline:
    """A whole network: nodes in forward order, the readout last."""

    input_shape: Shape
    classes: int
    nodes: tuple[SegmentOutline | JointOutline, ...]
    form: str = "ordinary"
    topology: str = "chain"
    sources: tuple[tuple[int, ...], ...] = ()
    """For each node the positions of the nodes it reads, or ``DATA``. If not given, each reads the one before."""
    components: int = 1
    """Of a unit: K in a vectorized network."""
    output_code: OutputCode = "one_hot"
    nonnegative: bool = False
    """Whether weights of segments that do not read the data are held at or above zero."""
    exact_parameters: tuple[str, ...] = ()
    """In an adopted module, names of what learns and is in no segment: those of norms, then any others. They get the
    exact gradient of what reaches them under any rule."""
    further_parameters: int = 0
    """How many numbers these are."""
    unconverted: Unconverted = "refuse"
    """Whether an adopted module may have such parameters outside norms."""
    make_module: Callable[[], nn.Module] | None = field(default=None, compare=False, repr=False)
    """Makes the module that is to be adopted, with its own initialisation; None for networks of the suite's layers."""
    segments: tuple[SegmentOutline, ...] = field(init=False)

    def __post_init__(self) -> None:
        segments = tuple(n for n in self.nodes if isinstance(n, SegmentOutline))
        object.__setattr__(self, "segments", segments)
        if not self.sources:
            # DATA is the position before the first.
            object.__setattr__(self, "sources", tuple((position - 1,) for position in range(len(self.nodes))))

    @property
    def parameters(self) -> int:
        """Learnable numbers in all."""
        return sum(s.parameters for s in self.segments) + self.further_parameters

    @property
    def auxiliary(self) -> dict[str, int]:
        """Of each segment of an invertible network, how many outputs (units or channels, its last) nobody reads."""
        if self.form != "invertible":
            return {}
        passed_on = {s.name: s.output_shape[0] for s in self.segments} | {self.segments[-1].name: self.classes}
        for node, after in zip(self.nodes, self.nodes[1:], strict=False):
            if isinstance(node, SegmentOutline) and isinstance(after, JointOutline) and isinstance(after.layer, PassOn):
                passed_on[node.name] = after.layer.outputs
        return {s.name: s.output_shape[0] - passed_on[s.name] for s in self.segments}

    @property
    def units_read(self) -> dict[str, int]:
        """Of each segment, how many units of one example's output are not auxiliary."""
        return {s.name: s.units - self.auxiliary.get(s.name, 0) * s.places for s in self.segments}

    @property
    def upstream(self) -> dict[str, frozenset[str]]:
        """For each segment, the segments its input depends on, over any number of steps: where its credit goes."""
        reached: list[frozenset[str]] = []
        found: dict[str, frozenset[str]] = {}
        for node, sources in zip(self.nodes, self.sources, strict=True):
            above = frozenset[str]().union(*(reached[source] for source in sources if source != DATA))
            if isinstance(node, SegmentOutline):
                found[node.name] = above
                above |= {node.name}
            reached.append(above)
        return found
