"""Which network is trained: segments one after the other with what lies between them, ending in a readout.

A *segment* is one linear map with its normalisation and nonlinearity. The readout, a dense map to the classes without a
nonlinearity, is added by the builder, so that one architecture serves data sets with different numbers of classes.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from benchsuite.spec.base import DocumentedSpec, Name, Probability, SpecModel, named_or_spelt_out

ActivationName = Literal[
    "relu", "leaky_relu", "saturated_linear", "tanh", "sigmoid", "softplus", "gelu", "identity",
    "scalar_gate", "vector_gate",
]  # fmt: skip
"""``scalar_gate``: h where t·h > 0, else 0, with t = -1 in even and +1 in odd channels (the GEVB paper's conventional
counterpart). ``vector_gate``: the vector h where t·h >= 0, else 0, with random t of ±1 in pairs t, -t, one a channel;
for ``form: vectorized``."""


class SlopedActivation(SpecModel):
    """A nonlinearity whose slope is not the one its name alone stands for."""

    kind: Literal["leaky_relu", "saturated_linear"]
    slope: float = Field(gt=0)
    """Below zero (``leaky_relu``; 0.01 by name alone), or between the bounds (``saturated_linear``, that is
    clip(slope·h, -1, 1); 1 by name alone as in the URFB paper, 0.5 in its authors' code)."""


Activation = Annotated[
    Annotated[ActivationName, Tag("name")] | Annotated[SlopedActivation, Tag("spelt_out")],
    Discriminator(named_or_spelt_out),
]
NormOrder = Literal["norm_first", "activation_first"]


class Initialization(SpecModel):
    """How weights are drawn, and biases where they do not start at zero."""

    later_fields = frozenset({"bias", "on_off"})

    scheme: Literal[
        "torch_default",
        "he_normal",
        "he_uniform",
        "xavier_normal",
        "xavier_uniform",
        "lecun_normal",
        "orthogonal",
        "zeros",
    ] = "torch_default"
    """``torch_default`` is U(-1/sqrt(fan_in), 1/sqrt(fan_in)) for weights and biases, as torch.nn has it."""
    gain: float = Field(default=1.0, gt=0)
    """Multiplies what the scheme gives."""
    on_off: Literal["none", "channels", "adjacent"] = "none"
    """ON/OFF pairs of the GEVB paper: a matrix of half the size is drawn and unfolded. Where a segment reads the data,
    units 2k and 2k+1 get it with opposite signs; elsewhere they get its positive and negative parts crosswise, so that
    all weights are nonnegative and the ON cells compute what the half-size network would. ``channels``: the partners in
    the input are neighbouring channels, also behind a flatten; ``adjacent``: they are neighbouring inputs, which behind
    a flatten are pixels (the authors' conventional networks)."""
    bias: Literal["scheme", "as_weight"] = "scheme"
    """``scheme``: zero, except under ``torch_default``. ``as_weight``: drawn from the distribution of the weights."""

    @model_validator(mode="after")
    def _biases_have_such_a_distribution(self) -> Initialization:
        if self.bias == "as_weight" and self.scheme == "orthogonal":
            raise ValueError("orthogonal is a property of a matrix; biases cannot be drawn as_weight under it")
        return self


class SegmentDefaults(SpecModel):
    """What a segment has unless it says otherwise."""

    activation: Activation = "relu"
    bias: bool = True
    norm: Literal["none", "batch"] = "none"
    norm_order: NormOrder = "norm_first"
    """Whether the norm stands before the nonlinearity or after it (Akrout et al. 2019 put it after)."""
    initialization: Initialization = Initialization()


class SegmentOptions(SpecModel):
    """A segment's own choices; ``None`` takes the chain's default."""

    activation: Activation | None = None
    bias: bool | None = None
    norm: Literal["none", "batch"] | None = None
    norm_order: NormOrder | None = None
    initialization: Initialization | None = None


class DenseLayer(SegmentOptions):
    """A fully connected segment."""

    kind: Literal["dense"]
    units: int = Field(gt=0, le=1_000_000)


Padding = Annotated[
    Annotated[Literal["same"], Tag("name")] | Annotated[int, Field(ge=0), Tag("spelt_out")],
    Discriminator(named_or_spelt_out),
]
"""Zeros on all four sides, or ``same``: as many as keep the image's size, an odd one at the bottom and right, as
TensorFlow has it."""


def require_stride_one_for_same(padding: Padding, stride: int) -> None:
    """Raise ValueError where ``same`` would not keep the image's size."""
    if padding == "same" and stride != 1:
        raise ValueError(f"padding 'same' keeps the image's size and needs stride 1, not {stride}; give a number")


class Conv2dLayer(SegmentOptions):
    """A convolutional segment with a square kernel."""

    kind: Literal["conv2d"]
    channels: int = Field(gt=0, le=65_536)
    kernel: int = Field(gt=0, le=64)
    stride: int = Field(default=1, gt=0)
    padding: Padding = 0
    dilation: int = Field(default=1, gt=0)
    groups: int = Field(default=1, gt=0)

    @model_validator(mode="after")
    def _same_has_a_size_to_keep(self) -> Conv2dLayer:
        require_stride_one_for_same(self.padding, self.stride)
        return self


class LocallyConnected2dLayer(SegmentOptions):
    """A convolution that shares no weight: every position has filters and biases of its own."""

    kind: Literal["locally_connected2d"]
    channels: int = Field(gt=0, le=65_536)
    kernel: int = Field(gt=0, le=64)
    stride: int = Field(default=1, gt=0)
    padding: Padding = 0
    replicated: bool = False
    """Start from one filter at every position instead of independent ones, as the URFB authors' code does."""

    @model_validator(mode="after")
    def _same_has_a_size_to_keep(self) -> LocallyConnected2dLayer:
        require_stride_one_for_same(self.padding, self.stride)
        return self


class PoolLayer(SpecModel):
    """Pooling between segments; no learnable weight."""

    kind: Literal["max_pool", "average_pool", "zero_padded_max_pool"]
    """``zero_padded_max_pool``: the first window at the top left corner, zeros at the bottom and right that take part
    in the maximum, and a window at every stride, so that a size n becomes ceil(n / stride) (the URFB authors' code)."""
    size: int = Field(gt=0)
    stride: int | None = Field(default=None, gt=0)
    """The pool's size if not given."""
    padding: Padding = 0
    """Never wins a maximum; counts as zeros in a mean. ``same``, for ``max_pool`` only: as much as makes a size n
    become ceil(n / stride), an odd one at the bottom and right, as TensorFlow has it."""

    @model_validator(mode="after")
    def _kind_has_this_padding(self) -> PoolLayer:
        if self.padding and self.kind == "zero_padded_max_pool":
            raise ValueError("zero_padded_max_pool has its own padding; leave 'padding' out")
        if self.padding == "same" and self.kind != "max_pool":
            raise ValueError(f"padding 'same' is for max_pool, not {self.kind}; give a number")
        return self


class DropoutLayer(SpecModel):
    """Inverted dropout: each value is zeroed with ``probability``, the rest is scaled by 1/(1 - probability)."""

    kind: Literal["dropout"]
    probability: Probability


class SumLayer(SpecModel):
    """The sum of what earlier layers give, without a nonlinearity; makes a network residual."""

    kind: Literal["sum"]
    of: tuple[int, ...] = Field(default=(1, 2), min_length=2)
    """How many layers back each term is. 1 is the layer before and must be among them; one more than there are layers
    before is the network's input."""

    @model_validator(mode="after")
    def _reads_the_layer_before(self) -> SumLayer:
        if min(self.of) < 1 or len(set(self.of)) < len(self.of):
            raise ValueError("the terms of a sum are different numbers of layers back, each at least 1")
        if 1 not in self.of:
            raise ValueError("a sum must have the layer before (1) among its terms: nothing else would read that layer")
        return self


class FlattenLayer(SpecModel):
    """Image to vector, channel slowest. Put in by the builder where a dense map follows an image."""

    kind: Literal["flatten"]


LayerSpec = Annotated[
    DenseLayer | Conv2dLayer | LocallyConnected2dLayer | PoolLayer | DropoutLayer | FlattenLayer | SumLayer,
    Field(discriminator="kind"),
]


class ReadoutSpec(SpecModel):
    """The last segment: a dense map to the classes, without a nonlinearity unless it is asked for."""

    later_fields = frozenset({"activation"})

    bias: bool | None = None
    initialization: Initialization | None = None
    activation: Activation = "identity"
    """For ``form: invertible``, whose published code has a nonlinearity at the output too."""


class BinaryCode(SpecModel):
    """Classes are told apart by codes of ±1: the binary digits of their index, lowest first, repeated to the length."""

    kind: Literal["binary"]
    bits: int = Field(gt=0, le=4096)
    """Components of the output; at least log2 of the number of classes."""


OutputCode = Annotated[
    Annotated[Literal["one_hot"], Tag("name")] | Annotated[BinaryCode, Tag("spelt_out")],
    Discriminator(named_or_spelt_out),
]


class ChainArchitecture(DocumentedSpec):
    """Layers one after the other, with sums over earlier ones where asked for, then the readout."""

    kind: Literal["chain"]
    form: Literal["ordinary", "vectorized", "invertible"] = "ordinary"
    """``vectorized``: every unit is a vector of K components, one a class or code bit; weights are shared over
    components but in segments that read the data; the readout is one vector unit (GEVB paper).
    ``invertible``: every map has a square matrix, as many outputs as one of them reads inputs (a convolution: input
    channels times kernel area). ``units`` and ``channels`` say how many of the outputs the next layer gets; the others
    are auxiliary, kept for the inverse only. So it is at the readout, whose first outputs are the logits (GAIT-prop
    papers)."""
    weight_sign: Literal["mixed", "nonnegative"] = "mixed"
    """``nonnegative``: after every update, weights of segments that do not read the data are clamped at zero."""
    output_code: OutputCode = "one_hot"
    """For ``form: vectorized``. A class's logit is the product of the output vector with the class's code, so that the
    class of the nearest code is predicted."""
    defaults: SegmentDefaults = SegmentDefaults()
    layers: tuple[LayerSpec, ...] = Field(max_length=1000)
    readout: ReadoutSpec = ReadoutSpec()

    later_fields = frozenset({"form", "weight_sign", "output_code"})

    @model_validator(mode="after")
    def _codes_are_for_vectors(self) -> ChainArchitecture:
        if self.form != "vectorized" and self.output_code != "one_hot":
            raise ValueError(f"output_code is for form: vectorized; an {self.form} network has one output a class")
        return self

    @model_validator(mode="after")
    def _readout_activation_is_for_inverses(self) -> ChainArchitecture:
        if self.form != "invertible" and self.readout.activation != "identity":
            raise ValueError("readout.activation is for form: invertible; elsewhere the logits are the map's output")
        return self


class PluginArchitecture(DocumentedSpec):
    """A network built by a plugin's own builder (hook ``benchsuite_architectures``)."""

    kind: Literal["plugin"]
    builder: Name
    options: dict[str, Any] = Field(default_factory=dict)
    """Handed to the builder as they are."""


ArchitectureSpec = Annotated[ChainArchitecture | PluginArchitecture, Field(discriminator="kind")]
