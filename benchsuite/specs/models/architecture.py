"""Architectures: a sequence of segments and of layers between them, ending in a readout.

A *segment* is one linear map with its normalisation and nonlinearity. The builder adds the readout, a dense map to the
classes without a nonlinearity, so that one architecture serves data sets with different numbers of classes.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from benchsuite.specs.models.activation import Activation
from benchsuite.specs.models.base import DocumentedSpec, Name, SpecModel, named_or_spelt_out
from benchsuite.specs.models.fixed_layers import FixedLayer, Padding, Reader, require_stride_one_for_same
from benchsuite.specs.models.norm import Norm

NormOrder = Literal["norm_first", "activation_first"]


class Initialization(SpecModel):
    """Initialisation of weights, and of biases that do not start at zero."""

    omit_default_from_hash = frozenset({"bias", "on_off"})

    scheme: Literal[
        "torch_default",
        "he_normal",
        "he_normal_fan_out",
        "he_uniform",
        "xavier_normal",
        "xavier_uniform",
        "lecun_normal",
        "orthogonal",
        "zeros",
    ] = "torch_default"
    """``torch_default`` is U(-1/sqrt(fan_in), 1/sqrt(fan_in)) for weights and biases, as in torch.nn.
    ``he_normal_fan_out`` is N(0, 2 / fan_out), as in torchvision's ResNets."""
    gain: float = Field(default=1.0, gt=0)
    """Factor on the values that the scheme draws."""
    on_off: Literal["none", "channels", "adjacent"] = "none"
    """ON/OFF pairs of the GEVB paper: a matrix of half the size is drawn and unfolded. In a segment that reads the
    network's input, units 2k and 2k+1 get it with opposite signs. In other segments they get its positive and negative
    parts crosswise, so that all weights are nonnegative and the ON cells compute what the half-size network would.
    ``channels``: partners in the input are neighbouring channels, also after a flatten. ``adjacent``: they are
    neighbouring inputs, which after a flatten are pixels (the authors' conventional networks)."""
    bias: Literal["scheme", "as_weight"] = "scheme"
    """``scheme``: zero, except for ``torch_default``. ``as_weight``: drawn from the distribution of the weights."""

    @model_validator(mode="after")
    def _biases_have_such_a_distribution(self) -> Initialization:
        if self.bias == "as_weight" and self.scheme == "orthogonal":
            raise ValueError("scheme orthogonal draws matrices only; with it, bias cannot be as_weight")
        return self


class SegmentDefaults(SpecModel):
    """Default settings of the segments of a chain."""

    activation: Activation = "relu"
    bias: bool = True
    norm: Norm = "none"
    norm_order: NormOrder = "norm_first"
    """Norm before or after the nonlinearity (Akrout et al. 2019 put it after)."""
    initialization: Initialization = Initialization()


class SegmentOptions(Reader):
    """Settings of one segment; ``None`` takes the chain's default."""

    activation: Activation | None = None
    bias: bool | None = None
    norm: Norm | None = None
    norm_order: NormOrder | None = None
    initialization: Initialization | None = None


class DenseLayer(SegmentOptions):
    """A fully connected segment."""

    kind: Literal["dense"]
    units: int = Field(gt=0, le=1_000_000)


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
    """A convolution without weight sharing: every position has its own filters and biases."""

    kind: Literal["locally_connected2d"]
    channels: int = Field(gt=0, le=65_536)
    kernel: int = Field(gt=0, le=64)
    stride: int = Field(default=1, gt=0)
    padding: Padding = 0
    replicated: bool = False
    """Start with the same filters at every position instead of independent ones, as the URFB authors' code does."""

    @model_validator(mode="after")
    def _same_has_a_size_to_keep(self) -> LocallyConnected2dLayer:
        require_stride_one_for_same(self.padding, self.stride)
        return self


LayerSpec = Annotated[
    DenseLayer | Conv2dLayer | LocallyConnected2dLayer | FixedLayer,
    Field(discriminator="kind"),
]


class ReadoutSpec(SpecModel):
    """The last segment: a dense map to the classes, by default without a nonlinearity."""

    omit_default_from_hash = frozenset({"activation"})

    bias: bool | None = None
    initialization: Initialization | None = None
    activation: Activation = "identity"
    """For ``form: invertible`` only: its published code has a nonlinearity at the output too."""


class BinaryCode(SpecModel):
    """Codes of ±1 for the classes: the binary digits of the class index, lowest first, repeated up to ``bits``."""

    kind: Literal["binary"]
    bits: int = Field(gt=0, le=4096)
    """Length of a code, the components of the output; at least log2 of the number of classes."""


OutputCode = Annotated[
    Annotated[Literal["one_hot"], Tag("name")] | Annotated[BinaryCode, Tag("spelt_out")],
    Discriminator(named_or_spelt_out),
]


