"""How weights are drawn at the start; the same for every rule at one seed index."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import Generator, Tensor, nn

from benchsuite.network.maps import LinearMap
from benchsuite.spec.architecture import Initialization


def initialize(linear_map: LinearMap, how: Initialization, generator: Generator) -> None:
    """Draw a map's weight from ``generator``, then its bias where it is drawn at all; other biases become zero.

    Source: He et al. 2015 (he_*), Glorot & Bengio 2010 (xavier_*), LeCun et al. 1998 (lecun_normal: N(0, 1/fan_in)),
    Saxe et al. 2014 (orthogonal), torch.nn (torch_default).
    """
    if linear_map.bias is not None:
        nn.init.zeros_(linear_map.bias)
    fill, fill_bias = _fillers(linear_map, how, generator)
    linear_map.draw(fill, fill if how.bias == "as_weight" else fill_bias)


Fill = Callable[[Tensor], object]


def _fillers(linear_map: LinearMap, how: Initialization, generator: Generator) -> tuple[Fill, Fill | None]:
    """Return what fills a weight and, where the scheme draws biases, what fills a bias."""
    fan_in, fan_out = linear_map.fan_in, linear_map.fan_out

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
