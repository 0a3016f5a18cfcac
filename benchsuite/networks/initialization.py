"""Initial weights: drawn the same way for every rule at one seed index."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Generator, Tensor, nn

from benchsuite.networks.maps import LinearMap
from benchsuite.specs.models.architecture import Initialization

Fill = Callable[[Tensor], object]
"""Function that fills a tensor with random values in place."""


def initialize(
    linear_map: LinearMap,
    how: Initialization,
    generator: Generator,
    reads_input: bool = False,
    input_channels: int | None = None,
) -> None:
    """Draw a map's weight from ``generator``, then its bias if the scheme draws biases; other biases become zero.

    Args:
        linear_map: the map to initialise.
        how: the initialisation scheme.
        generator: the random stream, on the CPU.
        reads_input: whether the map reads the network's input and no segment; for ON/OFF pairs.
        input_channels: channels of its input before flattening; for ON/OFF pairs of channels.

    Source: He et al. 2015 (he_*), Glorot & Bengio 2010 (xavier_*), LeCun et al. 1998 (lecun_normal: N(0, 1/fan_in)),
    Saxe et al. 2014 (orthogonal), Clark et al. 2021 (ON/OFF pairs), torch.nn (torch_default).
    """
    if linear_map.bias is not None:
        nn.init.zeros_(linear_map.bias)
    halved = how.on_off != "none" and not reads_input
    fill, fill_bias = _fillers(linear_map, how, generator, linear_map.fan_in // 2 if halved else linear_map.fan_in)
    if how.bias == "as_weight":
        fill_bias = fill
    if how.on_off == "none":
        linear_map.draw(fill, fill_bias)
    elif reads_input:
        linear_map.draw(partial(_fill_opposite_pairs, fill=fill), fill_bias)
    else:
        channels = input_channels if how.on_off == "channels" else None
        linear_map.draw(partial(_fill_crosswise_pairs, fill=fill, channels=channels), fill_bias)


def _fill_opposite_pairs(values: Tensor, fill: Fill) -> None:
    """Draw half of the outputs and give each a partner with the opposite weight: for pairs that read the input."""
    half = values.new_empty(len(values) // 2, *values.shape[1:])  # (outputs / 2, ...)
    fill(half)
    with torch.no_grad():
        values[0::2] = half
        values[1::2] = -half


def _fill_crosswise_pairs(values: Tensor, fill: Fill, channels: int | None) -> None:
    """Draw a matrix of half the size and unfold it into nonnegative weights between pairs.

    W[ON, ON] = W[OFF, OFF] = [w]+ and W[ON, OFF] = W[OFF, ON] = [-w]+ (Clark et al. 2021, eq. 16, with partners side by
    side). A single output, the readout's vector unit, is an ON cell.
    """
    outputs = len(values)
    unfolded = values.detach().view(outputs, values[0].numel() if channels is None else channels, -1)
    half = values.new_empty(-(-outputs // 2), unfolded.shape[1] // 2, unfolded.shape[2])
    fill(half)
    with torch.no_grad():
        on, off = half.clamp_min(0), half.neg().clamp_min(0)
        unfolded[0::2, 0::2], unfolded[0::2, 1::2] = on, off
        unfolded[1::2, 0::2], unfolded[1::2, 1::2] = off[: outputs // 2], on[: outputs // 2]


def _fillers(linear_map: LinearMap, how: Initialization, generator: Generator, fan_in: int) -> tuple[Fill, Fill | None]:
    """Return the filler for a weight and, if the scheme draws biases, the filler for a bias."""
    fan_out = linear_map.fan_out

    def uniform(bound: float) -> Fill:
        return lambda values: nn.init.uniform_(values, -bound, bound, generator=generator)

    def normal(standard_deviation: float) -> Fill:
        return lambda values: nn.init.normal_(values, 0.0, standard_deviation, generator=generator)

    match how.scheme:
        case "torch_default":
            fill = uniform(how.gain / math.sqrt(fan_in))
            return fill, fill
        case "he_normal":
            return normal(how.gain * math.sqrt(2 / fan_in)), None
        case "he_normal_fan_out":
            return normal(how.gain * math.sqrt(2 / fan_out)), None
        case "he_uniform":
            return uniform(how.gain * math.sqrt(6 / fan_in)), None
        case "xavier_normal":
            return normal(how.gain * math.sqrt(2 / (fan_in + fan_out))), None
        case "xavier_uniform":
            return uniform(how.gain * math.sqrt(6 / (fan_in + fan_out))), None
        case "lecun_normal":
            return normal(how.gain / math.sqrt(fan_in)), None
        case "orthogonal":
            return (lambda values: nn.init.orthogonal_(values, how.gain, generator=generator)), None
        case "zeros":
            return nn.init.zeros_, None
