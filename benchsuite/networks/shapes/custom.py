"""Chains with linear maps, layers and nonlinearities of a plugin's own, as a plugin's builder returns them.

A run's spec names the builder and its options, and its record has the hash of the builder's code. So what is made here
needs no spec of its own, and the suite works out its shapes by trying it on an example of zeros. Torch is imported for
that alone: shapes of the suite's own layers are worked out without it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

from benchsuite.errors import BenchsuiteError, ShapeError
from benchsuite.networks.shapes.geometry import Shape
from benchsuite.specs.models.activation import Activation
from benchsuite.specs.models.architecture import Initialization, LayerSpec, NormOrder, ReadoutSpec, SegmentDefaults
from benchsuite.specs.models.norm import Norm

if TYPE_CHECKING:
    from torch import Tensor, nn

    from benchsuite.networks.maps import LinearMap
    from benchsuite.networks.nonlinearity import Nonlinearity

MakeMap = Callable[[Shape, bool], "LinearMap"]
"""Function from (shape of one input, whether there is a bias) to a new map; it draws nothing."""


@dataclass(frozen=True)
class CustomActivation:
    """A nonlinearity with its name.

    Attributes:
        kind: the name, as rules may list it in ``traits.activations``.
        nonlinearity: the function and its backward pass.

    """

    kind: str
    nonlinearity: Nonlinearity


@dataclass(frozen=True)
class CustomSegment:
    """A segment with a linear map of the plugin's own.

    Attributes:
        kind: the map's ``kind``; segments are named by it and their number, such as ``conv1d2``.
        make: returns a new map; the shapes on paper are those that it turns out to have.
        activation: a name of the suite, or one of your own; the chain's if not given. So with the others.
        reads: distance to the layer that it reads, in layers.

    """

    kind: str
    make: MakeMap
    activation: Activation | CustomActivation | None = None
    bias: bool | None = None
    norm: Norm | None = None
    norm_order: NormOrder | None = None
    initialization: Initialization | None = None
    reads: int = 1

    def measure(self, input_shape: Shape, bias: bool, position: int) -> MapSizes:
        """Return the sizes of the map for this shape of one input.

        Raises:
            ShapeError: if it cannot be made, or does not take such inputs. The message names the layer.

        """
        import torch

        described = f"layer {position}, {self.kind}"
        try:
            made = self.make(input_shape, bias)
            with torch.no_grad():
                output = made.apply_weight(torch.zeros(1, *input_shape), made.weight, made.bias)
        except BenchsuiteError:
            raise
        except Exception as error:
            raise ShapeError(f"{described}, for inputs of {input_shape}: {type(error).__name__}: {error}") from error
        if made.kind != self.kind:
            raise ShapeError(f"{described}: its map is of kind '{made.kind}'; give both the same name")
        shape = tuple(output.shape[1:])
        biases = 0 if made.bias is None else made.bias.numel()
        return MapSizes(shape, made.weight.numel(), biases, math.prod(shape) * made.fan_in)


@dataclass(frozen=True)
class MapSizes:
    """Shapes and work of a map for one example.

    Attributes:
        output_shape: of one example.
        weights: numbers in the weight.
        biases: numbers in the bias.
        macs: multiply-adds of the forward operation.

    """

    output_shape: Shape
    weights: int
    biases: int
    macs: int


@dataclass(frozen=True)
class CustomLayer:
    """A layer of the plugin's own between segments: without parameters, exact for autograd, without draws.

    Attributes:
        kind: names it in messages.
        make: returns a new module, which maps (batch, ...) to (batch, ...).
        reads: distance to the layer that it reads, in layers.

    """

    kind: str
    make: Callable[[], nn.Module]
    reads: int = 1

    def measure(self, input_shape: Shape, position: int) -> Shape:
        """Return the shape of one output.

        Raises:
            ShapeError: if it has parameters, or does not take such inputs. The message names the layer.

        """
        import torch

        described = f"layer {position}, {self.kind}"
        try:
            made = self.make().eval()
            with torch.no_grad():
                output: Tensor = made(torch.zeros(1, *input_shape))
        except BenchsuiteError:
            raise
        except Exception as error:
            raise ShapeError(f"{described}, for inputs of {input_shape}: {type(error).__name__}: {error}") from error
        if next(made.parameters(), None) is not None:
            raise ShapeError(f"{described}: has parameters; what learns is a segment, with its map in a CustomSegment")
        return tuple(output.shape[1:])


@dataclass(frozen=True)
class CustomChain:
    """A chain whose layers may be of the plugin's own, ending in a dense readout that the suite adds.

    Attributes:
        layers: layers of specs (``DenseLayer(kind="dense", units=64)``), ``CustomSegment`` and ``CustomLayer``.
        activation: nonlinearity of all segments that have none of their own; that of ``defaults`` if not given.
        defaults: of all segments.
        readout: settings of the readout.

    """

    layers: tuple[LayerSpec | CustomSegment | CustomLayer, ...]
    activation: CustomActivation | None = None
    defaults: SegmentDefaults = field(default_factory=SegmentDefaults)
    readout: ReadoutSpec = field(default_factory=ReadoutSpec)
    form: ClassVar[Literal["ordinary"]] = "ordinary"
    weight_sign: ClassVar[Literal["mixed"]] = "mixed"
    output_code: ClassVar[Literal["one_hot"]] = "one_hot"
