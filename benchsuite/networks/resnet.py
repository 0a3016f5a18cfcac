"""Write the blocks of a residual network out as layers."""

from __future__ import annotations

from benchsuite.specs.models.architecture import (
    ChainArchitecture,
    Conv2dLayer,
    LayerSpec,
    ResNetArchitecture,
    SegmentDefaults,
)
from benchsuite.specs.models.fixed_layers import ActivationLayer, GlobalPoolLayer, PoolLayer, SubsampleLayer, SumLayer

EXPANSION = {"basic": 1, "bottleneck": 4}
"""Output channels of a block per channel of its 3x3 conv."""


def expand_resnet(architecture: ResNetArchitecture) -> ChainArchitecture:
    """Return the same network as a chain: segments in torchvision's order, each block's shortcut after its convs.

    Source: He et al. 2016, arXiv:1512.03385; a bottleneck has its stride in the 3x3 conv, as in torchvision.
    """
    layers: list[LayerSpec] = [_conv(architecture.channels, 7, 2), _pool()]
    if architecture.stem == "cifar":
        layers = [_conv(architecture.channels, 3, 1)]
    incoming = architecture.channels
    for stage, blocks in enumerate(architecture.blocks):
        channels = architecture.channels * 2**stage
        for position in range(blocks):
            stride = 2 if stage and not position else 1
            layers += _block(architecture, incoming, channels, stride)
            incoming = channels * EXPANSION[architecture.block]
    defaults = SegmentDefaults(
        bias=False, norm="batch", norm_order=architecture.norm_order, initialization=architecture.initialization
    )
    return ChainArchitecture(
        kind="chain",
        name=architecture.name,
        defaults=defaults,
        readout=architecture.readout,
        layers=(*layers, GlobalPoolLayer(kind="global_average_pool")),
    )


def _block(architecture: ResNetArchitecture, incoming: int, channels: int, stride: int) -> list[LayerSpec]:
    outgoing = channels * EXPANSION[architecture.block]
    summed_first = architecture.norm_order == "norm_first"
    # The last conv's ReLU follows the sum, unless the norm comes after the ReLU: then it precedes the sum.
    last = {"activation": "identity"} if summed_first else {}
    convs: list[LayerSpec]
    if architecture.block == "basic":
        convs = [_conv(channels, 3, stride), _conv(channels, 3, 1, **last)]
    else:
        convs = [_conv(channels, 1, 1), _conv(channels, 3, stride), _conv(outgoing, 1, 1, **last)]
    # Layers back from the layer after the convs to the input of the block.
    back = len(convs) + 1
    activation: list[LayerSpec] = [ActivationLayer(kind="activation", activation="relu")] if summed_first else []
    if (incoming, stride) == (outgoing, 1):
        return [*convs, SumLayer(kind="sum", of=(1, back)), *activation]
    shortcut: LayerSpec = SubsampleLayer(kind="subsample", channels=outgoing, stride=stride, reads=back)
    if architecture.shortcut == "projection":
        shortcut = _conv(outgoing, 1, stride, activation="identity", reads=back)
    return [*convs, shortcut, SumLayer(kind="sum"), *activation]


def _conv(channels: int, kernel: int, stride: int, **options: object) -> Conv2dLayer:
    plain = {"channels": channels, "kernel": kernel, "stride": stride, "padding": kernel // 2, **options}
    return Conv2dLayer.model_validate({"kind": "conv2d", **plain})


def _pool() -> PoolLayer:
    return PoolLayer(kind="max_pool", size=3, stride=2, padding=1)