class ChainArchitecture(DocumentedSpec):
    """A sequence of layers, with optional sums over earlier layers, then the readout."""

    kind: Literal["chain"]
    form: Literal["ordinary", "vectorized", "invertible"] = "ordinary"
    """``vectorized``: every unit is a vector of K components, one per class or code bit. Weights are shared between
    components, except in segments that read the network's input. The readout is one vector unit (GEVB paper).
    ``invertible``: every map has a square matrix: as many outputs as one output has inputs (for a convolution: input
    channels times kernel area). ``units`` and ``channels`` are the numbers of outputs that the next layer reads. The
    others are auxiliary and kept for the inverse only. The first outputs of the readout are the logits. Weights start
    orthogonal unless ``defaults.initialization`` is given (GAIT-prop papers)."""
    weight_sign: Literal["mixed", "nonnegative"] = "mixed"
    """``nonnegative``: after every update, weights are clamped at zero, except in segments that read the network's
    input."""
    output_code: OutputCode = "one_hot"
    """For ``form: vectorized``. The logit of a class is the product of the output vector with the code of the class, so
    the class with the nearest code is predicted."""
    defaults: SegmentDefaults = SegmentDefaults()
    layers: tuple[LayerSpec, ...] = Field(max_length=1000)
    readout: ReadoutSpec = ReadoutSpec()

    omit_default_from_hash = frozenset({"form", "weight_sign", "output_code"})

    @model_validator(mode="before")
    @classmethod
    def _what_is_inverted_starts_orthogonal(cls, given: Any) -> Any:
        if not isinstance(given, dict) or given.get("form") != "invertible":
            return given
        defaults = given.get("defaults", {})
        if not isinstance(defaults, dict):
            return given
        return given | {"defaults": {"initialization": {"scheme": "orthogonal"}} | defaults}

    @model_validator(mode="after")
    def _codes_are_for_vectors(self) -> ChainArchitecture:
        if self.form != "vectorized" and self.output_code != "one_hot":
            raise ValueError(f"output_code is for form: vectorized; an {self.form} network has one output per class")
        return self

    @model_validator(mode="after")
    def _readout_activation_is_for_inverses(self) -> ChainArchitecture:
        if self.form != "invertible" and self.readout.activation != "identity":
            raise ValueError("readout.activation is for form: invertible; elsewhere the logits are the map's output")
        return self


Unconverted = Literal["refuse", "exact"]


class PluginArchitecture(DocumentedSpec):
    """A network built by a plugin's builder (hook ``benchsuite_architectures``)."""

    kind: Literal["plugin"]
    builder: Name
    options: dict[str, Any] = Field(default_factory=dict)
    """Passed to the builder unchanged."""
    unconverted: Unconverted = "refuse"
    """If the builder returns a torch module: treatment of parameters outside linear maps and norms."""

    omit_default_from_hash = frozenset({"unconverted"})


class ResNetArchitecture(DocumentedSpec):
    """Residual blocks in stages; each new stage has half the size and twice the channels (He et al. 2016)."""

    kind: Literal["resnet"]
    block: Literal["basic", "bottleneck"]
    """``basic``: two 3x3 convs. ``bottleneck``: 1x1, 3x3 (with the stride, as in torchvision) and 1x1 with four times
    the channels."""
    blocks: tuple[Annotated[int, Field(gt=0, le=200)], ...] = Field(min_length=1, max_length=8)
    """Number of blocks in each stage."""
    channels: int = Field(gt=0, le=4096)
    """Channels of the 3x3 convs in the first stage."""
    stem: Literal["imagenet", "cifar"]
    """``imagenet``: a 7x7 conv of stride 2 and a max pool. ``cifar``: a 3x3 conv."""
    shortcut: Literal["projection", "subsample"] = "projection"
    """Shortcut of blocks that change the shape: a 1x1 conv with a norm, or no weights (options B and A)."""
    norm_order: NormOrder = "norm_first"
    """``norm_first``: conv, norm, ReLU; the last ReLU of a block follows the sum. ``activation_first``: conv, ReLU,
    norm in every segment, and a sum without a nonlinearity (Akrout et al. 2019; position of the sum inferred)."""
    initialization: Initialization = Initialization(scheme="he_normal_fan_out")
    readout: ReadoutSpec = ReadoutSpec(bias=True, initialization=Initialization())

    @model_validator(mode="after")
    def _is_of_a_size_that_can_be_written_out(self) -> ResNetArchitecture:
        if sum(self.blocks) > 150:
            raise ValueError(f"{sum(self.blocks)} blocks; at most 150 are written out as layers")
        widest = self.channels * 2 ** (len(self.blocks) - 1) * (4 if self.block == "bottleneck" else 1)
        if widest > 65_536:
            raise ValueError(f"the last stage has {widest} channels; at most 65536, so use fewer stages or channels")
        return self


class TorchvisionArchitecture(DocumentedSpec):
    """A classifier of ``torchvision.models``, adopted so that rules of the first mechanism can train it."""

    kind: Literal["torchvision"]
    model: Name
    """Name for ``torchvision.models.get_model``."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Further arguments of ``get_model``, besides ``weights=None`` and the number of classes."""
    unconverted: Unconverted = "refuse"
    """Treatment of parameters outside linear maps and norms, such as attention's: refuse the network, or train them
    with the exact gradient of the credit that reaches them."""


ArchitectureSpec = Annotated[
    ChainArchitecture | ResNetArchitecture | PluginArchitecture | TorchvisionArchitecture, Field(discriminator="kind")
]
