"""Linear maps: the only modules with weights that credit is assigned to.

A linear map has three operations that are linear in the weight: apply it, pull a cotangent back to its input *through a
given weight*, and form the weight's gradient from (input, cotangent). Rules use feedback weights through the second
operation, so no rule needs to know whether a map is dense or convolutional.
"""

from benchsuite.networks.maps.conv2d import Conv2d
from benchsuite.networks.maps.dense import Dense
from benchsuite.networks.maps.factorization import Factorization, Square
from benchsuite.networks.maps.linear_map import LinearMap, map_kinds, replaced_feedback
from benchsuite.networks.maps.locally_connected import LocallyConnected2d

__all__ = [
    "Conv2d",
    "Dense",
    "Factorization",
    "LinearMap",
    "LocallyConnected2d",
    "Square",
    "map_kinds",
    "replaced_feedback",
]
