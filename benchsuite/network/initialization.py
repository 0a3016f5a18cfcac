"""How weights are drawn at the start; the same for every rule at one seed index."""

from __future__ import annotations

import math

from torch import Generator, nn

from benchsuite.network.maps import LinearMap
from benchsuite.spec.architecture import Initialization


def initialize(linear_map: LinearMap, how: Initialization, generator: Generator) -> None:
    """Draw a map's weight, and under ``torch_default`` its bias, from ``generator``; other biases become zero.

    Source: He et al. 2015 (he_*), Glorot & Bengio 2010 (xavier_*), LeCun et al. 1998 (lecun_normal: N(0, 1/fan_in)),
    Saxe et al. 2014 (orthogonal), torch.nn (torch_default).
    """
    weight, bias = linear_map.weight, linear_map.bias
    fan_in, fan_out = linear_map.fan_in, linear_map.fan_out
    if bias is not None:
        nn.init.zeros_(bias)
    match how.scheme:
        case "torch_default":
            bound = how.gain / math.sqrt(fan_in)
            nn.init.uniform_(weight, -bound, bound, generator=generator)
            if bias is not None:
                nn.init.uniform_(bias, -bound, bound, generator=generator)
        case "he_normal":
            nn.init.normal_(weight, 0.0, how.gain * math.sqrt(2 / fan_in), generator=generator)
        case "he_uniform":
            bound = how.gain * math.sqrt(6 / fan_in)
            nn.init.uniform_(weight, -bound, bound, generator=generator)
        case "xavier_normal":
            nn.init.normal_(weight, 0.0, how.gain * math.sqrt(2 / (fan_in + fan_out)), generator=generator)
        case "xavier_uniform":
            bound = how.gain * math.sqrt(6 / (fan_in + fan_out))
            nn.init.uniform_(weight, -bound, bound, generator=generator)
        case "lecun_normal":
            nn.init.normal_(weight, 0.0, how.gain / math.sqrt(fan_in), generator=generator)
        case "orthogonal":
            nn.init.orthogonal_(weight, how.gain, generator=generator)
        case "zeros":
            nn.init.zeros_(weight)
