"""Layers between segments, without parameters: pools, dropout, sums, nonlinearities after a sum."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from benchsuite.specs.models.activation import Activation
from benchsuite.specs.models.base import Probability, SpecModel, named_or_spelt_out

Padding = Annotated[
    Annotated[Literal["same"], Tag("name")] | Annotated[int, Field(ge=0), Tag("spelt_out")],
    Discriminator(named_or_spelt_out),
]
"""Zeros on all four sides, or ``same``: as many as keep the image's size; an odd one goes to the bottom and right, as
in TensorFlow."""


def require_stride_one_for_same(padding: Padding, stride: int) -> None:
    """Raise ValueError if ``same`` would not keep the image's size."""
    if padding == "same" and stride != 1:
        raise ValueError(f"padding 'same' keeps the image's size and needs stride 1, not {stride}; give a number")


class Reader(SpecModel):
    """A layer that reads one earlier layer, usually the one before it."""

    reads: int = Field(default=1, gt=0)
    """Distance to the layer it reads, in layers. 1 is the layer before; one more than the number of earlier layers is
    the network's input. The skipped layers must be read by something else, such as a ``sum``."""

    omit_default_from_hash = frozenset({"reads"})


class PoolLayer(Reader):
    """Pooling between segments; no learnable weight."""

    kind: Literal["max_pool", "average_pool", "zero_padded_max_pool"]
    """``zero_padded_max_pool`` (the URFB authors' code): the first window is at the top left corner, zeros at the
    bottom and right take part in the maximum, and a window is at every stride: a size n becomes ceil(n / stride)."""
    size: int = Field(gt=0)
    stride: int | None = Field(default=None, gt=0)
    """Step between windows; the pool's size if not given."""
    padding: Padding = 0
    """Padding never wins a maximum and counts as zeros in a mean. ``same``, for ``max_pool`` only, pads so that a size
    n becomes ceil(n / stride); an odd one goes to the bottom and right, as in TensorFlow."""

    @model_validator(mode="after")
    def _kind_has_this_padding(self) -> PoolLayer:
        if self.padding and self.kind == "zero_padded_max_pool":
            raise ValueError("zero_padded_max_pool has its own padding; leave 'padding' out")
        if self.padding == "same" and self.kind != "max_pool":
            raise ValueError(f"padding 'same' is for max_pool, not {self.kind}; give a number")
        return self


class GlobalPoolLayer(Reader):
    """Mean of each channel over all positions: an image becomes a vector."""

    kind: Literal["global_average_pool"]


class SubsampleLayer(Reader):
    """Keep every ``stride``-th position and append channels of zeros: a shortcut without weights.

    Source: He et al. 2016, arXiv:1512.03385, option A.
    """

    kind: Literal["subsample"]
    channels: int = Field(gt=0, le=65_536)
    """Output channels, including the appended ones; at least the number of input channels."""
    stride: int = Field(default=1, gt=0)


class ActivationLayer(Reader):
    """A nonlinearity between segments, for example after a sum. Segments have their own."""

    kind: Literal["activation"]
    activation: Activation


class DropoutLayer(Reader):
    """Inverted dropout: zero each value with ``probability``, scale the rest by 1/(1 - probability)."""

    kind: Literal["dropout"]
    probability: Probability


class SumLayer(SpecModel):
    """Sum of the outputs of earlier layers, without a nonlinearity; makes a network residual."""

    kind: Literal["sum"]
    of: tuple[int, ...] = Field(default=(1, 2), min_length=2)
    """Distance to each term, in layers. 1 is the layer before and must be among them; one more than the number of
    earlier layers is the network's input."""

    @model_validator(mode="after")
    def _reads_the_layer_before(self) -> SumLayer:
        if min(self.of) < 1 or len(set(self.of)) < len(self.of):
            raise ValueError("the terms of a sum are different numbers of layers back, each at least 1")
        if 1 not in self.of:
            raise ValueError("a sum must have the layer before (1) among its terms: nothing else would read that layer")
        return self


class FlattenLayer(Reader):
    """Flatten an image to a vector, channel slowest. The builder adds it where a dense map follows an image."""

    kind: Literal["flatten"]


FixedLayer = PoolLayer | GlobalPoolLayer | SubsampleLayer | ActivationLayer | DropoutLayer | FlattenLayer | SumLayer
"""All layers between segments."""
