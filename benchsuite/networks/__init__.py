"""Networks as rules see them: segments, each with one linear map, and parameter-free layers between segments."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchsuite.networks.adoption import AdoptedNetwork, adopt
    from benchsuite.networks.architecture_shapes import ArchitectureBuilder
    from benchsuite.networks.criterion import Criterion
    from benchsuite.networks.maps import LinearMap
    from benchsuite.networks.network import Network
    from benchsuite.networks.nonlinearity import NONLINEARITIES, Nonlinearity
    from benchsuite.networks.segments import ProbeNorm, Segment
    from benchsuite.networks.shapes.network_shapes import NetworkShapes, SegmentShapes

__all__ = [
    "NONLINEARITIES",
    "AdoptedNetwork",
    "ArchitectureBuilder",
    "Criterion",
    "LinearMap",
    "Network",
    "NetworkShapes",
    "Nonlinearity",
    "ProbeNorm",
    "Segment",
    "SegmentShapes",
    "adopt",
]

_MODULES = {
    "NONLINEARITIES": "nonlinearity",
    "AdoptedNetwork": "adoption",
    "ArchitectureBuilder": "builder",
    "NetworkShapes": "shapes.network_shapes",
    "Criterion": "criterion",
    "LinearMap": "maps",
    "Network": "network",
    "Nonlinearity": "nonlinearity",
    "ProbeNorm": "segments",
    "Segment": "segments",
    "SegmentShapes": "shapes.network_shapes",
    "adopt": "adoption",
}


def __getattr__(name: str) -> Any:
    # Imported on first use: shapes can be worked out without torch.
    if name not in __all__:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
